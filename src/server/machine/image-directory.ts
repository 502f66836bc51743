/**
 * Hibernation images in a directory: `ID.partial` while one is written, `ID.image` once it is sealed,
 * `ID.WHO.claimed` while a device restores it, and `ID.WHO.consumed` when it has been resumed from. Each
 * step from one to the next is a rename that is made durable before it counts, so a process that is killed
 * leaves every image in exactly one of these states.
 *
 * Whose an image is its content says, by uid and generation. Claims of daemons that were here before this
 * one are void: the lock of the data directory proves that they are dead.
 */
import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import type {
  ImageDraft,
  ImagedState,
  ImageFile,
  ImageStore,
  OwnedState,
  OwnershipWrite,
} from "../../device/mod.ts";
import { type DeviceState, DeviceStates } from "./device-states.ts";
import type { ImageCatalogue, ImageFacts, ImageRecord, ImageUsage, OwnImage } from "./image-catalogue.ts";
import { DirectoryDraft } from "./image-draft.ts";
import type { ImageEntry, ImagePlace } from "./image-entries.ts";
import { ImageErrors, type ImageObserver } from "./image-errors.ts";
import { type ImageFileSystem, imageFileSystem } from "./image-file-system.ts";
import { ImageFiles, undefinedFor } from "./image-files.ts";
import { type DescribeImage, ImageIdentities } from "./image-identities.ts";
import { ImageLineages } from "./image-lineages.ts";
import { makeImageId, parseFileName } from "./image-names.ts";
import { ImageRoom } from "./image-room.ts";

export interface ImageDirectoryOptions {
  readonly path: string;
  /** The file that says which state each device had last. @default nobody remembers */
  readonly statesPath?: string;
  /** Of the daemon: sixteen hexadecimal digits, others at each start. @default random */
  readonly incarnation?: string;
  /** The most that all images together take; undefined is what the file system has. */
  readonly quotaBytes: number | undefined;
  /** Consumed images that are kept of each device. */
  readonly keepConsumed: number;
  /**
   * Reads what an image says of itself.
   * @throws DeviceError when it is none.
   * @default only this process knows what it wrote
   */
  readonly describe?: DescribeImage;
  /** Unix time in milliseconds. */
  readonly now: () => number;
  /** @default nobody is told */
  readonly observer?: ImageObserver;
  /** @default the real one */
  readonly files?: ImageFileSystem;
}

/** What lay there when the directory was opened. */
interface Found {
  readonly states: DeviceStates;
  /** Names of unfinished images. */
  readonly partials: readonly string[];
  readonly incarnations: ReadonlySet<string>;
}

