/** What goes wrong with the files of images, as errors for callers, each told to who counts them. */
import { DeviceError, type ErrorReason, inDoubt, type OwnershipWrite } from "../../device/mod.ts";
import { codeOf } from "./file-errors.ts";

/** What the image directory tells, for metrics. Observers must not throw. */
export interface ImageObserver {
  onWrite?(bytes: number): void;
  onRead?(bytes: number): void;
  /** An image is sealed; `bytes` is the size of its file. */
  onSeal?(bytes: number): void;
  onError?(reason: ErrorReason): void;
}

/** Codes that say that there is no room: of the disk, of a quota, of a file. */
const FULL = ["ENOSPC", "EDQUOT", "EFBIG"];
/**
 * Codes with which the system refuses a rename before it does anything. Any other may come after it was
 * done.
 */
const REFUSED = [
  ...FULL,
  "ENOENT",
  "EROFS",
  "EACCES",
  "EPERM",
  "EBUSY",
  "EXDEV",
  "ENAMETOOLONG",
  "ENOTDIR",
  "EISDIR",
];

/** A write of ownership, and the image that it is about. */
export interface OwnershipStep {
  readonly write: OwnershipWrite;
  readonly image: string;
}

export class ImageErrors {
  readonly #observer: ImageObserver;

  constructor(observer: ImageObserver) {
    this.#observer = observer;
  }

  /** Tells of an error and gives it back, to be thrown. */
  told(error: DeviceError): DeviceError {
    this.#observer.onError?.(error.reason);
    return error;
  }

  /** Of what the system said of a path: IMAGE_STORE_FULL or COPY_FAILED. `done` is such as "written". */
  ofPath(path: string, done: string, why: unknown): DeviceError {
    const reason = FULL.includes(codeOf(why)) ? "IMAGE_STORE_FULL" : "COPY_FAILED";
    const text = why instanceof Error ? why.message : String(why);
    const message = `${path} could not be ${done}: ${text.replace(/\.$/, "")}.`;
    return this.told(new DeviceError(reason, message, { path }).because(why));
  }

  /**
   * Runs the step of a write of ownership. What the system refuses is not done; of anything else nobody
   * knows.
   * @throws DeviceError COPY_FAILED, IMAGE_STORE_FULL, OWNERSHIP_IN_DOUBT
   */
  async step(write: OwnershipWrite, image: string, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (error instanceof DeviceError) throw error;
      throw this.told(inDoubt(write, image, error));
    }
  }

  /** The same of a rename, or of what else is done whole or not at all. */
  async rename({ write, image }: OwnershipStep, path: string, action: () => Promise<void>): Promise<void> {
    await this.step(write, image, async () => {
      try {
        await action();
      } catch (error) {
        throw REFUSED.includes(codeOf(error)) ? this.ofPath(path, "renamed", error) : error;
      }
    });
  }

  /** Runs `action` and turns what it throws into the error of a path. */
  async guard<T>(path: string, done: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw error instanceof DeviceError ? error : this.ofPath(path, done, error);
    }
  }
}
