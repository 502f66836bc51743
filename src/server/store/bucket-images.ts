/**
 * Hibernation images in a bucket that many daemons share. The bytes of an image are under a key that only its
 * writer ever writes; who owns a state is in one small record for each uid. Any daemon can resume from any
 * sealed image, and at most one does.
 */
import { randomBytes } from "node:crypto";
import {
  DeviceError,
  type ImageDraft,
  type ImagedState,
  type ImageFile,
  imageInUse,
  imageNotFound,
  type OwnedState,
  type OwnershipWrite,
} from "../../device/mod.ts";
import { IMAGE_USAGE_KEPT_MS, RECORDS_READ_AT_ONCE } from "../daemon-limits.ts";
import type { DeviceState, DeviceStates } from "../machine/device-states.ts";
import type {
  DaemonImages,
  ImageFacts,
  ImageRecord,
  ImageUsage,
  OwnImage,
} from "../machine/image-catalogue.ts";
import type { ImageObserver } from "../machine/image-errors.ts";
import type { DescribeImage } from "../machine/image-identities.ts";
import { makeImageId, parseImageId } from "../machine/image-names.ts";
import { type Bucket, BucketError } from "./bucket.ts";
import { BucketDraft, BucketImage } from "./bucket-draft.ts";
import { BucketRoom } from "./bucket-room.ts";
import { IMAGES, imageKey, imagesAmong, type ListedImage, type Writer } from "./image-keys.ts";
import { recordOf } from "./image-state.ts";
import { bucketFailure, OwnerRecords, type SeenRecord, Superseded } from "./owner-records.ts";
import { type HeldImage, Owners } from "./ownership-writes.ts";
import { sweepBucket } from "./sweep.ts";

export interface BucketImagesOptions {
  readonly bucket: Bucket;
  readonly writer: Writer;
  /** Whether the name of the host is kept for the next start, so that its dead can be told. */
  readonly isLasting: boolean;
  /** Which state each device of this host had last. */
  readonly states: DeviceStates;
  /** The most space that all images of the bucket may take; undefined for no limit. */
  readonly quotaBytes: number | undefined;
  /** How many consumed images of each state are kept. */
  readonly keepConsumed: number;
  readonly describe: DescribeImage;
  /** Unix time in milliseconds; for names and people only. */
  readonly now: () => number;
  /** Never goes back. */
  readonly monotonicMs: () => number;
  readonly observer: ImageObserver;
}

