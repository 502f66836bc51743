/**
 * The lock of a data directory: it keeps a second daemon out, whatever container or pid namespace of this
 * machine that one runs in. The kernel holds it and releases it when the process dies, so it is never taken
 * over: it is free, or it is held.
 *
 * It is the exclusive lock of an empty SQLite database, because Node itself has no file locks. SQLite takes a
 * lock of fcntl(2), which the kernel drops when the process closes any descriptor of the file: nothing else
 * here may open it.
 */
import { readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { StartError } from "./start-error.ts";

/** SQLITE_BUSY and SQLITE_NOTADB (sqlite3.h). */
const BUSY = 5;
const NOT_A_DATABASE = 26;

/** Who holds the lock. Only people read it: the lock itself says whether anybody does. */
const HOLDER = z.object({ host: z.string(), pid: z.number(), since: z.string() });

export class DirectoryLock {
  readonly #database: DatabaseSync;
  readonly #holderPath: string;

  private constructor(database: DatabaseSync, holderPath: string) {
    this.#database = database;
    this.#holderPath = holderPath;
  }

  /**
   * Takes the lock file at `path`, which is made if there is none and stays when the lock is released.
   * @throws StartError when another process holds it, or when the file system gives no lock
   */
  static async acquire(path: string): Promise<DirectoryLock> {
    const { DatabaseSync } = await import("node:sqlite");
    const holderPath = `${path}.holder`;
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { timeout: 0 });
      // Without a journal in memory there would be a file of one beside it.
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

  /** Lets another daemon in. */
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

/** The process as it saw itself: in another container its id is another one than here. */
async function describeHolder(path: string): Promise<string> {
  try {
    const { host, pid, since } = HOLDER.parse(JSON.parse(await readFile(path, "utf8")));
    return `process ${pid} of host ${host}, since ${since},`;
  } catch {
    return "another process";
  }
}
