/**
 * Hibernation images in a directory: `ID.partial` while one is being written, `ID.image` once it is sealed,
 * `ID.WHO.claimed` while a device restores it, and `ID.WHO.consumed` after a resume. Each change of state is
 * a rename that is made durable before it counts, so a killed process leaves every image in exactly one
 * state.
 *
 * The owner of an image follows from the uid and generation in its content. Claims of earlier daemons are
 * void: the lock of the data directory proves that those daemons are dead.
 */
import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import type { ImageDraft, ImagedState, ImageFile, OwnedState, OwnershipWrite } from "../../device/mod.ts";
import { type DeviceState, DeviceStates } from "./device-states.ts";
import type { DaemonImages, ImageFacts, ImageRecord, ImageUsage, OwnImage } from "./image-catalogue.ts";
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
  /** The file with the last state of each device. @default states are not stored */
  readonly statesPath?: string;
  /** Identifies this run of the daemon: sixteen hexadecimal digits. @default random */
  readonly incarnation?: string;
  /** The most space that all images together may take; undefined for all of the file system. */
  readonly quotaBytes: number | undefined;
  /** How many consumed images of each device are kept. */
  readonly keepConsumed: number;
  /**
   * Reads the state that an image says it holds.
   * @throws DeviceError if it is not an image.
   * @default only images that this process wrote are known
   */
  readonly describe?: DescribeImage;
  /** Unix time in milliseconds. */
  readonly now: () => number;
  /** @default no observer */
  readonly observer?: ImageObserver;
  /** @default the real file system */
  readonly files?: ImageFileSystem;
}

/** The files found when the directory was opened. */
interface Found {
  readonly states: DeviceStates;
  /** Names of unfinished images. */
  readonly partials: readonly string[];
  readonly incarnations: ReadonlySet<string>;
}

export class ImageDirectory implements DaemonImages {
  readonly kind = "directory";
  readonly path: string;
  readonly incarnation: string;
  /** Images that an earlier process left unfinished and that were removed at start. */
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
   * Makes the directory if needed, and removes images that an earlier process left unfinished. Leaves files
   * with other names alone. Legal for one process at a time.
   * @throws DeviceError COPY_FAILED if it cannot be made, read or cleaned; StartError if the stored states of
   * devices cannot be read.
   */
  static async open(options: ImageDirectoryOptions): Promise<ImageDirectory> {
    const { path, files = imageFileSystem, observer = {} } = options;
    const errors = new ImageErrors(observer);
    await errors.guard(path, "made", () => files.makeDirectory(path));
    // An image is no more durable than its directory.
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
      // The last claim stays in its name, because the next claim must have a higher number.
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
   * The image with the state that the device of this name had last; undefined if it is not here. An image
   * that differs only in uid or generation is not the device's own. Called during the start.
   */
  findOwn(device: string): Promise<OwnImage | undefined> {
    return this.#alone(async () => {
      const usable = (await this.#files.entries()).filter((entry) => this.#files.stateOf(entry) === "SEALED");
      const state = this.#states.get(device) ?? (await this.#adoptEarlier(device, usable));
      if (state === undefined) return undefined;
      for (const entry of usable) {
        const identity = await this.#identities.of(entry);
        const isOwn = identity?.uid === state.uid && identity.generation === state.generation;
        // If it cannot be read, assume the stored state. A resume from it will report what is wrong.
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

  /** Called for each scrape. @throws DeviceError COPY_FAILED */
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
   * Later than every other image of the device, even if the clock was set back, because listings are ordered
   * by time.
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
      // Store this first, so that a daemon that finds the image knows its owner. Before the rename the image
      // does not exist.
      const { errors } = this.#files.place;
      await errors.guard(this.path, "sealed into", () =>
        this.#states.remember(device, { ...stateOf(state), image: id, nextTransitionId }),
      );
      const [from, to] = [this.#files.pathOf(id, "PARTIAL"), this.#files.pathOf(id, "SEALED")];
      await this.#files.rename({ write: "seal", image: id }, from, to);
    }
    this.#room.release(id);
    this.#files.sleepers.set(id, device);
    // After the rename, no error may claim that the image is not sealed.
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

  /** Stores the state of a device that is awake. */
  async #remember(write: OwnershipWrite, id: string, state: OwnedState): Promise<void> {
    const awake = { ...stateOf(state), image: "", nextTransitionId: 0 };
    await this.#files.place.errors.step(write, id, () => this.#states.remember(state.device, awake));
  }

  /**
   * Cleans up after a device that has a newer image, or none. Nothing depends on it, and whatever fails is
   * tried again the next time. @param id the newer image; empty if there is none
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
   * Makes the file system free the space of removed images now, while nobody waits. Otherwise it would do so
   * when the next image is made durable, and slow that down.
   */
  #finishRemovals(): void {
    // Nothing depends on it. Whatever is left after a power cut is removed the next time.
    this.#files.place.files.syncDirectory(this.path).catch(() => {});
  }

  /**
   * For a directory of an earlier version, which stored no states. The images that it sealed for the device
   * are the device's own if they all have one uid.
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
    // Of one device's images, the one that was begun later has the higher number.
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

  /** Only one change of the directory at a time, because devices suspend side by side. */
  #alone<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#last.then(change);
    this.#last = done.catch(() => {});
    return done;
  }
}

function stateOf({ uid, generation }: OwnedState): Pick<DeviceState, "uid" | "generation"> {
  return { uid, generation };
}
