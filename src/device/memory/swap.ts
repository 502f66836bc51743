/**
 * Swap: the bytes of unpinned objects when system memory is full. The store is handed in and only moves
 * bytes. Space and checksums are kept here, so that bytes come back as they went out, or the difference is
 * noticed. A store that stops answering costs one timeout: until it answers, nothing more is asked of it.
 */
import { type Clock, settledWithin } from "../clock.ts";
import { DeviceError } from "../errors.ts";
import type { Extent } from "../extent.ts";
import { SWAP_IO_TIMEOUT_MS } from "../limits.ts";
import { BuddyAllocator, NO_BLOCKS } from "./buddy/buddy.ts";

/** Stores bytes outside of memory, by offset. The server provides a file. It may throw any error. */
export interface ByteStore {
  readonly sizeBytes: number;
  /**
   * Resolves when the bytes are stored. `bytes` may be shared memory. It does not change for
   * SWAP_IO_TIMEOUT_MS, and what is stored of it after that does not matter.
   */
  write(offsetBytes: number, bytes: Uint8Array): Promise<void>;
  /** Fills all of `bytes`. */
  read(offsetBytes: number, bytes: Uint8Array): Promise<void>;
}

/** The unit of swap space, and the range of one checksum. Bytes. */
export const SWAP_PAGE_BYTES = 64 * 1024;

