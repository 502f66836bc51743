/**
 * The uid and generation of the state in each image, read from the image itself. File names and times prove
 * neither: anybody may copy a file, and clocks differ.
 */
import { DeviceError, type ImageFile, type StateId } from "../../device/mod.ts";
import type { ImageFacts } from "./image-catalogue.ts";
import type { ImageEntry } from "./image-entries.ts";

/** The state in an image, as this process wrote it or as the image says. */
export type ImageIdentity = StateId & Pick<ImageFacts, "nextTransitionId" | "cause">;

export class ImageIdentities {
  readonly #describe: ((entry: ImageEntry) => Promise<ImageFacts | undefined>) | undefined;
  /**
   * By id. A file whose id, size and change time are the same holds the same state. Renames change none of
   * these.
   */
  readonly #known = new Map<string, { readonly entry: ImageEntry; readonly identity: ImageIdentity }>();
  /** Images that are being written. */
  readonly #drafts = new Map<string, ImageIdentity>();

  constructor(describe: ((entry: ImageEntry) => Promise<ImageFacts | undefined>) | undefined) {
    this.#describe = describe;
  }

  /** An image of that state is being written. */
  begin(id: string, identity: ImageIdentity): void {
    this.#drafts.set(id, identity);
  }

  /** The image is complete, so its state is known without reading it. */
  sealed(entry: ImageEntry): void {
    const identity = this.#drafts.get(entry.id);
    if (identity === undefined) return;
    this.#drafts.delete(entry.id);
    this.#known.set(entry.id, { entry, identity });
  }

  /** The state of a draft; undefined once it is sealed or given up. */
  draftOf(id: string): ImageIdentity | undefined {
    return this.#drafts.get(id);
  }

  /** The draft was given up. */
  abandoned(id: string): void {
    this.#drafts.delete(id);
    this.#known.delete(id);
  }

  /** Forgets images that no longer exist. */
  keep(entries: readonly ImageEntry[]): void {
    const ids = new Set(entries.map(({ id }) => id));
    for (const id of this.#known.keys()) if (!ids.has(id)) this.#known.delete(id);
  }

  /** Undefined for an unreadable image, which then belongs to no known device. */
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

/** Reads the state from a file. */
export type DescribeImage = (file: ImageFile) => Promise<ImageFacts>;

function isSameFile(a: ImageEntry, b: ImageEntry): boolean {
  return a.facts.sizeBytes === b.facts.sizeBytes && a.facts.modifiedNs === b.facts.modifiedNs;
}
