/**
 * Hibernation images in a directory: `ID.partial` while one is written, `ID.image` once it is sealed, `ID.consumed` when
 * it has been resumed from. Each step from one to the next is a rename that is made durable before it counts, so a
 * process that is killed leaves every image in exactly one of these states.
 *
 * Of two sealed images of a device the newer one counts; the older is what a kill between two renames left behind.
 */
import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { DeviceError, type ImageDraft, type ImageFile, type ImageStore } from "../../device/mod.ts";
import type { ImageCatalogue, ImageFacts, ImageRecord } from "./image-catalogue.ts";
import { DirectoryDraft, DirectoryImage } from "./image-draft.ts";
import { type ImageEntry, type ImagePlace, readImageEntries } from "./image-entries.ts";
import { ImageErrors, type ImageObserver } from "./image-errors.ts";
import { type ImageFileSystem, imageFileSystem } from "./image-file-system.ts";
import { type FileState, fileNameOf, makeImageId, parseFileName, parseImageId } from "./image-names.ts";
import { ImageRoom } from "./image-room.ts";

export interface ImageDirectoryOptions {
  readonly path: string;
  /** The most that all images together take; undefined is what the file system has. */
  readonly quotaBytes: number | undefined;
  /** Consumed images that are kept of each device, newest first. */
  readonly keepConsumed: number;
  /** Reads what an image says of itself. @throws DeviceError when it is none. @default images are shown by their files alone */
  readonly describe?: (file: ImageFile) => Promise<ImageFacts>;
  /** Unix time in milliseconds. */
  readonly now: () => number;
  /** @default nobody is told */
  readonly observer?: ImageObserver;
  /** @default the real one */
  readonly files?: ImageFileSystem;
}

/** What a scrape shows. */
export interface ImageUsage {
  readonly images: number;
  readonly bytes: number;
  /** What new images can take: of the disk, or of the quota if that is less; undefined where nobody says. */
  readonly freeBytes: number | undefined;
}

