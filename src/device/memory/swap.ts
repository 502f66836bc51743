/**
 * Swap: where the bytes of unpinned objects in system memory go when it is full. The store is handed in and only
 * moves bytes; space and checksums are kept here, so that what comes back is what went out, or is known not to be.
 */
import { DeviceError } from "../errors.ts";
import type { Extent } from "../resource.ts";
import { BuddyAllocator, NO_BLOCKS } from "./buddy.ts";

/** Bytes outside of memory, by offset. The server gives a file; errors are whatever the store throws. */
export interface ByteStore {
  readonly sizeBytes: number;
  /** Resolves when the bytes are kept. `bytes` may lie in shared memory; it does not change meanwhile. */
  write(offsetBytes: number, bytes: Uint8Array): Promise<void>;
  /** Fills `bytes` whole. */
  read(offsetBytes: number, bytes: Uint8Array): Promise<void>;
}

/** The unit of swap space, and what one checksum covers. Bytes. */
export const SWAP_PAGE_BYTES = 64 * 1024;

/** One page of an object: its bytes in the runs in which they lie in a bank, and how to take their checksum. */
export interface SwapPage {
  readonly runs: readonly Uint8Array[];
  crc32c(): number;
}

interface Swapped {
  readonly handle: number;
  /** One for each page, in order. */
  readonly checksums: Uint32Array;
}

export class Swap {
  readonly #store: ByteStore;
  readonly #space: BuddyAllocator;
  readonly #swapped = new Map<number, Swapped>();
  /** Whether objects may be swapped out now; the phases of a suspend forbid it as the kernel does. */
  allowed = true;

  constructor(store: ByteStore) {
    this.#store = store;
    this.#space = new BuddyAllocator({ sizeBytes: store.sizeBytes, chunkBytes: SWAP_PAGE_BYTES });
  }

  get sizeBytes(): number {
    return this.#space.sizeBytes;
  }

  get freeBytes(): number {
    return this.#space.freeBytes;
  }

  /** Bytes of the objects that are swapped out. */
  get usedBytes(): number {
    return this.sizeBytes - this.freeBytes;
  }

  has(slot: number): boolean {
    return this.#swapped.has(slot);
  }

  /** Writes an object's pages out. False when there is no room; a store that fails throws, and nothing is kept. */
  async write(slot: number, sizeBytes: number, pages: Iterable<SwapPage>): Promise<boolean> {
    const pageCount = Math.ceil(sizeBytes / SWAP_PAGE_BYTES);
    const rounded = pageCount * SWAP_PAGE_BYTES;
    if (rounded > this.#space.freeBytes) return false;
    const handle = this.#space.allocate({ sizeBytes: rounded, minBlockBytes: SWAP_PAGE_BYTES });
    if (handle === NO_BLOCKS) return false;
    const checksums = new Uint32Array(pageCount);
    const places = placesOf(this.#space.extents(handle));
    let page = 0;
    try {
      for (const { runs, crc32c } of pages) {
        checksums[page++] = crc32c();
        let offsetBytes = next(places);
        for (const run of runs) {
          await this.#store.write(offsetBytes, run);
          offsetBytes += run.length;
        }
      }
    } catch (error) {
      this.#space.free(handle);
      throw error;
    }
    this.#swapped.set(slot, { handle, checksums });
    return true;
  }

  /** Reads an object back into its pages' new runs. @throws DeviceError CHECKSUM_MISMATCH. */
  async read(slot: number, pages: Iterable<SwapPage>): Promise<void> {
    const swapped = this.#get(slot);
    const places = placesOf(this.#space.extents(swapped.handle));
    let page = 0;
    for (const { runs, crc32c } of pages) {
      let offsetBytes = next(places);
      for (const run of runs) {
        await this.#store.read(offsetBytes, run);
        offsetBytes += run.length;
      }
      if (crc32c() !== swapped.checksums[page++]) {
        throw new DeviceError("CHECKSUM_MISMATCH", "What was read from swap is not what was written there.");
      }
    }
  }

  /** Frees the space of an object that is back, deleted or purged. No-op when it is not swapped. */
  discard(slot: number): void {
    const swapped = this.#swapped.get(slot);
    if (swapped === undefined) return;
    this.#swapped.delete(slot);
    this.#space.free(swapped.handle);
  }

  checkInvariants(): void {
    this.#space.checkInvariants();
  }

  #get(slot: number): Swapped {
    const swapped = this.#swapped.get(slot);
    if (swapped === undefined) throw new RangeError(`slot ${slot} is not swapped`);
    return swapped;
  }
}

/** The offsets of the pages of an extent list, one after the other. */
function* placesOf(extents: readonly Extent[]): Generator<number, undefined> {
  for (const { offsetBytes, lengthBytes } of extents) {
    for (let at = 0; at < lengthBytes; at += SWAP_PAGE_BYTES) yield offsetBytes + at;
  }
}

function next(places: Generator<number, undefined>): number {
  const { value } = places.next();
  if (value === undefined) throw new RangeError("there are more pages than swap space for them");
  return value;
}
