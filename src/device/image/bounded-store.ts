/**
 * An image store with a time limit on every answer. A disk or network file system that stops answering costs
 * a transition some time, but does not keep a device between two states.
 */
import type { Clock } from "../clock.ts";
import { DeviceError, type ErrorReason, toDeviceError } from "../errors.ts";
import type { OwnershipWrite } from "../events.ts";
import { IMAGE_IO_TIMEOUT_MS, IMAGE_SYNC_TIMEOUT_MS } from "../limits.ts";
import { inDoubt } from "./image-error.ts";
import type { ImageDraft, ImageFile, ImageStore } from "./image-store.ts";

/**
 * The same store with a time limit on every answer. Late effects do no harm: buffers are not reused, and
 * whatever it opens or begins late is closed or given up.
 * @throws DeviceError COPY_FAILED if it does not answer; OWNERSHIP_IN_DOUBT if that was a write of ownership.
 */
export function boundedStore(store: ImageStore, clock: Clock): ImageStore {
  return {
    create: async (state, bytesMax) => {
      const draft = await inTime(clock, store.create(state, bytesMax), { onLate: (late) => late.abandon() });
      return boundedDraft(draft, clock);
    },
    requireRoom: (bytesMax) => inTime(clock, store.requireRoom(bytesMax)),
    requireClaimable: (id, device) => inTime(clock, store.requireClaimable(id, device)),
    claim: (id, device) => answered(clock, { write: "claim", image: id }, store.claim(id, device)),
    giveBack: (id, device) => answered(clock, { write: "giveBack", image: id }, store.giveBack(id, device)),
    commit: (id, state) => answered(clock, { write: "commit", image: id }, store.commit(id, state)),
    own: (state) => answered(clock, { write: "own", image: "" }, store.own(state)),
    open: async (id) => boundedFile(await inTime(clock, store.open(id), { onLate: closeLate }), clock),
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
  const about = (write: OwnershipWrite): OwnershipAsk => ({ write, image: draft.id });
  return {
    id: draft.id,
    write: (offsetBytes, bytes) => inTime(clock, draft.write(offsetBytes, bytes)),
    read: (offsetBytes, into) => inTime(clock, draft.read(offsetBytes, into)),
    sync: () => inTime(clock, draft.sync(), { timeoutMs: IMAGE_SYNC_TIMEOUT_MS }),
    seal: () => answered(clock, { ...about("seal"), timeoutMs: IMAGE_SYNC_TIMEOUT_MS }, draft.seal()),
    abandon: () => answered(clock, about("abandon"), draft.abandon()),
    close: () => inTime(clock, draft.close()),
  };
}

/**
 * Reasons with which a store says that a write of ownership did not take effect. Any other error leaves it in
 * doubt.
 */
const NOT_DONE: readonly ErrorReason[] = [
  "IMAGE_NOT_FOUND",
  "IMAGE_CLAIMED",
  "IMAGE_CONSUMED",
  "IMAGE_IN_USE",
  "IMAGE_STORE_FULL",
  "COPY_FAILED",
  "OWNERSHIP_IN_DOUBT",
];

/** A write of ownership, and its image. */
interface OwnershipAsk {
  readonly write: OwnershipWrite;
  readonly image: string;
  readonly timeoutMs?: number;
}

/** The answer to a write of ownership. Without an answer, it may still have taken effect. */
async function answered<T>(clock: Clock, asked: OwnershipAsk, answer: Promise<T>): Promise<T> {
  const { write, image, timeoutMs = IMAGE_IO_TIMEOUT_MS } = asked;
  try {
    return await inTime(clock, answer, { timeoutMs, onTimeout: (late) => inDoubt(write, image, late) });
  } catch (error) {
    const failure = toDeviceError(error);
    throw NOT_DONE.includes(failure.reason) ? failure : inDoubt(write, image, failure);
  }
}

function closeLate(file: ImageFile): Promise<void> {
  return file.close();
}

interface Bound<T> {
  /** @default IMAGE_IO_TIMEOUT_MS */
  readonly timeoutMs?: number;
  /** Handles an answer for which nobody waits any more. */
  readonly onLate?: (answer: T) => Promise<void>;
  /** The error that the caller gets then. @default COPY_FAILED */
  readonly onTimeout?: (late: DeviceError) => DeviceError;
}

function inTime<T>(clock: Clock, answer: Promise<T>, bound: Bound<T> = {}): Promise<T> {
  const { timeoutMs = IMAGE_IO_TIMEOUT_MS, onLate, onTimeout = (late: DeviceError) => late } = bound;
  return new Promise((resolve, reject) => {
    let isLate = false;
    const timer = clock.startTimer(timeoutMs, () => {
      isLate = true;
      const message = `The store of images did not answer within ${timeoutMs / 1000} seconds.`;
      reject(onTimeout(new DeviceError("COPY_FAILED", message, { timeoutMs: String(timeoutMs) })));
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
