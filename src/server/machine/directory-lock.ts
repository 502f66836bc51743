/**
 * The lock of a data directory. It excludes a second daemon in any container or pid namespace of this
 * machine. The kernel holds it and releases it when the process dies, so nobody ever takes it over: it is
 * either free or held.
 *
 * It is the exclusive lock of an empty SQLite database, because Node has no file locks of its own. SQLite
 * uses a lock of fcntl(2), which the kernel drops when the process closes any descriptor of the file. So
 * nothing else here may open it.
 */
import { readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { StartError } from "./start-error.ts";

/** SQLITE_BUSY and SQLITE_NOTADB (sqlite3.h). */
const BUSY = 5;
const NOT_A_DATABASE = 26;

/** The holder of the lock, for people to read. Only the lock itself says whether anybody holds it. */
const HOLDER = z.object({ host: z.string(), pid: z.number(), since: z.string() });

export class DirectoryLock {
  readonly #database: DatabaseSync;
  readonly #holderPath: string;

  private constructor(database: DatabaseSync, holderPath: string) {
    this.#database = database;
    this.#holderPath = holderPath;
  }

  /**
   * Takes the lock file at `path`. The file is made if needed, and stays after the lock is released.
   * @throws StartError if another process holds it, or if the file system has no locks
   */
  static async acquire(path: string): Promise<DirectoryLock> {
    const { DatabaseSync } = await import("node:sqlite");
    const holderPath = `${path}.holder`;
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { timeout: 0 });
      // Without a journal in memory, SQLite would create a journal file beside it.
      database.exec("PRAGMA journal_mode=MEMORY; PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE");
      const holder = { host: hostname(), pid: process.pid, since: new Date().toISOString() };
      await writeFile(holderPath, `${JSON.stringify(holder)}\n`, { mode: 0o600 });
      return new DirectoryLock(database, holderPath);
    } catch (error) {
      database?.close();
      throw new StartError(`Lock file ${path} cannot be taken: ${await reasonOf(error, holderPath)}.`, {
        cause: error,
      });
    }
  }

  /** Releases the lock. */
  async release(): Promise<void> {
    await rm(this.#holderPath, { force: true });
    this.#database.close();
  }
}

async function reasonOf(error: unknown, holderPath: string): Promise<string> {
  const code = typeof error === "object" && error !== null && "errcode" in error ? error.errcode : undefined;
  if (code === BUSY) return `${await describeHolder(holderPath)} holds it`;
  if (code === NOT_A_DATABASE) {
    return "it is of an earlier version of torpord; if no daemon of that version runs here, remove it";
  }
  const text = error instanceof Error ? error.message : String(error);
  return code === undefined ? text : `the file system gives no lock there (SQLite: ${text})`;
}

/** The process id inside its own container, where it differs from the one outside. */
async function describeHolder(path: string): Promise<string> {
  try {
    const { host, pid, since } = HOLDER.parse(JSON.parse(await readFile(path, "utf8")));
    return `process ${pid} of host ${host}, since ${since},`;
  } catch {
    return "another process";
  }
}
