/**
 * A device's swap in a file. It reads and writes the engines' shared memory directly, by position.
 *
 * The file is sparse. There is room for it when it opens, but nothing is reserved. If others fill the disk
 * later, a write fails, and the device keeps the object in memory. Nothing is synchronized, because swap
 * never outlives its process.
 */
import { constants } from "node:fs";
import { open, rm, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { type ByteStore, DeviceError, formatBytes } from "../../device/mod.ts";
import { type PositionedFile, readFully, writeFully } from "./positioned-file.ts";
import { StartError } from "./start-error.ts";

interface FileRange {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export class FileByteStore implements ByteStore {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #file: PositionedFile;

  /** @param file the file at `path`, open for reading and writing, of `sizeBytes`. */
  constructor(path: string, sizeBytes: number, file: PositionedFile) {
    this.path = path;
    this.sizeBytes = sizeBytes;
    this.#file = file;
  }

  /** @throws DeviceError COPY_FAILED, with file and bytes. */
  async write(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    await writeFully(this.#file, offsetBytes, bytes).catch((error: unknown) =>
      this.#fail("written", { offsetBytes, lengthBytes: bytes.length }, error),
    );
  }

  /** @throws DeviceError COPY_FAILED, with file and bytes. */
  async read(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    const doneBytes = await readFully(this.#file, offsetBytes, bytes).catch((error: unknown) =>
      this.#fail("read", { offsetBytes, lengthBytes: bytes.length }, error),
    );
    if (doneBytes === bytes.length) return;
    const why = `it ends at offset ${offsetBytes + doneBytes}`;
    this.#fail("read", { offsetBytes, lengthBytes: bytes.length }, why);
  }

  /** Waits for running operations, then closes and removes the file. */
  async close(): Promise<void> {
    await this.#file.close();
    await rm(this.path, { force: true });
  }

  #fail(done: "read" | "written", { offsetBytes, lengthBytes }: FileRange, why: unknown): never {
    throw new DeviceError(
      "COPY_FAILED",
      `Swap file ${this.path} could not be ${done} (${lengthBytes} bytes at offset ${offsetBytes}): ` +
        `${messageOf(why)}.`,
    ).because(why);
  }
}

/**
 * Opens an empty store of `sizeBytes` at each path, all in the same directory. It first discards old contents
 * of these files, so that their space counts as free. If anything fails, it closes and removes whatever it
 * opened.
 * @throws StartError if a file cannot be made, or if the file system has no room for all of them.
 */
export async function openByteStores(paths: readonly string[], sizeBytes: number): Promise<FileByteStore[]> {
  const files: { readonly path: string; readonly file: PositionedFile & Extendable }[] = [];
  try {
    for (const path of paths) files.push({ path, file: await openEmpty(path) });
    await requireSpace(paths, sizeBytes);
    for (const { file } of files) await file.truncate(sizeBytes);
  } catch (error) {
    await closeByteStores(files.map(({ path, file }) => new FileByteStore(path, 0, file)));
    throw error;
  }
  return files.map(({ path, file }) => new FileByteStore(path, sizeBytes, file));
}

/** Closes and removes as many as it can. Returns the errors of the others. */
export async function closeByteStores(stores: readonly FileByteStore[]): Promise<readonly unknown[]> {
  const results = await Promise.allSettled(stores.map((store) => store.close()));
  return results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
}

interface Extendable {
  truncate(sizeBytes: number): Promise<void>;
}

/**
 * Opens a file for its owner alone, and empties it. Refuses links and special files, which we did not make.
 */
async function openEmpty(path: string): Promise<PositionedFile & Extendable> {
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    const file = await open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    try {
      if (!(await file.stat()).isFile()) throw new Error("it is not a regular file");
      await file.truncate(0);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  } catch (error) {
    throw new StartError(`Swap file ${path} cannot be made: ${messageOf(error)}.`, { cause: error });
  }
}

async function requireSpace(paths: readonly string[], sizeBytes: number): Promise<void> {
  const [first] = paths;
  if (first === undefined) return;
  const directory = dirname(first);
  const { bavail, bsize, blocks } = await statfs(directory);
  // A file system without block counts does not report its free space.
  if (blocks === 0) return;
  const neededBytes = paths.length * sizeBytes;
  const availableBytes = bavail * bsize;
  if (neededBytes <= availableBytes) return;
  throw new StartError(
    `Directory ${directory} has ${formatBytes(availableBytes)} free, which is less than the ` +
      `${formatBytes(neededBytes)} that the swap files of all devices need, ${formatBytes(sizeBytes)} each.`,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
