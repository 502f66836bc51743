/** The few file system calls that the image directory makes, so that a test can make any of them fail. */
import { constants } from "node:fs";
import { type FileHandle, lstat, open, readdir, rename, rm, statfs } from "node:fs/promises";
import { codeOf } from "./file-errors.ts";
import { makeDirectory } from "./make-directory.ts";
import type { PositionedFile } from "./positioned-file.ts";

export interface DurableFile extends PositionedFile {
  /** Resolves when its bytes and length would survive a power cut. */
  datasync(): Promise<void>;
}

export interface FileFacts {
  readonly sizeBytes: number;
  /** The space that removing it would free. */
  readonly diskBytes: number;
  readonly modifiedNs: bigint;
}

export interface ImageFileSystem {
  /** Makes the directory if needed, for its owner alone. */
  makeDirectory(path: string): Promise<void>;
  list(directory: string): Promise<readonly string[]>;
  /** Undefined if there is nothing, or no regular file. */
  stat(path: string): Promise<FileFacts | undefined>;
  /** Makes a file for its owner alone. Nothing may exist there. */
  create(path: string): Promise<DurableFile>;
  /** Opens a regular file for reading; undefined if there is none. */
  open(path: string): Promise<(PositionedFile & { readonly sizeBytes: number }) | undefined>;
  rename(from: string, to: string): Promise<void>;
  /** Does nothing if there is nothing. */
  remove(path: string): Promise<void>;
  /** Resolves when everything made, renamed and removed in it would survive a power cut. */
  syncDirectory(path: string): Promise<void>;
  /** Undefined if the file system does not report it. */
  freeBytes(directory: string): Promise<number | undefined>;
}

const { O_CREAT, O_EXCL, O_RDWR, O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants;
/** The unit of st_blocks, whatever the file system. Unit: bytes. */
const STAT_BLOCK_BYTES = 512;

export const imageFileSystem: ImageFileSystem = {
  makeDirectory,
  list: (directory) => readdir(directory),
  async stat(path) {
    const facts = await orUndefined("ENOENT", lstat(path, { bigint: true }));
    if (facts === undefined || !facts.isFile()) return undefined;
    return {
      sizeBytes: Number(facts.size),
      diskBytes: Number(facts.blocks) * STAT_BLOCK_BYTES,
      modifiedNs: facts.mtimeNs,
    };
  },
  create: (path) => open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600),
  async open(path) {
    const file = await orUndefined("ENOENT", open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    return file === undefined ? undefined : regular(file);
  },
  rename,
  remove: (path) => rm(path, { force: true }),
  async syncDirectory(path) {
    const directory = await open(path, O_RDONLY | O_DIRECTORY);
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
  async freeBytes(directory) {
    const { bavail, bsize, blocks } = await statfs(directory);
    // A file system without block counts does not report its free space.
    return blocks === 0 ? undefined : bavail * bsize;
  },
};

async function regular(file: FileHandle): Promise<PositionedFile & { readonly sizeBytes: number }> {
  try {
    const facts = await file.stat();
    if (!facts.isFile()) throw new Error("it is not a regular file");
    return {
      sizeBytes: facts.size,
      read: (...where) => file.read(...where),
      write: (...where) => file.write(...where),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function orUndefined<T>(code: string, promise: Promise<T>): Promise<T | undefined> {
  return promise.catch((error: unknown) => {
    if (codeOf(error) === code) return undefined;
    throw error;
  });
}
