/**
 * The writes of ownership of one daemon: seals, claims and commits as changes of records. Rules: nothing is
 * done on the strength of a read, only asked; a change without an answer is repeated with the same bytes; a
 * seal is undone by a write, and only its success counts.
 */
import {
  DeviceError,
  imageClaimed,
  imageConsumed,
  imageNotFound,
  inDoubt,
  type OwnedState,
  type OwnershipWrite,
} from "../../device/mod.ts";
import { CLAIM_STALE_MS, OWNER_LOOKS_MAX, PAST_IMAGES_MAX, WATCHED_CLAIMS_MAX } from "../daemon-limits.ts";
import type { Writer } from "./image-keys.ts";
import { holderOf, newNonce, type OwnerRecord, type RecordHolder, type RecordImage } from "./owner-record.ts";
import { type OwnerChange, type OwnerRecords, type SeenRecord, Superseded } from "./owner-records.ts";

export interface OwnersOptions {
  readonly records: OwnerRecords;
  readonly writer: Writer;
  /** Unix time in milliseconds; for people only. */
  readonly now: () => number;
  /** Never goes back. */
  readonly monotonicMs: () => number;
}

/** An image, and whose state it holds. */
export interface HeldImage {
  readonly id: string;
  readonly key: string;
  readonly uid: string;
}

/** An image of which one device of this daemon asks something. */
export interface Wish {
  readonly write: OwnershipWrite;
  readonly image: HeldImage;
  readonly device: string;
}

type NextRecord = Pick<OwnerRecord, "state" | "generation" | "image" | "past">;

const ABSENT: SeenRecord = { record: undefined, version: undefined };

export class Owners {
  readonly #options: OwnersOptions;
  /** The records that this daemon wrote last, by uid. Others may have changed them since. */
  readonly #written = new Map<string, SeenRecord>();
  /** Changes without an answer, by write and image. */
  readonly #pending = new Map<string, OwnerChange>();
  /** The seals that were asked for, by image. */
  readonly #seals = new Map<string, OwnerChange>();
  /** Claims of others, and since when they have not changed. */
  readonly #watched = new Map<string, { readonly version: string | undefined; readonly sinceMs: number }>();

  constructor(options: OwnersOptions) {
    this.#options = options;
  }

  /** @throws BucketError */
  read(uid: string): Promise<SeenRecord> {
    return this.#options.records.read(uid);
  }

  /** @throws DeviceError OWNERSHIP_IN_DOUBT, COPY_FAILED */
  async seal(image: RecordImage, { uid, generation, device }: OwnedState): Promise<void> {
    const wish: Wish = { write: "seal", image: { ...image, uid }, device };
    const from = this.#written.get(uid) ?? ABSENT;
    const past = from.record?.past ?? [];
    const change = this.#changeOf(wish, from, { state: "SLEEPING", generation, image, past });
    this.#seals.set(image.id, change);
    try {
      await this.#settle(wish, change);
    } catch (error) {
      if (!(error instanceof Superseded)) throw error;
      const { by } = error.seen.record ?? {};
      const message =
        `Image ${image.id} cannot be sealed, because the record of its device's state has been changed` +
        `${by === undefined ? "" : ` by device ${by.device} (daemon incarnation ${by.incarnation})`}.`;
      throw new DeviceError("COPY_FAILED", message, { image: image.id }).because(error);
    }
  }

