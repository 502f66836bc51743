/**
 * A bucket of an S3-compatible store, by the SDK of AWS, which is loaded only here. Credentials, regions and
 * repetitions of what may be repeated are the SDK's business. Conditional writes are asked for once.
 */
import { Readable } from "node:stream";
import {
  BUCKET_ATTEMPTS_MAX,
  BUCKET_CONNECT_TIMEOUT_MS,
  BUCKET_LISTED_MAX,
  BUCKET_SILENCE_TIMEOUT_MS,
  RECORD_BYTES_MAX,
} from "../daemon-limits.ts";
import {
  type Bucket,
  BucketError,
  type ListedObject,
  type PartUpload,
  type PutCondition,
  type StoredObject,
} from "./bucket.ts";
import { bucketError, isMissing, isRefusedCondition } from "./s3-errors.ts";

type Sdk = typeof import("@aws-sdk/client-s3");
type Client = InstanceType<Sdk["S3Client"]>;

export interface S3Place {
  readonly bucket: string;
  /** Without slashes at its ends; empty for the whole bucket. */
  readonly prefix: string;
  /** URL of the store; undefined for AWS. */
  readonly endpoint: string | undefined;
  /** Undefined for what the environment says. */
  readonly region: string | undefined;
  readonly pathStyle: boolean;
}

/** The form of a version in If-Match: AWS takes both, Ceph only the second. */
export type TagForm = "quoted" | "bare";

export class S3Bucket implements Bucket {
  readonly name: string;
  /** Set by the probe. */
  tagForm: TagForm = "quoted";
  readonly #sdk: Sdk;
  readonly #place: S3Place;
  /** Repeats requests that failed. */
  readonly #client: Client;
  /** Asks once. */
  readonly #strict: Client;

