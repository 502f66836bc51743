/** Turns errors of image files into errors for callers, and reports each to an observer that counts them. */
import { DeviceError, type ErrorReason, inDoubt, type OwnershipWrite } from "../../device/mod.ts";
import { codeOf } from "./file-errors.ts";

/** What the image directory reports for metrics. Observers must not throw. */
export interface ImageObserver {
  onWrite?(bytes: number): void;
  onRead?(bytes: number): void;
  /** An image was sealed; `bytes` is the size of its file. */
  onSeal?(bytes: number): void;
  onError?(reason: ErrorReason): void;
}

/** Codes for a lack of space: on the disk, in a quota, or in a file. */
const FULL = ["ENOSPC", "EDQUOT", "EFBIG"];
/**
 * Codes with which the system refuses a rename before doing anything. Any other code may come after the
 * rename took effect.
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

/** A write that changes ownership, and its image. */
export interface OwnershipStep {
  readonly write: OwnershipWrite;
  readonly image: string;
}

export class ImageErrors {
  readonly #observer: ImageObserver;

  constructor(observer: ImageObserver) {
    this.#observer = observer;
  }

  /** Reports an error and returns it to be thrown. */
  told(error: DeviceError): DeviceError {
    this.#observer.onError?.(error.reason);
    return error;
  }

  /**
   * The error for a system failure on a path: IMAGE_STORE_FULL or COPY_FAILED. `done` is a word such as
   * "written".
   */
  ofPath(path: string, done: string, why: unknown): DeviceError {
    const reason = FULL.includes(codeOf(why)) ? "IMAGE_STORE_FULL" : "COPY_FAILED";
    const text = why instanceof Error ? why.message : String(why);
    const message = `${path} could not be ${done}: ${text.replace(/\.$/, "")}.`;
    return this.told(new DeviceError(reason, message, { path }).because(why));
  }

  /**
   * Runs a step of a write that changes ownership. If the system refuses the step, it has not happened. After
   * any other error nobody knows.
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

  /** The same for a rename or another step that happens completely or not at all. */
  async rename({ write, image }: OwnershipStep, path: string, action: () => Promise<void>): Promise<void> {
    await this.step(write, image, async () => {
      try {
        await action();
      } catch (error) {
        throw REFUSED.includes(codeOf(error)) ? this.ofPath(path, "renamed", error) : error;
      }
    });
  }

  /** Runs `action` and turns its errors into errors about a path. */
  async guard<T>(path: string, done: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw error instanceof DeviceError ? error : this.ofPath(path, done, error);
    }
  }
}
