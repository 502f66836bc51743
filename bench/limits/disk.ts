/** The limit of a hibernation image: the same bytes written to one file one after the other, made durable, and read. */
import { type FileHandle, open, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** As large as one write to an image. */
const PIECE_BYTES = 2 * 1024 * 1024;

export interface DiskRates {
  /** GB/s of writing, with the fsync at the end. */
  readonly write: number;
  /** GB/s of reading it again. */
  readonly read: number;
  /** GB/s of both, one after the other. */
  readonly writeAndRead: number;
}

/** Measures in a folder, with a file that is gone afterwards. */
export async function diskRates(folder: string, totalBytes: number): Promise<DiskRates> {
  const path = join(folder, "limit.bin");
  const piece = new Uint8Array(PIECE_BYTES);
  crypto.getRandomValues(piece.subarray(0, 65_536));
  const file = await open(path, "w+");
  try {
    const writeMs = await timed(async () => {
      await eachPiece(totalBytes, (at) => file.write(piece, 0, PIECE_BYTES, at));
      await file.sync();
    });
    await forgetCachedPages();
    const readMs = await timed(() => eachPiece(totalBytes, (at) => readPiece(file, piece, at)));
    const rate = (ms: number): number => totalBytes / 1e6 / ms;
    return { write: rate(writeMs), read: rate(readMs), writeAndRead: rate(writeMs + readMs) };
  } finally {
    await file.close();
    await unlink(path);
  }
}

/** Has what was written come from the disk when it is read again, where this process may: as root. Says if it could. */
export async function forgetCachedPages(): Promise<boolean> {
  try {
    await writeFile("/proc/sys/vm/drop_caches", "1");
    return true;
  } catch {
    return false;
  }
}

async function readPiece(file: FileHandle, piece: Uint8Array, at: number): Promise<void> {
  const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, at);
  if (bytesRead !== PIECE_BYTES) throw new Error(`The file gave ${bytesRead} bytes at ${at}.`);
}

async function eachPiece(totalBytes: number, work: (at: number) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < totalBytes; at += PIECE_BYTES) await work(at);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
