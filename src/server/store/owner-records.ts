/**
 * Reads and changes records of ownership. A change is one conditional write with bytes of its own, so that it
 * can be repeated after a lost answer and recognized when it has taken effect.
 */
import { DeviceError, inDoubt, type OwnershipWrite } from "../../device/mod.ts";
import { type Bucket, BucketError } from "./bucket.ts";
import { ownerKey } from "./image-keys.ts";
import { decodeRecord, encodeRecord, type OwnerRecord } from "./owner-record.ts";

/** A record as it was read, or written by us. Both are undefined if there is none. */
export interface SeenRecord {
  readonly record: OwnerRecord | undefined;
  readonly version: string | undefined;
}

/** One write. Repeating it means writing the same bytes under the same condition. */
export interface OwnerChange {
  readonly write: OwnershipWrite;
  /** Id of the image that it concerns; empty if there is none. */
  readonly image: string;
  readonly uid: string;
  /** The version that it replaces; undefined if there must be none. */
  readonly from: string | undefined;
  readonly record: OwnerRecord;
}

/** Another write came first, and this one will never take effect. */
export class Superseded extends Error {
  override readonly name = "Superseded";
  readonly seen: SeenRecord;

  constructor(seen: SeenRecord) {
    super("Another write of the record of ownership came first.");
    this.seen = seen;
  }
}

export class OwnerRecords {
  readonly #bucket: Bucket;

  constructor(bucket: Bucket) {
    this.#bucket = bucket;
  }

  /** @throws BucketError; DeviceError COPY_FAILED if it cannot be understood */
  async read(uid: string): Promise<SeenRecord> {
    const key = ownerKey(uid);
    const found = await this.#bucket.get(key);
    if (found === undefined) return { record: undefined, version: undefined };
    try {
      return { record: decodeRecord(found.bytes), version: found.version };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const message = `The record of ownership ${key} in ${this.#bucket.name} ${why}.`;
      throw new DeviceError("COPY_FAILED", message, { key }).because(error);
    }
  }

  /**
   * Writes, or finds that an earlier attempt took effect.
   * @throws Superseded; DeviceError OWNERSHIP_IN_DOUBT, or COPY_FAILED if the store refuses the request
   */
  async change({ write, image, uid, from, record }: OwnerChange): Promise<SeenRecord> {
    try {
      const version = await this.#bucket.put(ownerKey(uid), encodeRecord(record), from);
      if (version !== undefined) return { record, version };
      // A condition that fails may be the answer to a repetition of our own write.
      const seen = await this.#look(uid);
      if (seen.record?.nonce === record.nonce) return seen;
      if (seen.version !== from) throw new Superseded(seen);
      throw new BucketError("refused a write whose condition holds", { certain: false });
    } catch (error) {
      throw this.#explained(error, write, image);
    }
  }

  /** A look that fails proves nothing about the write. */
  async #look(uid: string): Promise<SeenRecord> {
    try {
      return await this.read(uid);
    } catch (error) {
      if (!(error instanceof BucketError)) throw error;
      throw new BucketError(error.message, { certain: false, cause: error });
    }
  }

  #explained(error: unknown, write: OwnershipWrite, image: string): unknown {
    if (!(error instanceof BucketError)) return error;
    if (!error.certain) return inDoubt(write, image, error);
    return bucketFailure(this.#bucket, error);
  }
}

/** The error for a caller: COPY_FAILED. */
export function bucketFailure({ name }: Bucket, error: BucketError): DeviceError {
  const message = `The store of images ${name} ${error.message.replace(/\.$/, "")}.`;
  return new DeviceError("COPY_FAILED", message, { store: name }).because(error);
}
