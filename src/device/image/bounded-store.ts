/**
 * An image store that nobody waits for without end: a disk or a network file system that stopped answering costs a
 * transition its time, and does not keep a device between two states.
 */
import type { Clock } from "../clock.ts";
import { DeviceError } from "../errors.ts";
import { IMAGE_IO_TIMEOUT_MS, IMAGE_SYNC_TIMEOUT_MS } from "../limits.ts";
import type { ImageDraft, ImageFile, ImageStore } from "./image-store.ts";

/**
 * The same store, whose every answer comes in time. What it does late harms nobody: buffers that it was given are not used
 * again, and what it then opens or begins is closed or given up. @throws DeviceError COPY_FAILED when it does not answer.
 */
export function boundedStore(store: ImageStore, clock: Clock): ImageStore {
  return {
    create: async (device, bytesMax) => {
      const draft = await inTime(clock, store.create(device, bytesMax), { onLate: (late) => late.abandon() });
      return boundedDraft(draft, clock);
    },
    requireRoom: (bytesMax) => inTime(clock, store.requireRoom(bytesMax)),
    open: async (id) => boundedFile(await inTime(clock, store.open(id), { onLate: closeLate }), clock),
    consume: (id) => inTime(clock, store.consume(id)),
    findSealed: (device) => inTime(clock, store.findSealed(device)),
  };
}

function boundedFile(file: ImageFile, clock: Clock): ImageFile {
  return {
    sizeBytes: file.sizeBytes,
    read: (offsetBytes, into) => inTime(clock, file.read(offsetBytes, into)),
    close: () => inTime(clock, file.close()),
  };
}

function boundedDraft(draft: ImageDraft, clock: Clock): ImageDraft {
  return {
    id: draft.id,
    write: (offsetBytes, bytes) => inTime(clock, draft.write(offsetBytes, bytes)),
    read: (offsetBytes, into) => inTime(clock, draft.read(offsetBytes, into)),
    sync: () => inTime(clock, draft.sync(), { timeoutMs: IMAGE_SYNC_TIMEOUT_MS }),
    seal: () => inTime(clock, draft.seal(), { timeoutMs: IMAGE_SYNC_TIMEOUT_MS }),
    abandon: () => inTime(clock, draft.abandon()),
    close: () => inTime(clock, draft.close()),
  };
}

function closeLate(file: ImageFile): Promise<void> {
  return file.close();
}

interface Bound<T> {
  /** @default IMAGE_IO_TIMEOUT_MS */
  readonly timeoutMs?: number;
  /** What becomes of an answer that nobody waits for any more. */
  readonly onLate?: (answer: T) => Promise<void>;
}

function inTime<T>(clock: Clock, answer: Promise<T>, bound: Bound<T> = {}): Promise<T> {
  const { timeoutMs = IMAGE_IO_TIMEOUT_MS, onLate } = bound;
  return new Promise((resolve, reject) => {
    let isLate = false;
    const timer = clock.startTimer(timeoutMs, () => {
      isLate = true;
      reject(
        new DeviceError(
          "COPY_FAILED",
          `The store of images did not answer within ${timeoutMs / 1000} seconds.`,
          { timeoutMs: String(timeoutMs) },
        ),
      );
    });
    answer.then(
      (value) => {
        timer.cancel();
        if (isLate) onLate?.(value).catch(() => {});
        else resolve(value);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}
