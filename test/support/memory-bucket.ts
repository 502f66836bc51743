/** A bucket in memory that keeps conditions, with faults: answers that are lost, and writes that land late or never. */
import { createHash } from "node:crypto";
import {
  type Bucket,
  BucketError,
  type ListedObject,
  type PartUpload,
  type StoredObject,
} from "../../src/server/store/bucket.ts";

/** What becomes of one conditional write. */
export type PutFault = "answer lost" | "never" | "late" | "refused" | undefined;

interface Upload {
  readonly key: string;
  readonly parts: Map<number, Uint8Array>;
}

/** What several daemons share. */
export class MemoryStore {
  readonly objects = new Map<string, Uint8Array>();
  readonly uploads = new Map<string, Upload>();
  /** Conditional writes that are still on their way. */
  readonly late: (() => void)[] = [];
  #uploadId = 0;

  nextUploadId(): string {
    return String(++this.#uploadId);
  }

  /** Lets the late writes land, in any order that `pick` gives. */
  land(pick: () => number = () => 0): void {
    while (this.late.length > 0) this.late.splice(pick() % this.late.length, 1)[0]();
  }
}

export class MemoryBucket implements Bucket {
  readonly name = "s3://memory";
  readonly store: MemoryStore;
  /** Asked at each conditional write. */
  putFault: (key: string) => PutFault = () => undefined;
  /** Asked at each other request. True makes it fail. */
  fails: (request: string) => boolean = () => false;

  constructor(store = new MemoryStore()) {
    this.store = store;
  }

  async get(key: string): Promise<StoredObject | undefined> {
    this.#pass("get");
    const bytes = this.store.objects.get(key);
    return bytes === undefined ? undefined : { bytes, version: versionOf(bytes) };
  }

  async put(key: string, bytes: Uint8Array, condition: string | undefined): Promise<string | undefined> {
    const write = (): string | undefined => {
      const present = this.store.objects.get(key);
      const version = present && versionOf(present);
      if (version !== condition) return undefined;
      this.store.objects.set(key, Uint8Array.from(bytes));
      return versionOf(bytes);
    };
    const fault = this.putFault(key);
    if (fault === "refused") throw new BucketError("did not allow it", { certain: true });
    if (fault === "late") this.store.late.push(write);
    if (fault === "answer lost") write();
    if (fault !== undefined) throw new BucketError("did not answer", { certain: false });
    return write();
  }

  async list(prefix: string): Promise<readonly ListedObject[]> {
    this.#pass("list");
    const found = [...this.store.objects].filter(([key]) => key.startsWith(prefix));
    return found
      .map(([key, { length: sizeBytes }]) => ({ key, sizeBytes, modifiedMs: 0 }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  async remove(key: string): Promise<void> {
    this.#pass("remove");
    this.store.objects.delete(key);
  }

  async read(key: string, offsetBytes: number, into: Uint8Array): Promise<number> {
    this.#pass("read");
    const bytes = this.store.objects.get(key);
    if (bytes === undefined) throw new BucketError(`has no ${key}`, { certain: true });
    const found = bytes.subarray(offsetBytes, offsetBytes + into.length);
    into.set(found);
    return found.length;
  }

  async beginUpload(key: string): Promise<PartUpload> {
    this.#pass("beginUpload");
    const id = this.store.nextUploadId();
    this.store.uploads.set(id, { key, parts: new Map() });
    return { key, id };
  }

  async uploads(prefix: string): Promise<readonly PartUpload[]> {
    this.#pass("uploads");
    return [...this.store.uploads]
      .map(([id, { key }]) => ({ key, id }))
      .filter((u) => u.key.startsWith(prefix));
  }

  async uploadPart({ id }: PartUpload, part: number, bytes: Uint8Array): Promise<string> {
    this.#pass("uploadPart");
    const upload = this.store.uploads.get(id);
    if (upload === undefined) throw new BucketError("has no such upload", { certain: true });
    upload.parts.set(part, Uint8Array.from(bytes));
    return String(part);
  }

  async completeUpload({ id }: PartUpload, tags: readonly string[]): Promise<void> {
    this.#pass("completeUpload");
    const upload = this.store.uploads.get(id);
    if (upload === undefined) throw new BucketError("has no such upload", { certain: true });
    const parts = tags.map((_, index) => upload.parts.get(index + 1) ?? new Uint8Array());
    this.store.objects.set(upload.key, new Uint8Array(Buffer.concat(parts)));
    this.store.uploads.delete(id);
  }

  async abortUpload({ id }: PartUpload): Promise<void> {
    this.#pass("abortUpload");
    this.store.uploads.delete(id);
  }

  #pass(request: string): void {
    if (this.fails(request)) throw new BucketError(`failed at ${request}`, { certain: false });
  }
}

function versionOf(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}