export class ImageDirectory implements ImageStore, ImageCatalogue {
  readonly path: string;
  readonly incarnation: string;
  /** Images that an earlier process did not finish, and that were removed at start. */
  readonly partialsRemoved: number;
  readonly #options: ImageDirectoryOptions;
  readonly #files: ImageFiles;
  readonly #room: ImageRoom;
  readonly #states: DeviceStates;
  readonly #identities: ImageIdentities;
  readonly #lineages: ImageLineages;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: ImageDirectoryOptions, place: ImagePlace, found: Found) {
    const { path, quotaBytes, keepConsumed, describe, now, observer = {} } = options;
    const { states } = found;
    this.path = path;
    this.incarnation = options.incarnation ?? randomBytes(8).toString("hex");
    this.partialsRemoved = found.partials.length;
    this.#options = options;
    this.#states = states;
    this.#room = new ImageRoom(place, quotaBytes);
    const { incarnation } = this;
    this.#files = new ImageFiles({ place, observer, incarnation, dead: found.incarnations, now });
    const identities = new ImageIdentities(describe && ((entry) => this.#read(entry.id, describe)));
    this.#identities = identities;
    this.#lineages = new ImageLineages({ place, identities, states, keepConsumed });
  }

  /**
   * Makes the directory if there is none, and removes what an earlier process left unfinished. Files with
   * other names are left alone. Legal for one process at a time.
   * @throws DeviceError COPY_FAILED when it cannot be made, read or cleaned; StartError when what is
   *   remembered of devices cannot be read.
   */
  static async open(options: ImageDirectoryOptions): Promise<ImageDirectory> {
    const { path, files = imageFileSystem, observer = {} } = options;
    const errors = new ImageErrors(observer);
    await errors.guard(path, "made", () => files.makeDirectory(path));
    // An image is no more durable than the directory that it is in.
    await errors.guard(dirname(path), "made durable", () => files.syncDirectory(dirname(path)));
    const states = await DeviceStates.open(options.statesPath, files);
    const names = await errors.guard(path, "listed", () => files.list(path));
    const parsed = names.map((name) => ({ name, file: parseFileName(name) }));
    const partials = parsed.filter(({ file }) => file?.state === "PARTIAL").map(({ name }) => name);
    for (const name of partials) {
      const partial = join(path, name);
      await errors.guard(partial, "removed", () => files.remove(partial));
    }
    const incarnations = new Set(parsed.flatMap(({ file }) => file?.holder?.incarnation ?? []));
    return new ImageDirectory(options, { path, files, errors }, { states, partials, incarnations });
  }

  create(state: ImagedState, bytesMax: number): Promise<ImageDraft> {
    return this.#alone(async () => {
      const { device, uid, generation, nextTransitionId } = state;
      const entries = await this.#files.entries();
      await this.#room.make(entries, await this.#lineages.removable(entries), bytesMax);
      const id = this.#newId(device, entries);
      const { errors, files } = this.#files.place;
      const path = this.#files.pathOf(id, "PARTIAL");
      const file = await errors.guard(path, "made", () => files.create(path));
      this.#identities.begin(id, { uid, generation, nextTransitionId, cause: undefined });
      const options = { id, file, path, errors, observer: this.#options.observer ?? {} };
      const draft = new DirectoryDraft(options, {
        seal: () => this.#alone(() => this.#seal(id, state)),
        abandon: () => this.#alone(() => this.#abandon(id)),
      });
      this.#room.promise(id, { bytesMax, draft });
      return draft;
    });
  }