  /**
   * Undoes a seal that may have been asked for. Resolves only if the image is not sealed and never will be.
   * @throws DeviceError IMAGE_CLAIMED, IMAGE_CONSUMED, OWNERSHIP_IN_DOUBT, COPY_FAILED
   */
  async abandon(image: HeldImage, { generation, device }: OwnedState): Promise<void> {
    const seal = this.#seals.get(image.id);
    if (seal === undefined) return;
    const wish: Wish = { write: "abandon", image, device };
    const { past } = seal.record;
    await this.#insist(wish, { record: undefined, version: seal.from }, (seen) => {
      const isOurs = seen.version === seal.from || seen.record?.nonce === seal.record.nonce;
      if (!isOurs) throw this.refusal(image.id, seen.record);
      return { state: "OWNED", generation, image: undefined, past };
    });
    this.#seals.delete(image.id);
    this.#pending.delete(`seal ${image.id}`);
  }

  /** Returns how often the image has been claimed. @throws BucketError; DeviceError as `ImageStore.claim` */
  async claim(image: HeldImage, device: string): Promise<number> {
    for (let look = 1; look <= OWNER_LOOKS_MAX; look++) {
      const seen = await this.read(image.uid);
      const { past, image: sealed } = this.requireFree(image.id, seen, device);
      const claims = sealed.claims + 1;
      const next = { ...sealed, claims };
      const generation = sealed.generation + claims;
      const wish: Wish = { write: "claim", image, device };
      this.#pending.delete(`claim ${image.id}`);
      try {
        const change = this.#changeOf(wish, seen, { state: "RESTORING", generation, image: next, past });
        await this.#settle(wish, change);
        return claims;
      } catch (error) {
        if (!(error instanceof Superseded)) throw error;
      }
    }
    throw inDoubt("claim", image.id, new Error("Others changed the record at each attempt."));
  }

  /**
   * Ends a claim of this daemon; does nothing without one.
   * @throws DeviceError OWNERSHIP_IN_DOUBT, COPY_FAILED
   */
  async giveBack(image: HeldImage, device: string): Promise<void> {
    const from = this.#written.get(image.uid);
    if (from === undefined || !this.#isClaimOf(from.record, image.id, device)) return;
    try {
      await this.#insist({ write: "giveBack", image, device }, from, ({ record }) => {
        if (record === undefined || !this.#isClaimOf(record, image.id, device)) throw new ClaimEnded();
        return { ...record, state: "SLEEPING" };
      });
    } catch (error) {
      if (!(error instanceof ClaimEnded)) throw error;
    }
  }

  /**
   * Consumes an image that this daemon claimed or sealed. The device owns `state` then; if that is another
   * state than the image's, the image's is given up.
   * @throws BucketError; DeviceError IMAGE_CLAIMED, IMAGE_CONSUMED, OWNERSHIP_IN_DOUBT, COPY_FAILED
   */
  async commit(image: HeldImage, state: OwnedState): Promise<OwnerRecord | undefined> {
    const { device } = state;
    const { id, key, uid } = image;
    const written = this.#written.get(uid);
    const from = written ?? (await this.read(uid));
    if (this.#isConsumer(from.record, id, device)) return from.record;
    // A device that never woke since this daemon began may consume what it could also claim.
    if (written === undefined) this.requireFree(id, from, device);
    const { record } = await this.#insist({ write: "commit", image, device }, from, (seen) => {
      const { record: before } = seen;
      const isOurs = seen === from || this.#isMine(before?.by, device);
      if (before?.image?.id !== id || !isOurs) throw this.refusal(id, before);
      const past = [...before.past, { id, key, by: this.#holder(device) }].slice(-PAST_IMAGES_MAX);
      const given = { state: "DELETED", generation: before.generation } as const;
      const owned = { state: "OWNED", generation: state.generation } as const;
      return { ...(state.uid === uid ? owned : given), image: undefined, past };
    });
    this.#seals.delete(id);
    if (state.uid !== uid) this.#written.delete(uid);
    return record;
  }

  /**
   * Writes that a state is given up which a device of this host had in its memory, now or before it died.
   * @throws BucketError; DeviceError; Superseded
   */
  async bury(uid: string, device: string): Promise<void> {
    const seen = this.#written.get(uid) ?? (await this.read(uid));
    const { record } = seen;
    if (record?.state !== "OWNED" || record.by.host !== this.#options.writer.host) return;
    await this.#writeDeleted(seen, uid, device);
  }

  /**
   * The same for a state of which a dead daemon of this host left an image that is not sealed. Without a
   * record one is made, so that a late seal fails.
   * @throws BucketError; DeviceError; Superseded
   */
  async entomb(uid: string, device: string): Promise<void> {
    const seen = await this.read(uid);
    if (seen.record === undefined) return this.#writeDeleted(seen, uid, device);
    return this.bury(uid, device);
  }

  /** Writes that an image is not to be resumed from any more, wherever its device sleeps. */
  async discard(image: HeldImage, seen: SeenRecord): Promise<void> {
    const { record } = seen;
    if (record === undefined || record.image?.id !== image.id) return;
    if (record.state === "RESTORING") throw this.refusal(image.id, record);
    const wish: Wish = { write: "own", image, device: record.by.device };
    this.#pending.delete(`own ${image.id}`);
    try {
      const change = this.#changeOf(wish, seen, { ...record, state: "DELETED", image: undefined });
      await this.#settle(wish, change);
    } catch (error) {
      if (error instanceof Superseded) throw this.refusal(image.id, error.seen.record);
      throw error;
    }
  }

  /**
   * The record of an image that the device may claim.
   * @throws DeviceError IMAGE_NOT_FOUND, IMAGE_CLAIMED, IMAGE_CONSUMED
   */
  requireFree(id: string, seen: SeenRecord, device: string): OwnerRecord & { readonly image: RecordImage } {
    const { record } = seen;
    if (record === undefined) throw imageNotFound(id);
    const { image, state, by } = record;
    const isHere = image !== undefined && image.id === id;
    const isFree = state === "SLEEPING" || this.#isMine(by, device) || this.#isVoid(by, seen);
    if (isHere && isFree) return { ...record, image };
    throw this.refusal(id, record);
  }

  /** The error for an image that nobody can have now. */
  refusal(id: string, record: OwnerRecord | undefined): DeviceError {
    if (record === undefined) return imageNotFound(id);
    if (record.image?.id === id) return imageClaimed(id, holderOf(record.by));
    const by = record.past.find((each) => each.id === id)?.by ?? record.by;
    return imageConsumed(id, holderOf(by));
  }

  /** Whether a claim does not count: its daemon is dead, or has been silent for long. */
  #isVoid(by: RecordHolder, { record, version }: SeenRecord): boolean {
    const { writer, monotonicMs } = this.#options;
    // Only one daemon at a time has the data directory from which the host's name is.
    if (by.host === writer.host) return by.incarnation !== writer.incarnation;
    const uid = record?.nonce ?? "";
    const watched = this.#watched.get(uid);
    if (watched?.version === version && watched !== undefined) {
      return monotonicMs() - watched.sinceMs >= CLAIM_STALE_MS;
    }
    if (this.#watched.size >= WATCHED_CLAIMS_MAX) this.#watched.clear();
    this.#watched.set(uid, { version, sinceMs: monotonicMs() });
    return false;
  }

  async #writeDeleted(seen: SeenRecord, uid: string, device: string): Promise<void> {
    const { generation, past } = seen.record ?? { generation: 0, past: [] };
    const wish: Wish = { write: "own", image: { id: "", key: "", uid }, device };
    const next = { state: "DELETED", generation, image: undefined, past } as const;
    await this.#settle(wish, this.#changeOf(wish, seen, next));
    this.#written.delete(uid);
  }

  #isMine(by: RecordHolder | undefined, device: string): boolean {
    return by?.device === device && by.incarnation === this.#options.writer.incarnation;
  }

  #isConsumer(record: OwnerRecord | undefined, id: string, device: string): boolean {
    return record?.past.some((each) => each.id === id && this.#isMine(each.by, device)) ?? false;
  }

  #isClaimOf(record: OwnerRecord | undefined, id: string, device: string): boolean {
    return record?.state === "RESTORING" && record.image?.id === id && this.#isMine(record.by, device);
  }

  #holder(device: string): RecordHolder {
    const { writer, now } = this.#options;
    return { ...writer, device, timeMs: now() };
  }

  /** The change without an answer of the same wish, or a new one. */
  #changeOf({ write, image, device }: Wish, from: SeenRecord, next: NextRecord): OwnerChange {
    const key = `${write} ${image.id === "" ? image.uid : image.id}`;
    const known = this.#pending.get(key);
    if (known !== undefined) return known;
    const { state, generation, image: sealed, past } = next;
    const record = { state, generation, by: this.#holder(device), image: sealed, past, nonce: newNonce() };
    const change = { write, image: image.id, uid: image.uid, from: from.version, record };
    this.#pending.set(key, change);
    return change;
  }

  /** Writes until there is an answer. The change stays pending while it is in doubt. */
  async #settle({ write, image }: Wish, change: OwnerChange): Promise<SeenRecord> {
    const key = `${write} ${image.id === "" ? image.uid : image.id}`;
    try {
      const done = await this.#options.records.change(change);
      this.#pending.delete(key);
      this.#written.set(image.uid, done);
      return done;
    } catch (error) {
      const isDoubt = error instanceof DeviceError && error.reason === "OWNERSHIP_IN_DOUBT";
      if (!isDoubt) this.#pending.delete(key);
      throw error;
    }
  }

  /** Writes `next` of what is there, and of what came first if something did. @param next throws to stop */
  async #insist(wish: Wish, from: SeenRecord, next: (seen: SeenRecord) => NextRecord): Promise<SeenRecord> {
    let seen = from;
    for (let look = 1; look <= OWNER_LOOKS_MAX; look++) {
      try {
        return await this.#settle(wish, this.#changeOf(wish, seen, next(seen)));
      } catch (error) {
        if (!(error instanceof Superseded)) throw error;
        seen = error.seen;
      }
    }
    const { write, image } = wish;
    throw inDoubt(write, image.id, new Error("Others changed the record at each attempt."));
  }
}

/** Somebody else has taken over the claim. */
class ClaimEnded extends Error {
  override readonly name = "ClaimEnded";
}