export class BucketImages implements DaemonImages {
  readonly kind = "s3";
  readonly partialsRemoved: number;
  readonly #options: BucketImagesOptions;
  readonly #owners: Owners;
  readonly #room: BucketRoom;
  /** Which device of this daemon sleeps in an image. */
  readonly #sleepers = new Map<string, string>();
  /** Images that this daemon sealed or claimed. */
  readonly #held = new Map<string, HeldImage>();
  #usage: { readonly usage: Promise<ImageUsage>; readonly sinceMs: number } | undefined;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: BucketImagesOptions, owners: Owners, partialsRemoved: number) {
    this.#options = options;
    this.#owners = owners;
    this.partialsRemoved = partialsRemoved;
    this.#room = new BucketRoom(options);
  }

  /** Removes what dead daemons of this host left unfinished. @throws DeviceError COPY_FAILED */
  static async open(options: BucketImagesOptions): Promise<BucketImages> {
    const { bucket, writer, now, monotonicMs, isLasting } = options;
    const owners = new Owners({ records: new OwnerRecords(bucket), writer, now, monotonicMs });
    const removed = isLasting ? await sweepBucket({ bucket, writer, owners }) : 0;
    return new BucketImages(options, owners, removed);
  }

  async create(state: ImagedState, bytesMax: number): Promise<ImageDraft> {
    const { bucket, observer, writer, now } = this.#options;
    const { device, uid, generation, nextTransitionId } = state;
    await this.#asked(() => this.#room.make(bytesMax, this.#owners));
    const id = makeImageId(device, now(), randomBytes(4).toString("hex"));
    const key = imageKey({ id, uid, generation, ...writer });
    const image = { id, key, generation, claims: 0, nextTransitionId };
    const held = { id, key, uid };
    const draft = await BucketDraft.begin(
      { bucket, key, observer, id, bytesMax },
      {
        seal: async () => {
          // Stored first, so that a daemon that finds the image sealed knows that it is its own.
          await this.#remember("seal", state, { image: id, nextTransitionId });
          await this.#owners.seal(image, state);
          this.#sleepers.set(id, device);
          this.#held.set(id, held);
          this.#room.release(id);
        },
        abandon: async () => {
          await this.#asked(() => this.#owners.abandon(held, state));
          this.#sleepers.delete(id);
          this.#held.delete(id);
          this.#room.release(id);
          await this.#quietly(() => bucket.remove(key));
        },
      },
    );
    this.#room.promise(id, { bytesMax, draft });
    return draft;
  }

  requireRoom(bytesMax: number): Promise<void> {
    return this.#asked(async () => {
      await this.#room.require(bytesMax, this.#owners);
    });
  }

  async requireClaimable(id: string, device: string): Promise<void> {
    await this.#asked(async () => {
      const image = await this.#find(id);
      this.#owners.requireFree(id, await this.#owners.read(image.uid), device);
      this.#requireNoSleeper(id, device);
    });
  }

  claim(id: string, device: string): Promise<number> {
    return this.#asked(async () => {
      this.#requireNoSleeper(id, device);
      const image = await this.#find(id);
      const claims = await this.#owners.claim(image, device);
      this.#held.set(id, image);
      return claims;
    });
  }

  async giveBack(id: string, device: string): Promise<void> {
    const image = this.#held.get(id);
    if (image !== undefined) await this.#asked(() => this.#owners.giveBack(image, device));
  }

  async commit(id: string, state: OwnedState): Promise<void> {
    const done = this.#held.get(id);
    const image = done ?? (await this.#asked(() => this.#find(id)));
    const record = await this.#asked(() => this.#owners.commit(image, state));
    await this.#remember("commit", state, { image: "", nextTransitionId: 0 });
    this.#sleepers.delete(id);
    this.#held.delete(id);
    const { keepConsumed, bucket } = this.#options;
    const past = record?.past ?? [];
    for (const { key } of past.slice(0, Math.max(0, past.length - keepConsumed))) {
      await this.#quietly(() => bucket.remove(key));
    }
  }

  async own(state: OwnedState): Promise<void> {
    const { device, uid } = state;
    const before = this.#options.states.get(device);
    if (before !== undefined && before.uid !== uid) {
      // Nobody can resume from what was in memory only. The record says so for people.
      await this.#quietly(() => this.#owners.bury(before.uid, device));
    }
    await this.#remember("own", state, { image: "", nextTransitionId: 0 });
    for (const [id, sleeper] of this.#sleepers) if (sleeper === device) this.#sleepers.delete(id);
  }

  open(id: string): Promise<ImageFile> {
    return this.#asked(async () => {
      const image = await this.#look(id);
      if (image.record.state === "CONSUMED") {
        throw this.#owners.refusal(id, image.seen.record);
      }
      return this.#file(image.found);
    });
  }

  /** The image with the state that the device of this host had last; undefined if it is not to be had. */
  async findOwn(device: string): Promise<OwnImage | undefined> {
    const state = this.#options.states.get(device);
    if (state === undefined) return undefined;
    const { uid } = state;
    const seen = await this.#asked(() => this.#owners.read(uid));
    const image = seen.record?.image;
    if (image === undefined || image.generation !== state.generation) return undefined;
    try {
      this.#owners.requireFree(image.id, seen, device);
    } catch (error) {
      if (error instanceof DeviceError) return undefined;
      throw error;
    }
    this.#sleepers.set(image.id, device);
    this.#held.set(image.id, { id: image.id, key: image.key, uid });
    const { generation, nextTransitionId } = image;
    const facts = await this.describe(image.id);
    return { image: image.id, uid, generation, nextTransitionId, cause: facts?.cause };
  }

  /** None: in a shared bucket most images are of others, and that is no news. */
  async others(): Promise<readonly string[]> {
    return [];
  }

  list(): Promise<readonly ImageRecord[]> {
    return this.#asked(async () => {
      const images = imagesAmong(await this.#options.bucket.list(IMAGES));
      const seen = await this.#readAll([...new Set(images.map(({ uid }) => uid))]);
      const records = images.flatMap((image) => recordOf(image, seen.get(image.uid)?.record) ?? []);
      return records.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    });
  }

  get(id: string): Promise<ImageRecord> {
    return this.#asked(async () => (await this.#look(id)).record);
  }

  async describe(id: string): Promise<ImageFacts | undefined> {
    try {
      const file = await this.#asked(async () => this.#file(await this.#find(id)));
      try {
        return await this.#options.describe(file);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (error instanceof DeviceError) return undefined;
      throw error;
    }
  }

  delete(id: string): Promise<void> {
    return this.#asked(async () => {
      const { found, seen } = await this.#look(id);
      await this.#owners.discard(found, seen);
      await this.#options.bucket.remove(found.key);
      this.#sleepers.delete(id);
    });
  }

  /** A listing costs a request for every thousand images, so that one answers several scrapes. */
  usage(): Promise<ImageUsage> {
    const { monotonicMs } = this.#options;
    if (this.#usage === undefined || monotonicMs() - this.#usage.sinceMs >= IMAGE_USAGE_KEPT_MS) {
      const usage = this.#asked(() => this.#room.usage());
      this.#usage = { usage, sinceMs: monotonicMs() };
      usage.catch(() => {
        this.#usage = undefined;
      });
    }
    return this.#usage.usage;
  }

  /** @throws DeviceError IMAGE_NOT_FOUND */
  async #find(id: string): Promise<ListedImage> {
    if (parseImageId(id) === undefined) throw imageNotFound(id);
    const [found] = imagesAmong(await this.#options.bucket.list(`${IMAGES}${id}/`));
    if (found === undefined) throw imageNotFound(id);
    return found;
  }

  /** @throws DeviceError IMAGE_NOT_FOUND, also for an image that is not sealed */
  async #look(id: string) {
    const found = await this.#find(id);
    const seen = await this.#owners.read(found.uid);
    const record = recordOf(found, seen.record);
    if (record === undefined) throw imageNotFound(id);
    return { found, seen, record };
  }

  #file({ key, sizeBytes }: ListedImage): ImageFile {
    const { bucket, observer } = this.#options;
    return new BucketImage({ bucket, key, observer }, sizeBytes);
  }

  #requireNoSleeper(id: string, device: string): void {
    const sleeper = this.#sleepers.get(id);
    if (sleeper !== undefined && sleeper !== device) throw imageInUse(id, sleeper);
  }

  async #readAll(uids: readonly string[]): Promise<ReadonlyMap<string, SeenRecord>> {
    const seen = new Map<string, SeenRecord>();
    for (let at = 0; at < uids.length; at += RECORDS_READ_AT_ONCE) {
      const some = uids.slice(at, at + RECORDS_READ_AT_ONCE);
      const found = await Promise.all(some.map((uid) => this.#owners.read(uid)));
      for (const [index, uid] of some.entries()) seen.set(uid, found[index]);
    }
    return seen;
  }

  /** Stores on this host which state its device has. One at a time, because it is one file. */
  #remember(
    write: OwnershipWrite,
    { device, uid, generation }: OwnedState,
    where: Pick<DeviceState, "image" | "nextTransitionId">,
  ): Promise<void> {
    const { states } = this.#options;
    const stored = this.#last.then(() => states.remember(device, { uid, generation, ...where }));
    this.#last = stored.catch(() => {});
    return stored.catch((error: unknown) => {
      const why = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
      const message = `The file of device states could not be written (${write}): ${why}.`;
      throw new DeviceError(write === "seal" ? "COPY_FAILED" : "OWNERSHIP_IN_DOUBT", message, {}).because(
        error,
      );
    });
  }

  /** Turns errors of the bucket into errors for callers, and reports them. */
  async #asked<T>(action: () => Promise<T>): Promise<T> {
    const { bucket, observer } = this.#options;
    try {
      return await action();
    } catch (error) {
      if (error instanceof DeviceError && error.reason === "OWNERSHIP_IN_DOUBT") {
        observer.onError?.(error.reason);
      }
      if (!(error instanceof BucketError)) throw error;
      observer.onError?.("COPY_FAILED");
      throw bucketFailure(bucket, error);
    }
  }

  /** For what the request does not depend on: whatever fails is removed later, or stays. */
  async #quietly(action: () => Promise<void>): Promise<void> {
    try {
      await this.#asked(action);
    } catch (error) {
      if (!(error instanceof DeviceError || error instanceof Superseded)) throw error;
    }
  }
}
