/** An image that is being written to a bucket, and one that is being read from it. */
import { DeviceError, type ImageDraft, type ImageFile } from "../../device/mod.ts";
import type { ImageObserver } from "../machine/image-errors.ts";
import { type Bucket, BucketError } from "./bucket.ts";
import { bucketFailure } from "./owner-records.ts";
import { PartWriter } from "./part-writer.ts";
import { RangeReader } from "./range-reader.ts";

export interface BucketFileOptions {
  readonly bucket: Bucket;
  readonly key: string;
  readonly observer: ImageObserver;
}

export interface BucketDraftOptions extends BucketFileOptions {
  readonly id: string;
  readonly bytesMax: number;
}

/** The steps that concern the record of ownership. */
export interface DraftOwnership {
  seal(): Promise<void>;
  /** Makes sure that the image is not sealed and never will be, and removes its object. */
  abandon(): Promise<void>;
}

export class BucketDraft implements ImageDraft {
  readonly id: string;
  readonly #options: BucketDraftOptions;
  readonly #ownership: DraftOwnership;
  readonly #writer: PartWriter;
  #reader: RangeReader | undefined;
  #complete: Promise<void> | undefined;

  private constructor(options: BucketDraftOptions, ownership: DraftOwnership, writer: PartWriter) {
    this.id = options.id;
    this.#options = options;
    this.#ownership = ownership;
    this.#writer = writer;
  }

  static async begin(options: BucketDraftOptions, ownership: DraftOwnership): Promise<BucketDraft> {
    const { bucket, key, bytesMax } = options;
    const upload = await told(options, () => bucket.beginUpload(key));
    return new BucketDraft(options, ownership, new PartWriter(bucket, upload, bytesMax));
  }

  get endBytes(): number {
    return this.#writer.endBytes;
  }

  async write(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    await told(this.#options, () => this.#writer.write(offsetBytes, bytes));
    this.#options.observer.onWrite?.(bytes.length);
  }

  async read(offsetBytes: number, into: Uint8Array): Promise<void> {
    await this.sync();
    const { bucket, key } = this.#options;
    this.#reader ??= new RangeReader(bucket, key, this.endBytes);
    await readWhole(this.#options, this.#reader, { offsetBytes, into });
  }

  sync(): Promise<void> {
    this.#complete ??= told(this.#options, () => this.#finish());
    return this.#complete;
  }

  async seal(): Promise<void> {
    await this.sync();
    await this.close();
    await this.#ownership.seal();
    this.#options.observer.onSeal?.(this.endBytes);
  }

  async abandon(): Promise<void> {
    // What is left of an upload is removed at the next start, and by the store's own rule.
    await this.#writer.abort().catch(() => {});
    await this.close();
    await this.#ownership.abandon();
  }

  async close(): Promise<void> {
    await this.#reader?.close();
    this.#reader = undefined;
  }

  /** A completion without an answer may have succeeded. */
  async #finish(): Promise<void> {
    const { bucket, key } = this.#options;
    try {
      await this.#writer.finish();
    } catch (error) {
      if (!(error instanceof BucketError)) throw error;
      const [found] = await bucket.list(key).catch(() => []);
      if (found?.sizeBytes !== this.endBytes) throw error;
    }
  }
}

export class BucketImage implements ImageFile {
  readonly sizeBytes: number;
  readonly #options: BucketFileOptions;
  readonly #reader: RangeReader;

  constructor(options: BucketFileOptions, sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.#options = options;
    this.#reader = new RangeReader(options.bucket, options.key, sizeBytes);
  }

  read(offsetBytes: number, into: Uint8Array): Promise<void> {
    return readWhole(this.#options, this.#reader, { offsetBytes, into });
  }

  close(): Promise<void> {
    return this.#reader.close();
  }
}

async function readWhole(
  options: BucketFileOptions,
  reader: RangeReader,
  { offsetBytes, into }: { readonly offsetBytes: number; readonly into: Uint8Array },
): Promise<void> {
  const { bucket, key, observer } = options;
  const doneBytes = await told(options, () => reader.read(offsetBytes, into));
  observer.onRead?.(doneBytes);
  if (doneBytes === into.length) return;
  observer.onError?.("IMAGE_CORRUPT");
  const message =
    `Image ${key} of ${bucket.name} ends at offset ${offsetBytes + doneBytes}, and should have ` +
    `${offsetBytes + into.length} bytes at least.`;
  throw new DeviceError("IMAGE_CORRUPT", message, { key });
}

/** Turns the store's errors into COPY_FAILED, and reports them. */
async function told<T>({ bucket, observer }: BucketFileOptions, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    observer.onError?.("COPY_FAILED");
    throw bucketFailure(bucket, error);
  }
}