  private constructor(sdk: Sdk, place: S3Place) {
    const { bucket, prefix, endpoint, region, pathStyle } = place;
    this.name = `s3://${bucket}${prefix === "" ? "" : `/${prefix}`}`;
    this.#sdk = sdk;
    this.#place = place;
    const options = {
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? {} : { region }),
      forcePathStyle: pathStyle,
      // Images have checksums of their own; another one costs as much again as sending them.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      requestHandler: {
        connectionTimeout: BUCKET_CONNECT_TIMEOUT_MS,
        socketTimeout: BUCKET_SILENCE_TIMEOUT_MS,
      },
    } as const;
    this.#client = new sdk.S3Client({ ...options, maxAttempts: BUCKET_ATTEMPTS_MAX });
    this.#strict = new sdk.S3Client({ ...options, maxAttempts: 1 });
  }

  /** Loads the SDK. Asks the store nothing. */
  static async open(place: S3Place): Promise<S3Bucket> {
    return new S3Bucket(await import("@aws-sdk/client-s3"), place);
  }

  async get(key: string): Promise<StoredObject | undefined> {
    const command = new this.#sdk.GetObjectCommand(this.#at(key));
    try {
      const { Body, ETag, ContentLength = 0 } = await this.#client.send(command);
      if (ContentLength > RECORD_BYTES_MAX) throw new Error(`${key} has ${ContentLength} bytes`);
      const bytes = new Uint8Array(ContentLength);
      const doneBytes = await fill(Body, bytes);
      return { bytes: bytes.subarray(0, doneBytes), version: bare(ETag) };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw bucketError(error, `when asked for ${key}`);
    }
  }

  async put(key: string, bytes: Uint8Array, condition: PutCondition): Promise<string | undefined> {
    const { PutObjectCommand } = this.#sdk;
    const held =
      condition === undefined
        ? { IfNoneMatch: "*" }
        : { IfMatch: this.tagForm === "quoted" ? `"${condition}"` : condition };
    try {
      const command = new PutObjectCommand({ ...this.#at(key), Body: bytes, ...held });
      const { ETag } = await this.#strict.send(command);
      return bare(ETag);
    } catch (error) {
      // To If-Match without an object some stores answer that there is none.
      if (isRefusedCondition(error) || (condition !== undefined && isMissing(error))) return undefined;
      throw bucketError(error, `when asked to write ${key}`);
    }
  }

  async list(prefix: string): Promise<readonly ListedObject[]> {
    const found: ListedObject[] = [];
    for (let next: string | undefined, first = true; first || next !== undefined; first = false) {
      const page = await this.#ask("when asked for a listing", () => {
        const { bucket: Bucket } = this.#place;
        const command = { Bucket, Prefix: this.#key(prefix), ContinuationToken: next };
        return this.#client.send(new this.#sdk.ListObjectsV2Command(command));
      });
      for (const { Key = "", Size = 0, LastModified } of page.Contents ?? []) {
        found.push({ key: this.#relative(Key), sizeBytes: Size, modifiedMs: LastModified?.getTime() ?? 0 });
      }
      next = page.IsTruncated === true ? page.NextContinuationToken : undefined;
      if (found.length > BUCKET_LISTED_MAX) {
        throw new BucketError(`has more than ${BUCKET_LISTED_MAX} objects under ${prefix}`, {
          certain: true,
        });
      }
    }
    return found;
  }

  async remove(key: string): Promise<void> {
    await this.#ask(`when asked to remove ${key}`, () =>
      this.#client.send(new this.#sdk.DeleteObjectCommand(this.#at(key))),
    );
  }

  async read(key: string, offsetBytes: number, into: Uint8Array): Promise<number> {
    if (into.length === 0) return 0;
    const Range = `bytes=${offsetBytes}-${offsetBytes + into.length - 1}`;
    return this.#ask(`when asked for ${Range.replace("=", " ")} of ${key}`, async () => {
      const { Body } = await this.#client.send(new this.#sdk.GetObjectCommand({ ...this.#at(key), Range }));
      return fill(Body, into);
    });
  }

  beginUpload(key: string): Promise<PartUpload> {
    return this.#ask(`when asked to begin ${key}`, async () => {
      const { UploadId = "" } = await this.#client.send(
        new this.#sdk.CreateMultipartUploadCommand(this.#at(key)),
      );
      return { key, id: UploadId };
    });
  }

  async uploads(prefix: string): Promise<readonly PartUpload[]> {
    const { bucket: Bucket } = this.#place;
    const { Uploads = [] } = await this.#ask("when asked for unfinished uploads", () =>
      this.#client.send(new this.#sdk.ListMultipartUploadsCommand({ Bucket, Prefix: this.#key(prefix) })),
    );
    return Uploads.map(({ Key = "", UploadId = "" }) => ({ key: this.#relative(Key), id: UploadId }));
  }

  uploadPart({ key, id }: PartUpload, part: number, bytes: Uint8Array): Promise<string> {
    return this.#ask(`when sent part ${part} of ${key}`, async () => {
      const which = { UploadId: id, PartNumber: part, Body: bytes };
      const { ETag = "" } = await this.#client.send(
        new this.#sdk.UploadPartCommand({ ...this.#at(key), ...which }),
      );
      return ETag;
    });
  }

  async completeUpload({ key, id }: PartUpload, tags: readonly string[]): Promise<void> {
    const Parts = tags.map((ETag, index) => ({ ETag, PartNumber: index + 1 }));
    const command = { ...this.#at(key), UploadId: id, MultipartUpload: { Parts } };
    await this.#ask(`when asked to complete ${key}`, () =>
      this.#client.send(new this.#sdk.CompleteMultipartUploadCommand(command)),
    );
  }

  async abortUpload({ key, id }: PartUpload): Promise<void> {
    const command = new this.#sdk.AbortMultipartUploadCommand({ ...this.#at(key), UploadId: id });
    try {
      await this.#client.send(command);
    } catch (error) {
      if (!isMissing(error)) throw bucketError(error, `when asked to give up ${key}`);
    }
  }

  /** Days after which the store itself removes records; undefined if it does not, or does not say. */
  async findExpiry(prefix: string): Promise<number | undefined> {
    const { bucket: Bucket } = this.#place;
    try {
      const command = new this.#sdk.GetBucketLifecycleConfigurationCommand({ Bucket });
      const { Rules = [] } = await this.#client.send(command);
      const key = this.#key(prefix);
      const rule = Rules.find(({ Status, Expiration, Filter }) => {
        const start = Filter?.Prefix ?? Filter?.And?.Prefix ?? "";
        const expires = Expiration?.Days !== undefined || Expiration?.Date !== undefined;
        return Status === "Enabled" && expires && (key.startsWith(start) || start.startsWith(key));
      });
      return rule === undefined ? undefined : (rule.Expiration?.Days ?? 0);
    } catch {
      // Most roles may not read the rules, and many stores have none.
      return undefined;
    }
  }

  close(): void {
    this.#client.destroy();
    this.#strict.destroy();
  }

  async #ask<T>(when: string, send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } catch (error) {
      throw bucketError(error, when);
    }
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#place.bucket, Key: this.#key(key) };
  }

  #key(key: string): string {
    const { prefix } = this.#place;
    return prefix === "" ? key : `${prefix}/${key}`;
  }

  #relative(key: string): string {
    return key.slice(this.#key("").length);
  }
}

function bare(tag: string | undefined): string {
  return (tag ?? "").replaceAll('"', "");
}

/** Reads a body to its end. Bytes beyond `into` are an error. */
async function fill(body: unknown, into: Uint8Array): Promise<number> {
  if (!(body instanceof Readable)) throw new Error("the answer has no body");
  let at = 0;
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array) || at + chunk.length > into.length) {
      body.destroy();
      throw new Error("the answer is longer than what was asked for");
    }
    into.set(chunk, at);
    at += chunk.length;
  }
  return at;
}
