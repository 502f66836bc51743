/**
 * What the image directory asks of the file system, in few calls: so that a test can make any of them fail.
 */
import { constants } from "node:fs";
import { type FileHandle, lstat, open, readdir, rename, rm, statfs } from "node:fs/promises";
import { codeOf } from "./file-errors.ts";
import { makeDirectory } from "./make-directory.ts";
import type { PositionedFile } from "./positioned-file.ts";

export interface DurableFile extends PositionedFile {
  /** Resolves when bytes and length survive a power cut. */
  datasync(): Promise<void>;
}

export interface FileFacts {
  readonly sizeBytes: number;
  /** What its removal gives back. */
  readonly diskBytes: number;
  readonly modifiedNs: bigint;
}

export interface ImageFileSystem {
  /** Makes the directory if there is none, for its owner alone. */
  makeDirectory(path: string): Promise<void>;
  list(directory: string): Promise<readonly string[]>;
  /** Undefined when there is nothing, or no regular file. */
  stat(path: string): Promise<FileFacts | undefined>;
  /** Makes a file for its owner alone, where there must be nothing. */
  create(path: string): Promise<DurableFile>;
  /** Opens a regular file for reading; undefined when there is none. */
  open(path: string): Promise<(PositionedFile & { readonly sizeBytes: number }) | undefined>;
  rename(from: string, to: string): Promise<void>;
  /** No-op when there is nothing. */
  remove(path: string): Promise<void>;
  /** Resolves when what was made, renamed and removed in it survives a power cut. */
  syncDirectory(path: string): Promise<void>;
  /** Undefined where the file system does not say. */
  freeBytes(directory: string): Promise<number | undefined>;
}

const { O_CREAT, O_EXCL, O_RDWR, O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants;
/** What st_blocks counts in, whatever the file system. Unit: bytes. */
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
    // A file system that counts no blocks does not say how much room it has.
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
