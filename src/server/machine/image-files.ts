/**
 * The files of images, found by id in any state, and moved from one state to the next. Each move is one
 * rename that is made durable.
 */
import { join } from "node:path";
import {
  DeviceError,
  type ImageFile,
  type ImageState,
  imageClaimed,
  imageConsumed,
  imageInUse,
  imageNotFound,
  type OwnershipWrite,
} from "../../device/mod.ts";
import { IMAGE_LOOKS_MAX } from "../daemon-limits.ts";
import type { ImageRecord } from "./image-catalogue.ts";
import { DirectoryImage } from "./image-draft.ts";
import { type ImageEntry, type ImagePlace, readImageEntries } from "./image-entries.ts";
import type { ImageObserver, OwnershipStep } from "./image-errors.ts";
import { type FileHolder, type FileState, fileNameOf, parseImageId } from "./image-names.ts";

export interface ImageFilesOptions {
  readonly place: ImagePlace;
  readonly observer: ImageObserver;
  /** Of this daemon. */
  readonly incarnation: string;
  /** Incarnations whose claims were here at the start. Their daemons are dead. */
  readonly dead: ReadonlySet<string>;
  /** Unix time in milliseconds. */
  readonly now: () => number;
}

/** The next state of an image, and the device that brings it there. */
export interface NextState {
  readonly state: FileState;
  readonly holder: FileHolder | undefined;
}

export class ImageFiles {
  readonly place: ImagePlace;
  /** Which device of this daemon sleeps in an image. */
  readonly sleepers = new Map<string, string>();
  readonly #options: ImageFilesOptions;

  constructor(options: ImageFilesOptions) {
    this.place = options.place;
    this.#options = options;
  }

  entries(): Promise<readonly ImageEntry[]> {
    return readImageEntries(this.place);
  }

  /** @throws DeviceError IMAGE_NOT_FOUND, COPY_FAILED */
  async entryOf(id: string): Promise<ImageEntry> {
    const found = parseImageId(id) && (await this.entries()).find((entry) => entry.id === id);
    if (found === undefined) throw imageNotFound(id);
    return found;
  }

  pathOf(id: string, state: FileState, holder?: FileHolder): string {
    return join(this.place.path, fileNameOf(id, state, holder));
  }

  /** The state of an image. The claim of a dead daemon does not count. */
  stateOf({ state, holder }: ImageEntry): ImageState {
    const isVoid = holder === undefined || this.#options.dead.has(holder.incarnation);
    return state === "CLAIMED" && isVoid ? "SEALED" : state;
  }

  /** Whether this device was the last to claim or consume the image, in this run of the daemon. */
  isMine({ holder }: ImageEntry, device: string): boolean {
    return holder?.device === device && holder.incarnation === this.#options.incarnation;
  }

  /**
   * @throws DeviceError IMAGE_CLAIMED, IMAGE_CONSUMED, IMAGE_IN_USE unless the device may claim the image.
   */
  requireFree(entry: ImageEntry, device: string): void {
    const state = this.stateOf(entry);
    if (state === "CONSUMED" || (state === "CLAIMED" && !this.isMine(entry, device))) {
      throw this.refusal(entry);
    }
    const sleeper = this.sleepers.get(entry.id);
    if (sleeper !== undefined && sleeper !== device) throw imageInUse(entry.id, sleeper);
  }

  /** The error for an image that is claimed or consumed, so that nobody can have it. */
  refusal(entry: ImageEntry): DeviceError {
    const { id, holder } = entry;
    if (holder !== undefined && this.stateOf(entry) === "CLAIMED") return imageClaimed(id, holder);
    return imageConsumed(id, holder);
  }

  /** Identifies a device of this daemon that claims or consumes an image now. */
  holder(device: string, claims: number): FileHolder {
    const { incarnation, now } = this.#options;
    return { device, incarnation, claims, timeNs: BigInt(now()) * 1_000_000n };
  }

  /**
   * Moves an image to its next state.
   * @throws DeviceError COPY_FAILED, IMAGE_STORE_FULL, OWNERSHIP_IN_DOUBT
   */
  async move(write: OwnershipWrite, entry: ImageEntry, next: NextState): Promise<void> {
    const { id, path } = entry;
    await this.rename({ write, image: id }, path, this.pathOf(id, next.state, next.holder));
    await this.sync(write, id);
  }

  rename(step: OwnershipStep, from: string, to: string): Promise<void> {
    return this.place.errors.rename(step, from, () => this.place.files.rename(from, to));
  }

  /** Makes a rename durable. */
  sync(write: OwnershipWrite, id: string): Promise<void> {
    return this.place.errors.step(write, id, () => this.place.files.syncDirectory(this.place.path));
  }

  async remove(paths: readonly string[]): Promise<void> {
    const { errors, files } = this.place;
    for (const path of paths) await errors.guard(path, "removed", () => files.remove(path));
    await errors.guard(this.place.path, "made durable", () => files.syncDirectory(this.place.path));
  }

  /** Opens an image in any state. @param check throws if opening is not allowed */
  async open(id: string, check: (entry: ImageEntry) => void = () => {}): Promise<ImageFile> {
    for (let look = 1; look <= IMAGE_LOOKS_MAX; look++) {
      const entry = await this.entryOf(id);
      check(entry);
      const { path } = entry;
      const { errors, files } = this.place;
      const file = await errors.guard(path, "opened", () => files.open(path));
      // It may have been renamed since it was listed.
      if (file !== undefined) {
        return new DirectoryImage(file, { path, errors, observer: this.#options.observer });
      }
    }
    throw imageNotFound(id);
  }

  recordOf(entry: ImageEntry): ImageRecord {
    const { id, device, holder, timeMs, facts } = entry;
    const state = this.stateOf(entry);
    return {
      id,
      device,
      state,
      claimedBy: state === "CLAIMED" ? holder : undefined,
      consumedBy: state === "CONSUMED" ? holder : undefined,
      createTimeNs: BigInt(timeMs) * 1_000_000n,
      sizeBytes: facts.sizeBytes,
    };
  }
}

/** Undefined for errors of the outside world. Anything else is a bug and is thrown again. */
export function undefinedFor(error: unknown): undefined {
  if (!(error instanceof DeviceError)) throw error;
  return undefined;
}