export class ImageDirectory implements ImageStore, ImageCatalogue {
  readonly path: string;
  /** Images that an earlier process did not finish, and that were removed at start. */
  readonly partialsRemoved: number;
  readonly #options: ImageDirectoryOptions;
  readonly #observer: ImageObserver;
  readonly #place: ImagePlace;
  readonly #room: ImageRoom;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: ImageDirectoryOptions, place: ImagePlace, partialsRemoved: number) {
    this.path = options.path;
    this.partialsRemoved = partialsRemoved;
    this.#options = options;
    this.#observer = options.observer ?? {};
    this.#place = place;
    this.#room = new ImageRoom(place, options.quotaBytes);
  }

  /**
   * Makes the directory if there is none, and removes what an earlier process left unfinished. Files with other names
   * are left alone. Legal for one process at a time.
   * @throws DeviceError COPY_FAILED when it cannot be made, read or cleaned.
   */
  static async open(options: ImageDirectoryOptions): Promise<ImageDirectory> {
    const { path, files = imageFileSystem, observer = {} } = options;
    const errors = new ImageErrors(observer);
    await errors.guard(path, "made", () => files.makeDirectory(path));
    // An image is no more durable than the directory that it is in.
    await errors.guard(dirname(path), "made durable", () => files.syncDirectory(dirname(path)));
    const names = await errors.guard(path, "listed", () => files.list(path));
    const partials = names.filter((name) => parseFileName(name)?.state === "PARTIAL");
    for (const name of partials) {
      const partial = join(path, name);
      await errors.guard(partial, "removed", () => files.remove(partial));
    }
    return new ImageDirectory(options, { path, files, errors }, partials.length);
  }

  create(device: string, bytesMax: number): Promise<ImageDraft> {
    return this.#alone(async () => {
      const entries = await this.#entries();
      await this.#room.make(entries, bytesMax);
      const id = this.#newId(device, entries);
      const path = this.#pathOf(id, "PARTIAL");
      const file = await this.#place.errors.guard(path, "made", () => this.#place.files.create(path));
      const deps = { path, errors: this.#place.errors, observer: this.#observer };
      const draft = new DirectoryDraft(id, file, deps, {
        seal: (sealed, moved) => this.#alone(() => this.#seal(sealed, moved)),
        abandon: (abandoned, last) => this.#alone(() => this.#abandon(abandoned, last)),
      });
      this.#room.promise(id, { bytesMax, draft });
      return draft;
    });
  }

  requireRoom(bytesMax: number): Promise<void> {
    return this.#alone(async () => this.#room.require(await this.#entries(), bytesMax));
  }

  async open(id: string): Promise<ImageFile> {
    if (parseImageId(id) === undefined) throw this.#place.errors.notFound(id);
    return this.#openPath(id, this.#pathOf(id, "SEALED"));
  }

  consume(id: string): Promise<void> {
    return this.#alone(async () => {
      const entries = await this.#entries();
      const entry = requireEntry(entries, id, this.#place.errors);
      // The older ones first: a kill in between leaves this one, which is the newest.
      await this.#consumeOlder(entries, entry);
      if (entry.state === "SEALED") await this.#rename(entry.path, this.#pathOf(id, "CONSUMED"));
      await this.#syncDirectory();
      if (await this.#forget(entry.device)) this.#finishRemovals();
    });
  }

  async findSealed(device: string): Promise<string | undefined> {
    const sealed = (await this.#entries()).filter((entry) => isSealedOf(entry, device));
    return sealed.at(-1)?.id;
  }

  async list(): Promise<readonly ImageRecord[]> {
    return (await this.#entries()).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  async get(id: string): Promise<ImageRecord> {
    return requireEntry(await this.#entries(), id, this.#place.errors);
  }

  async describe(id: string): Promise<ImageFacts | undefined> {
    const { describe } = this.#options;
    if (describe === undefined) return undefined;
    try {
      const { state } = await this.get(id);
      const file = await this.#openPath(id, this.#pathOf(id, state));
      try {
        return await describe(file);
      } finally {
        await file.close();
      }
    } catch (error) {
      return undefinedFor(error);
    }
  }

  delete(id: string): Promise<void> {
    return this.#alone(async () => {
      const { path } = requireEntry(await this.#entries(), id, this.#place.errors);
      await this.#remove(path);
      await this.#syncDirectory();
    });
  }

  /** Asked at each scrape. @throws DeviceError COPY_FAILED */
  async usage(): Promise<ImageUsage> {
    const entries = await this.#entries();
    const { disk = Number.POSITIVE_INFINITY, quota = Number.POSITIVE_INFINITY } =
      await this.#room.free(entries);
    const freeBytes = Math.max(0, Math.min(disk, quota));
    return {
      images: entries.length,
      bytes: entries.reduce((total, { sizeBytes }) => total + sizeBytes, 0),
      freeBytes: Number.isFinite(freeBytes) ? freeBytes : undefined,
    };
  }

  /** Later than every image of the device, even where the clock was set back: the newest must be the newest. */
  #newId(device: string, entries: readonly ImageEntry[]): string {
    const newest = entries.findLast((entry) => entry.device === device);
    const timeMs = Math.max(this.#options.now(), (newest?.timeMs ?? 0) + 1);
    return makeImageId(device, timeMs, randomBytes(4).toString("hex"));
  }

  async #seal(id: string, moved: (path: string) => void): Promise<void> {
    const path = this.#pathOf(id, "SEALED");
    await this.#rename(this.#pathOf(id, "PARTIAL"), path);
    moved(path);
    this.#room.release(id);
    await this.#syncDirectory();
    const entries = await this.#entries();
    const entry = requireEntry(entries, id, this.#place.errors);
    if (await this.#consumeOlder(entries, entry)) await this.#syncDirectory();
    await this.#forget(entry.device);
  }

  async #abandon(id: string, path: string): Promise<void> {
    await this.#remove(path);
    this.#room.release(id);
    await this.#syncDirectory();
  }

  /** Marks sealed images of the device before `entry` consumed. Answers whether there were any. */
  async #consumeOlder(entries: readonly ImageEntry[], entry: ImageEntry): Promise<boolean> {
    const before = entries.slice(0, entries.indexOf(entry));
    const older = before.filter((other) => isSealedOf(other, entry.device));
    for (const { id, path } of older) await this.#rename(path, this.#pathOf(id, "CONSUMED"));
    return older.length > 0;
  }

  /**
   * Removes consumed images above those that are kept; what cannot be removed stays, and the next time tries again. Answers
   * whether there was something to remove.
   */
  async #forget(device: string): Promise<boolean> {
    try {
      const consumed = (await this.#entries()).filter(
        (entry) => entry.device === device && entry.state === "CONSUMED",
      );
      const count = Math.max(0, consumed.length - this.#options.keepConsumed);
      for (const { path } of consumed.slice(0, count)) await this.#remove(path);
      return count > 0;
    } catch (error) {
      // What the caller asked for is done, and the errors of files have been counted.
      undefinedFor(error);
      return true;
    }
  }

  /**
   * Has the file system give back the room of what was removed while nobody waits: left to itself it does so when the next
   * image is made durable, which takes that one longer than its own few changes.
   */
  #finishRemovals(): void {
    // Nothing depends on it: what is still there after a power cut is removed the next time.
    this.#place.files.syncDirectory(this.path).catch(() => {});
  }

  async #openPath(id: string, path: string): Promise<ImageFile> {
    const file = await this.#place.errors.guard(path, "opened", () => this.#place.files.open(path));
    if (file === undefined) throw this.#place.errors.notFound(id);
    return new DirectoryImage(file, { path, errors: this.#place.errors, observer: this.#observer });
  }

  #entries(): Promise<readonly ImageEntry[]> {
    return readImageEntries(this.#place);
  }

  #pathOf(id: string, state: FileState): string {
    return join(this.path, fileNameOf(id, state));
  }

  #rename(from: string, to: string): Promise<void> {
    return this.#place.errors.guard(from, `renamed to ${to}`, () => this.#place.files.rename(from, to));
  }

  #remove(path: string): Promise<void> {
    return this.#place.errors.guard(path, "removed", () => this.#place.files.remove(path));
  }

  #syncDirectory(): Promise<void> {
    return this.#place.errors.guard(this.path, "made durable", () =>
      this.#place.files.syncDirectory(this.path),
    );
  }

  /** One change of the directory at a time: devices suspend side by side. */
  #alone<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#last.then(change);
    this.#last = done.catch(() => {});
    return done;
  }
}

function requireEntry(entries: readonly ImageEntry[], id: string, errors: ImageErrors): ImageEntry {
  const found = entries.find((entry) => entry.id === id);
  if (found === undefined) throw errors.notFound(id);
  return found;
}

/** Undefined for what the world did. Anything else is a bug, and is thrown on. */
function undefinedFor(error: unknown): undefined {
  if (!(error instanceof DeviceError)) throw error;
  return undefined;
}

function isSealedOf(entry: ImageEntry, device: string): boolean {
  return entry.device === device && entry.state === "SEALED";
}
