/** The directory for a daemon's files: it holds swap, and the lock that excludes a second daemon. */
import { join, resolve } from "node:path";
import { DirectoryLock } from "./directory-lock.ts";
import { closeByteStores, type FileByteStore, openByteStores } from "./file-byte-store.ts";
import { makeDirectory } from "./make-directory.ts";
import { StartError } from "./start-error.ts";

export class DataDirectory {
  readonly path: string;
  readonly #lock: DirectoryLock;
  #swap: readonly FileByteStore[] = [];

  private constructor(path: string, lock: DirectoryLock) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Makes the directory if needed, for its owner alone, and locks it.
   * @throws Error if it cannot be made, or if another daemon holds it.
   */
  static async open(name: string): Promise<DataDirectory> {
    const path = resolve(name);
    try {
      await makeDirectory(path);
    } catch (error) {
      throw new StartError(`Data directory ${path} cannot be made: ${messageOf(error)}.`, { cause: error });
    }
    return new DataDirectory(path, await DirectoryLock.acquire(join(path, "torpord.lock")));
  }

  /**
   * Makes an empty swap file `swap-NAME` for each device. Legal once.
   * @throws Error if one cannot be made, or if there is no room for all of them.
   */
  async openSwap(devices: readonly string[], sizeBytes: number): Promise<readonly FileByteStore[]> {
    const paths = devices.map((device) => join(this.path, `swap-${device}`));
    this.#swap = await openByteStores(paths, sizeBytes);
    return this.#swap;
  }

  /**
   * Removes the swap files and releases the lock.
   * @throws Error if a file cannot be closed or removed.
   */
  async close(): Promise<void> {
    const failures = await closeByteStores(this.#swap);
    await this.#lock.release();
    if (failures.length === 0) return;
    throw new Error(
      `Swap files in ${this.path} could not be removed: ${failures.map(messageOf).join("; ")}.`,
    );
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
