/**
 * Which state each image holds: its uid and generation, from what it says of itself. Names and times of
 * files say nothing of that: anybody may copy a file, and clocks differ.
 */
import { DeviceError, type ImageFile, type StateId } from "../../device/mod.ts";
import type { ImageFacts } from "./image-catalogue.ts";
import type { ImageEntry } from "./image-entries.ts";

/** The state that an image holds, as this process wrote it or the image says. */
export type ImageIdentity = StateId & Pick<ImageFacts, "nextTransitionId" | "cause">;

export class ImageIdentities {
  readonly #describe: ((entry: ImageEntry) => Promise<ImageFacts | undefined>) | undefined;
  /** By id: a file of the same id, size and time of change says the same; a rename changes none of these. */
  readonly #known = new Map<string, { readonly entry: ImageEntry; readonly identity: ImageIdentity }>();
  /** Of images that are being written. */
  readonly #drafts = new Map<string, ImageIdentity>();

  constructor(describe: ((entry: ImageEntry) => Promise<ImageFacts | undefined>) | undefined) {
    this.#describe = describe;
  }

  /** An image of that state is being written. */
  begin(id: string, identity: ImageIdentity): void {
    this.#drafts.set(id, identity);
  }

  /** It is written: what it holds is known without reading it. */
  sealed(entry: ImageEntry): void {
    const identity = this.#drafts.get(entry.id);
    if (identity === undefined) return;
    this.#drafts.delete(entry.id);
    this.#known.set(entry.id, { entry, identity });
  }

  /** What a draft is of; undefined once it is sealed or given up. */
  draftOf(id: string): ImageIdentity | undefined {
    return this.#drafts.get(id);
  }

  /** It was given up. */
  abandoned(id: string): void {
    this.#drafts.delete(id);
    this.#known.delete(id);
  }

  /** Forgets images that are gone. */
  keep(entries: readonly ImageEntry[]): void {
    const ids = new Set(entries.map(({ id }) => id));
    for (const id of this.#known.keys()) if (!ids.has(id)) this.#known.delete(id);
  }

  /** Undefined for an image that cannot be read: it belongs to nobody that we know. */
  async of(entry: ImageEntry): Promise<ImageIdentity | undefined> {
    const known = this.#known.get(entry.id);
    if (known !== undefined && isSameFile(known.entry, entry)) return known.identity;
    const identity = await this.#read(entry);
    if (identity !== undefined) this.#known.set(entry.id, { entry, identity });
    return identity;
  }

  async #read(entry: ImageEntry): Promise<ImageIdentity | undefined> {
    try {
      const facts = await this.#describe?.(entry);
      if (facts === undefined) return undefined;
      const { deviceUid: uid, generation, nextTransitionId, cause } = facts;
      return { uid, generation, nextTransitionId, cause };
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      return undefined;
    }
  }
}

/** Reads what a file says of itself. */
export type DescribeImage = (file: ImageFile) => Promise<ImageFacts>;

function isSameFile(a: ImageEntry, b: ImageEntry): boolean {
  return a.facts.sizeBytes === b.facts.sizeBytes && a.facts.modifiedNs === b.facts.modifiedNs;
}
