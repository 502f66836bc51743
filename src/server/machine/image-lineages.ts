/**
 * What becomes of a device's images when it has another: older sealed ones are consumed, and consumed ones
 * are removed. Only those of its own uids are; whatever else lies in the directory is somebody else's.
 */
import { DeviceError } from "../../device/mod.ts";
import type { DeviceStates } from "./device-states.ts";
import type { ImageEntry, ImagePlace } from "./image-entries.ts";
import type { ImageIdentities, ImageIdentity } from "./image-identities.ts";

export interface LineageOptions {
  readonly place: ImagePlace;
  readonly identities: ImageIdentities;
  readonly states: DeviceStates;
  /** Consumed images that are kept of each device. */
  readonly keepConsumed: number;
}

interface Known {
  readonly entry: ImageEntry;
  readonly identity: ImageIdentity;
}

export class ImageLineages {
  readonly #options: LineageOptions;

  constructor(options: LineageOptions) {
    this.#options = options;
  }

  /**
   * Sealed images of the same uid that are no newer than `entry`: copies, or what a kill between two
   * renames left behind.
   */
  async olderThan(entry: ImageEntry, entries: readonly ImageEntry[]): Promise<readonly ImageEntry[]> {
    const own = await this.#options.identities.of(entry);
    if (own === undefined) return [];
    const known = await this.#identified(entries);
    return known
      .filter(({ entry: other, identity }) => {
        const isOlder = identity.uid === own.uid && identity.generation <= own.generation;
        return isOlder && other.id !== entry.id && other.state !== "CONSUMED";
      })
      .map(({ entry: other }) => other);
  }

  /**
   * Consumed images that may make way for new ones: those of devices of this directory, and those that
   * cannot be read.
   */
  async removable(entries: readonly ImageEntry[]): Promise<readonly ImageEntry[]> {
    const { identities, states } = this.#options;
    const removable: ImageEntry[] = [];
    for (const entry of entries) {
      if (entry.state !== "CONSUMED") continue;
      const identity = await identities.of(entry);
      const isOurs = identity === undefined || identity.generation === 0 || states.knows(identity.uid);
      if (isOurs) removable.push(entry);
    }
    return removable;
  }

  /**
   * Removes consumed images of a device above those that are kept, the earliest of its uids and generations
   * first; what cannot be removed stays, and the next time tries again. Answers whether there was something
   * to remove.
   */
  async forget(device: string, entries: readonly ImageEntry[]): Promise<boolean> {
    const { place, keepConsumed } = this.#options;
    const { files, errors } = place;
    const consumed = await this.#consumedOf(device, entries);
    const tooMany = consumed.slice(0, Math.max(0, consumed.length - keepConsumed));
    try {
      for (const { path, copies } of tooMany) {
        for (const each of [path, ...copies]) await errors.guard(each, "removed", () => files.remove(each));
      }
    } catch (error) {
      // What the caller asked for is done, and the errors of files have been counted.
      if (!(error instanceof DeviceError)) throw error;
    }
    return tooMany.length > 0;
  }

  /** Earliest first: by uid in the order in which the device had them, then by generation. */
  async #consumedOf(device: string, entries: readonly ImageEntry[]): Promise<readonly ImageEntry[]> {
    const lineage = this.#options.states.lineageOf(device);
    const known = await this.#identified(entries.filter(({ state }) => state === "CONSUMED"));
    const order = ({ identity }: Known): number => lineage.indexOf(identity.uid);
    return known
      .filter((each) => order(each) >= 0)
      .toSorted(
        (a, b) =>
          order(a) - order(b) ||
          a.identity.generation - b.identity.generation ||
          a.identity.nextTransitionId - b.identity.nextTransitionId,
      )
      .map(({ entry }) => entry);
  }

  async #identified(entries: readonly ImageEntry[]): Promise<readonly Known[]> {
    const known: Known[] = [];
    for (const entry of entries) {
      const identity = await this.#options.identities.of(entry);
      if (identity !== undefined) known.push({ entry, identity });
    }
    return known;
  }
}