/**
 * One page of an object: its bytes in the runs in which they lie in a bank, and the means to take their
 * checksum.
 */
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
  readonly #clock: Clock;
  readonly #space: BuddyAllocator;
  readonly #swapped = new Map<number, Swapped>();
  /** Whether objects may be swapped out now. The phases of a suspend forbid it, as the kernel does. */
  allowed = true;

  /** Settles when the store has answered everything that timed out; undefined while it answers in time. */
  #silence: Promise<void> | undefined;
  /**
   * The buffer for the next read; undefined while one is being read, or while the store may still write to
   * it.
   */
  #pageRoom: Uint8Array | undefined;

  constructor(store: ByteStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#space = new BuddyAllocator({ sizeBytes: store.sizeBytes, chunkBytes: SWAP_PAGE_BYTES });
  }

  get sizeBytes(): number {
    return this.#space.sizeBytes;
  }

  get freeBytes(): number {
    return this.#space.freeBytes;
  }

  /**
   * Bytes of objects that are swapped out, and of those that the store may still write although nobody waits.
   */
  get usedBytes(): number {
    return this.sizeBytes - this.freeBytes;
  }

  has(slot: number): boolean {
    return this.#swapped.has(slot);
  }

  /**
   * Writes an object's pages out. False if there is no room, or if the store has stopped answering. If the
   * store fails it throws, and nothing is stored.
   */
  async write(slot: number, sizeBytes: number, pages: Iterable<SwapPage>): Promise<boolean> {
    if (this.#silence !== undefined) return false;
    const swapped = this.#allocate(sizeBytes);
    if (swapped === undefined) return false;
    const places = placesOf(this.#space.extents(swapped.handle));
    let index = 0;
    try {
      for (const page of pages) {
        swapped.checksums[index++] = page.crc32c();
        await this.#writeAt(next(places), page);
      }
    } catch (error) {
      this.#freeWhenAnswered(swapped.handle);
      throw error;
    }
    this.#swapped.set(slot, swapped);
    return true;
  }

  /**
   * Reads an object back into its pages' new runs. @throws DeviceError CHECKSUM_MISMATCH; COPY_FAILED if the
   * store does not answer.
   */
  async read(slot: number, pages: Iterable<SwapPage>): Promise<void> {
    const swapped = this.#get(slot);
    const places = placesOf(this.#space.extents(swapped.handle));
    let index = 0;
    for (const page of pages) await this.#readAt(next(places), page, swapped.checksums[index++]);
  }

  /** Reads the page at `index` of an object that stays swapped out. @throws DeviceError CHECKSUM_MISMATCH. */
  async readPage(slot: number, index: number, page: SwapPage): Promise<void> {
    const { handle, checksums } = this.#get(slot);
    await this.#readAt(this.#offsetOf(handle, index), page, checksums[index]);
  }

  /** Reserves space for an object whose pages `writePage` will write. False if there is no room. */
  reserve(slot: number, sizeBytes: number): boolean {
    const swapped = this.#allocate(sizeBytes);
    if (swapped === undefined) return false;
    this.#swapped.set(slot, swapped);
    return true;
  }

  /**
   * Replaces the page at `index` of an object that is swapped out. If the store fails it throws, and the page
   * is lost.
   */
  async writePage(slot: number, index: number, page: SwapPage): Promise<void> {
    const { handle, checksums } = this.#get(slot);
    checksums[index] = page.crc32c();
    await this.#writeAt(this.#offsetOf(handle, index), page);
  }

  /**
   * Overwrites every stored page, as when the host loses its swap. `writePage` brings them back. Returns
   * false if the store failed; nobody reads what it still has before that.
   */
  async poison(pattern: number): Promise<boolean> {
    const page = new Uint8Array(new Uint32Array(SWAP_PAGE_BYTES / 4).fill(pattern).buffer);
    try {
      for (const { handle } of this.#swapped.values()) {
        for (const offsetBytes of placesOf(this.#space.extents(handle))) {
          await this.#inTime(() => this.#store.write(offsetBytes, page));
        }
      }
      return true;
    } catch {
      return false;
    }
  }

  /** Frees the space of an object that is back, deleted or purged. Does nothing if it is not swapped. */
  discard(slot: number): void {
    const swapped = this.#swapped.get(slot);
    if (swapped === undefined) return;
    this.#swapped.delete(slot);
    this.#space.free(swapped.handle);
  }

  checkInvariants(): void {
    this.#space.checkInvariants();
  }

  /** Waits for an access to the store for a limited time. @throws DeviceError COPY_FAILED. */
  async #inTime(access: () => Promise<void>): Promise<void> {
    if (this.#silence !== undefined) throw noAnswer();
    const accessing = access();
    if (await settledWithin(this.#clock, accessing, SWAP_IO_TIMEOUT_MS)) return;
    const silence = Promise.allSettled([this.#silence, accessing]).then(() => {
      if (this.#silence === silence) this.#silence = undefined;
    });
    this.#silence = silence;
    throw noAnswer();
  }

  /** Frees space. A late write of the store must not overwrite its next owner's bytes. */
  #freeWhenAnswered(handle: number): void {
    if (this.#silence === undefined) this.#space.free(handle);
    else void this.#silence.then(() => this.#space.free(handle));
  }

  #allocate(sizeBytes: number): Swapped | undefined {
    const pageCount = Math.ceil(sizeBytes / SWAP_PAGE_BYTES);
    const rounded = pageCount * SWAP_PAGE_BYTES;
    if (rounded > this.#space.freeBytes) return undefined;
    const handle = this.#space.allocate({ sizeBytes: rounded, minBlockBytes: SWAP_PAGE_BYTES });
    return handle === NO_BLOCKS ? undefined : { handle, checksums: new Uint32Array(pageCount) };
  }

  async #writeAt(placeBytes: number, { runs }: SwapPage): Promise<void> {
    let offsetBytes = placeBytes;
    for (const run of runs) {
      const at = offsetBytes;
      await this.#inTime(() => this.#store.write(at, run));
      offsetBytes += run.length;
    }
  }

  /** The store never sees the runs themselves, so a late read ends in a buffer that nobody uses. */
  async #readAt(placeBytes: number, page: SwapPage, checksum: number): Promise<void> {
    const lengthBytes = page.runs.reduce((sum, run) => sum + run.length, 0);
    const room = this.#pageRoom ?? new Uint8Array(SWAP_PAGE_BYTES);
    this.#pageRoom = undefined;
    const buffer = room.subarray(0, lengthBytes);
    await this.#inTime(() => this.#store.read(placeBytes, buffer));
    // It has answered, so nothing will be written into this buffer later.
    this.#pageRoom = room;
    let done = 0;
    for (const run of page.runs) {
      run.set(buffer.subarray(done, done + run.length));
      done += run.length;
    }
    if (page.crc32c() === checksum) return;
    throw new DeviceError("CHECKSUM_MISMATCH", "What was read from swap is not what was written there.");
  }

  #offsetOf(handle: number, index: number): number {
    let before = index * SWAP_PAGE_BYTES;
    for (const { offsetBytes, lengthBytes } of this.#space.extents(handle)) {
      if (before < lengthBytes) return offsetBytes + before;
      before -= lengthBytes;
    }
    throw new RangeError(`there is no page ${index}`);
  }

  #get(slot: number): Swapped {
    const swapped = this.#swapped.get(slot);
    if (swapped === undefined) throw new RangeError(`slot ${slot} is not swapped`);
    return swapped;
  }
}

function noAnswer(): DeviceError {
  return new DeviceError("COPY_FAILED", `The swap store did not answer within ${SWAP_IO_TIMEOUT_MS} ms.`, {
    timeoutMs: String(SWAP_IO_TIMEOUT_MS),
  });
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
