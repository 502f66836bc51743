/**
 * Cleans up a device's older images when it has a newer one: sealed ones are consumed, and consumed ones
 * removed. It touches only images with the device's own uids, because all others belong to somebody else.
 */
import { DeviceError } from "../../device/mod.ts";
import type { DeviceStates } from "./device-states.ts";
import type { ImageEntry, ImagePlace } from "./image-entries.ts";
import type { ImageIdentities, ImageIdentity } from "./image-identities.ts";

export interface LineageOptions {
  readonly place: ImagePlace;
  readonly identities: ImageIdentities;
  readonly states: DeviceStates;
  /** How many consumed images of each device are kept. */
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
   * Sealed images of the same uid that are no newer than `entry`: copies, or leftovers of a process that was
   * killed between two renames.
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
   * Consumed images that may be removed for new ones: those of this directory's devices, and unreadable ones.
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
   * Removes consumed images of a device beyond the number that is kept, the earliest uids and generations
   * first. If an image cannot be removed it stays until the next time. Returns whether there was something to
   * remove.
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
      // The caller's request has succeeded, and the file errors have been counted.
      if (!(error instanceof DeviceError)) throw error;
    }
    return tooMany.length > 0;
  }

  /** Earliest first: by the order in which the device had its uids, then by generation. */
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
