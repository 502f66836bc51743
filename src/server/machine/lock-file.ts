/**
 * A lock file: it keeps a second process out of what the first has, and names that process, by id and start. When the
 * process is gone, the lock is taken over. Processes are told apart on one machine and in one pid namespace only.
 */
import { readFile, rm, writeFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { LOCK_ATTEMPTS_MAX, LOCK_READ_PAUSE_MS, LOCK_READS_MAX } from "../daemon-limits.ts";
import { codeOf } from "./file-errors.ts";
import { StartError } from "./start-error.ts";

export class LockFile {
  readonly path: string;
  readonly #text: string;

  private constructor(path: string, text: string) {
    this.path = path;
    this.#text = text;
  }

  /**
   * Makes the lock file at `path`, or takes over one that is left of a process that is gone.
   * @throws StartError when another process holds it, or when it cannot be made.
   */
  static async acquire(path: string): Promise<LockFile> {
    const text = `${process.pid}\n${await startOf(process.pid)}\n`;
    try {
      for (let attempt = 0; attempt < LOCK_ATTEMPTS_MAX; attempt++) {
        if (await create(path, text)) return new LockFile(path, text);
        const found = await readLock(path);
        if (found === undefined) continue;
        if (await isHeld(found)) {
          const [pid = ""] = found.split("\n");
          throw new Error(`the process with id ${pid} holds it`);
        }
        await removeStale(path, found, text);
      }
      throw new Error("other processes that want it now are faster");
    } catch (error) {
      throw new StartError(`Lock file ${path} cannot be taken: ${messageOf(error)}.`, { cause: error });
    }
  }

  /** Removes the file. One that somebody else made, after an operator removed this one, stays. */
  async release(): Promise<void> {
    if ((await readLock(this.path)) === this.#text) await rm(this.path, { force: true });
  }
}

/** Makes a lock file. False when there is one already. */
async function create(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** The text of a lock file; undefined when there is none any more. */
async function readLock(path: string): Promise<string | undefined> {
  try {
    for (let read = 1; ; read++) {
      const text = await readFile(path, "utf8");
      // Empty means that its maker is about to write, unless it stays so.
      if (text !== "" || read === LOCK_READS_MAX) return text;
      await pause(LOCK_READ_PAUSE_MS);
    }
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Whether the process that wrote a lock is still there. */
async function isHeld(text: string): Promise<boolean> {
  const [pidText = "", start = ""] = text.split("\n");
  const pid = Number(pidText);
  if (!(Number.isInteger(pid) && pid > 0 && pid < 2 ** 31 && exists(pid))) return false;
  const startNow = await startOf(pid);
  // In a new container, or after a reboot, another process may have the id; often it is this one.
  return start === "" || startNow === "" || start === startNow;
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== "ESRCH";
  }
}

/**
 * When a process started, in words that no other process with its id has; empty where the system does not say, and
 * `ended` for one whose parent has not heard of its end yet.
 */
async function startOf(pid: number): Promise<string> {
  try {
    const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8");
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // The name of the command, in parentheses, may hold anything; state and start are fields 3 and 22 (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "ended" : `${boot.trim()} ${fields[19] ?? ""}`;
  } catch {
    return "";
  }
}

/**
 * Takes a stale lock away. Who does that holds a second lock meanwhile, and looks again under it: else a daemon could
 * remove the lock by which a faster one has replaced the stale one.
 */
async function removeStale(path: string, stale: string, text: string): Promise<void> {
  const takeover = `${path}.takeover`;
  if (!(await create(takeover, text))) {
    const found = await readLock(takeover);
    if (found !== undefined && !(await isHeld(found))) await rm(takeover, { force: true });
    await pause(LOCK_READ_PAUSE_MS);
    return;
  }
  try {
    if ((await readLock(path)) === stale) await rm(path, { force: true });
  } finally {
    await rm(takeover, { force: true });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
