/**
 * What the store of images requires of an object store: one bucket and a prefix in it, conditional writes of
 * small objects, and uploads in parts. Keys are relative to the prefix.
 */

export interface Bucket {
  /** For people: `s3://BUCKET/PREFIX`. */
  readonly name: string;
  /** A small object; undefined if there is none. @throws BucketError */
  get(key: string): Promise<StoredObject | undefined>;
  /**
   * Writes a small object if the condition holds. Asks once: a repetition could turn a success into a
   * refusal.
   * @returns the new version; undefined if the store says that the condition does not hold
   * @throws BucketError; unless it is `certain`, the write may still take effect
   */
  put(key: string, bytes: Uint8Array, condition: PutCondition): Promise<string | undefined>;
  /** Every object whose key starts with `prefix`. @throws BucketError */
  list(prefix: string): Promise<readonly ListedObject[]>;
  /** Does nothing if there is none. @throws BucketError */
  remove(key: string): Promise<void>;
  /** Fills `into` from an object, and returns how many bytes there were. @throws BucketError */
  read(key: string, offsetBytes: number, into: Uint8Array): Promise<number>;
  /** @throws BucketError */
  beginUpload(key: string): Promise<PartUpload>;
  /** Uploads that are not complete, with keys that start with `prefix`. @throws BucketError */
  uploads(prefix: string): Promise<readonly PartUpload[]>;
  /** Returns the tag of the part. @throws BucketError */
  uploadPart(upload: PartUpload, part: number, bytes: Uint8Array): Promise<string>;
  /** @param tags of parts 1, 2 and so on @throws BucketError */
  completeUpload(upload: PartUpload, tags: readonly string[]): Promise<void>;
  /** @throws BucketError */
  abortUpload(upload: PartUpload): Promise<void>;
}

/** Version of an object for a condition; undefined if there must be none. */
export type PutCondition = string | undefined;

export interface StoredObject {
  readonly bytes: Uint8Array;
  /** Differs whenever the content does. */
  readonly version: string;
}

export interface ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

export interface PartUpload {
  readonly key: string;
  readonly id: string;
}

export class BucketError extends Error {
  override readonly name = "BucketError";
  /** Whether the store refused the request, so that it has no effect, now or later. */
  readonly certain: boolean;

  /** @param message what happened, as the rest of a sentence about the store, without a full stop */
  constructor(message: string, options: { readonly certain: boolean; readonly cause?: unknown }) {
    super(message, { cause: options.cause });
    this.certain = options.certain;
  }
}