  requireRoom(bytesMax: number): Promise<void> {
    return this.#alone(async () => {
      const entries = await this.#files.entries();
      await this.#room.require(entries, await this.#lineages.removable(entries), bytesMax);
    });
  }

  async requireClaimable(id: string, device: string): Promise<void> {
    this.#files.requireFree(await this.#files.entryOf(id), device);
  }

  claim(id: string, device: string): Promise<number> {
    return this.#alone(async () => {
      const entry = await this.#files.entryOf(id);
      this.#files.requireFree(entry, device);
      const claims = (entry.holder?.claims ?? 0) + 1;
      const holder = this.#files.holder(device, claims);
      await this.#files.move("claim", entry, { state: "CLAIMED", holder });
      return claims;
    });
  }

  giveBack(id: string, device: string): Promise<void> {
    return this.#alone(async () => {
      const entry = await this.#files.entryOf(id);
      const isClaimed = entry.state === "CLAIMED" && this.#files.isMine(entry, device);
      // Who claimed it last stays in its name: the next claim has to be a later one.
      if (isClaimed) await this.#files.move("giveBack", entry, { state: "SEALED", holder: entry.holder });
      else await this.#files.sync("giveBack", id);
    });
  }

  commit(id: string, state: OwnedState): Promise<void> {
    return this.#alone(async () => {
      const { device } = state;
      const entry = await this.#files.entryOf(id);
      const isDone = entry.state === "CONSUMED" && this.#files.isMine(entry, device);
      if (isDone) await this.#files.sync("commit", id);
      else {
        this.#files.requireFree(entry, device);
        const holder = this.#files.holder(device, entry.holder?.claims ?? 0);
        await this.#files.move("commit", entry, { state: "CONSUMED", holder });
      }
      await this.#remember("commit", id, state);
      this.#files.sleepers.delete(id);
      await this.#tidy(id, device);
    });
  }

  own(state: OwnedState): Promise<void> {
    return this.#alone(async () => {
      const { device } = state;
      await this.#remember("own", "", state);
      const { sleepers } = this.#files;
      for (const [id, sleeper] of sleepers) if (sleeper === device) sleepers.delete(id);
      await this.#tidy("", device);
    });
  }

  open(id: string): Promise<ImageFile> {
    return this.#files.open(id, (entry) => {
      if (entry.state === "CONSUMED") throw this.#files.refusal(entry);
    });
  }

  /**
   * The image that holds the state which the device of this name had last; undefined when it is not here.
   * An image that is as the device's in every other way, but of another uid or generation, is not its own.
   * Part of the start.
   */
  findOwn(device: string): Promise<OwnImage | undefined> {
    return this.#alone(async () => {
      const usable = (await this.#files.entries()).filter((entry) => this.#files.stateOf(entry) === "SEALED");
      const state = this.#states.get(device) ?? (await this.#adoptEarlier(device, usable));
      if (state === undefined) return undefined;
      for (const entry of usable) {
        const identity = await this.#identities.of(entry);
        const isOwn = identity?.uid === state.uid && identity.generation === state.generation;
        // One that cannot be read is what is remembered of it: whoever resumes from it is told what is wrong.
        if (!isOwn && !(identity === undefined && entry.id === state.image)) continue;
        this.#files.sleepers.set(entry.id, device);
        const { uid, generation } = state;
        const nextTransitionId = identity?.nextTransitionId ?? state.nextTransitionId;
        return { image: entry.id, uid, generation, nextTransitionId, cause: identity?.cause };
      }
      return undefined;
    });
  }

  /** Ids of sealed images in which no device of this daemon sleeps. */
  async others(): Promise<readonly string[]> {
    const sealed = (await this.list()).filter(({ state }) => state === "SEALED");
    return sealed.map(({ id }) => id).filter((id) => !this.#files.sleepers.has(id));
  }

  async list(): Promise<readonly ImageRecord[]> {
    const records = (await this.#files.entries()).map((entry) => this.#files.recordOf(entry));
    return records.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  async get(id: string): Promise<ImageRecord> {
    return this.#files.recordOf(await this.#files.entryOf(id));
  }

  async describe(id: string): Promise<ImageFacts | undefined> {
    const { describe } = this.#options;
    if (describe === undefined) return undefined;
    try {
      return await this.#read(id, describe);
    } catch (error) {
      return undefinedFor(error);
    }
  }

  delete(id: string): Promise<void> {
    return this.#alone(async () => {
      const entry = await this.#files.entryOf(id);
      if (this.#files.stateOf(entry) === "CLAIMED") throw this.#files.refusal(entry);
      await this.#files.remove([entry.path, ...entry.copies]);
      this.#identities.abandoned(id);
    });
  }

  /** Asked at each scrape. @throws DeviceError COPY_FAILED */
  async usage(): Promise<ImageUsage> {
    const entries = await this.#files.entries();
    const { disk = Number.POSITIVE_INFINITY, quota = Number.POSITIVE_INFINITY } =
      await this.#room.free(entries);
    const freeBytes = Math.max(0, Math.min(disk, quota));
    return {
      images: entries.length,
      bytes: entries.reduce((total, { facts }) => total + facts.sizeBytes, 0),
      freeBytes: Number.isFinite(freeBytes) ? freeBytes : undefined,
    };
  }

  /**
   * Later than every image of the device, even where the clock was set back: listings show them in that
   * order.
   */
  #newId(device: string, entries: readonly ImageEntry[]): string {
    const newest = entries.findLast((entry) => entry.device === device);
    const timeMs = Math.max(this.#options.now(), (newest?.timeMs ?? 0) + 1);
    return makeImageId(device, timeMs, randomBytes(4).toString("hex"));
  }

  async #seal(id: string, state: ImagedState): Promise<void> {
    const { device, nextTransitionId } = state;
    const isSealed = (await this.#files.entries()).some((entry) => entry.id === id);
    if (!isSealed) {
      // First, so that the daemon that finds the image knows whose it is. Until the rename there is none.
      const { errors } = this.#files.place;
      await errors.guard(this.path, "sealed into", () =>
        this.#states.remember(device, { ...stateOf(state), image: id, nextTransitionId }),
      );
      const [from, to] = [this.#files.pathOf(id, "PARTIAL"), this.#files.pathOf(id, "SEALED")];
      await this.#files.rename({ write: "seal", image: id }, from, to);
    }
    this.#room.release(id);
    this.#files.sleepers.set(id, device);
    // From the rename on nothing may be thrown that says that it is not sealed.
    await this.#files.sync("seal", id);
    await this.#tidy(id, device);
  }

  async #abandon(id: string): Promise<void> {
    const sealed = (await this.#files.entries()).find((entry) => entry.id === id);
    if (sealed !== undefined && this.#files.stateOf(sealed) !== "SEALED") throw this.#files.refusal(sealed);
    const paths = sealed === undefined ? [] : [sealed.path];
    await this.#files.remove([this.#files.pathOf(id, "PARTIAL"), ...paths]);
    this.#room.release(id);
    this.#identities.abandoned(id);
    this.#files.sleepers.delete(id);
  }

  /** Remembers the state of a device that is awake. */
  async #remember(write: OwnershipWrite, id: string, state: OwnedState): Promise<void> {
    const awake = { ...stateOf(state), image: "", nextTransitionId: 0 };
    await this.#files.place.errors.step(write, id, () => this.#states.remember(state.device, awake));
  }

  /**
   * What is left to do for a device that has a newer image, or none: nothing depends on it, and what fails
   * is done the next time. @param id of the newer image; empty without one
   */
  async #tidy(id: string, device: string): Promise<void> {
    try {
      const entries = await this.#files.entries();
      const entry = entries.find((each) => each.id === id);
      if (entry?.state === "SEALED") this.#identities.sealed(entry);
      const older = entry === undefined ? [] : await this.#lineages.olderThan(entry, entries);
      for (const each of older.filter((other) => this.#files.stateOf(other) === "SEALED")) {
        const holder = this.#files.holder(device, each.holder?.claims ?? 0);
        await this.#files.move("commit", each, { state: "CONSUMED", holder });
      }
      this.#identities.keep(entries);
      if (await this.#lineages.forget(device, await this.#files.entries())) this.#finishRemovals();
    } catch (error) {
      undefinedFor(error);
    }
  }

  /**
   * Has the file system give back the room of what was removed while nobody waits: left to itself it does so
   * when the next image is made durable, which takes that one longer than its own few changes.
   */
  #finishRemovals(): void {
    // Nothing depends on it: what is still there after a power cut is removed the next time.
    this.#files.place.files.syncDirectory(this.path).catch(() => {});
  }

  /**
   * A directory of an earlier version, which did not remember what its devices had: the images that such a
   * version sealed for the device are its own, if they are all of one uid.
   */
  async #adoptEarlier(device: string, usable: readonly ImageEntry[]): Promise<DeviceState | undefined> {
    if (!this.#states.isNew) return undefined;
    const found: DeviceState[] = [];
    for (const entry of usable.filter((each) => each.device === device)) {
      const identity = await this.#identities.of(entry);
      if (identity?.generation === 0) {
        const { uid, generation, nextTransitionId } = identity;
        found.push({ uid, generation, nextTransitionId, image: entry.id, past: [] });
      }
    }
    if (new Set(found.map(({ uid }) => uid)).size !== 1) return undefined;
    // Of one device the image that was begun later has the higher number.
    const [newest] = found.toSorted((a, b) => b.nextTransitionId - a.nextTransitionId);
    if (newest !== undefined) await this.#states.remember(device, newest);
    return newest;
  }

  async #read(id: string, describe: DescribeImage): Promise<ImageFacts> {
    const file = await this.#files.open(id);
    try {
      return await describe(file);
    } finally {
      await file.close();
    }
  }

  /** One change of the directory at a time: devices suspend side by side. */
  #alone<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#last.then(change);
    this.#last = done.catch(() => {});
    return done;
  }
}

function stateOf({ uid, generation }: OwnedState): Pick<DeviceState, "uid" | "generation"> {
  return { uid, generation };
}
