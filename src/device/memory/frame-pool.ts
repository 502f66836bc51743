/**
 * Memory for saved bytes, in frames of at most 64 KiB. Several devices share one pool, and several snapshots
 * share a frame whose bytes they have in common: each frame is counted, and freed with its last use.
 *
 * The operating system commits the pool on first use. What was committed once is used again and never given
 * back, as in every bank.
 */
import assert from "node:assert/strict";
import { DeviceError } from "../errors.ts";
import { formatBytes } from "../format.ts";
import { MemoryBank } from "../hardware/bank.ts";
import { PAGE_BYTES } from "../limits.ts";
import type { MachineMemory } from "../machine-memory.ts";
import { BuddyAllocator, NO_BLOCKS } from "./buddy/buddy.ts";
import { roundUp } from "./region.ts";

export interface FramePoolOptions {
  /** A multiple of 64 KiB. */
  readonly sizeBytes: number;
  readonly machine: MachineMemory;
}

export class FramePool {
  readonly sizeBytes: number;
  readonly memory: WebAssembly.Memory;
  readonly bytes: Uint8Array;
  readonly #bank: MemoryBank;
  readonly #space: BuddyAllocator;
  /** By first page of a frame: how many uses it has. */
  readonly #uses: Uint32Array;
  #recordBytes = 0;

  constructor({ sizeBytes, machine }: FramePoolOptions) {
    this.sizeBytes = sizeBytes;
    // Each device gives the pool a number of its own, so the number here means nothing.
    this.#bank = new MemoryBank(0, sizeBytes, machine);
    this.memory = this.#bank.memory;
    this.bytes = this.#bank.bytes;
    this.#space = new BuddyAllocator({ sizeBytes, chunkBytes: PAGE_BYTES });
    this.#uses = new Uint32Array(sizeBytes / PAGE_BYTES);
  }

  /** Bytes of frames in use, and of the records that were charged. */
  get usedBytes(): number {
    return this.sizeBytes - this.#space.freeBytes + this.#recordBytes;
  }

  /**
   * Takes a frame with one use. Returns its number.
   * @throws DeviceError SNAPSHOT_MEMORY_EXHAUSTED, MACHINE_MEMORY_EXHAUSTED; nothing has changed then
   */
  take(lengthBytes: number): number {
    const sizeBytes = roundUp(lengthBytes, PAGE_BYTES);
    if (this.usedBytes + sizeBytes > this.sizeBytes) throw this.#exhausted(sizeBytes);
    const frame = this.#space.allocate({ sizeBytes, minBlockBytes: PAGE_BYTES, contiguous: true });
    if (frame === NO_BLOCKS) throw this.#exhausted(sizeBytes);
    const offsetBytes = this.offsetOf(frame);
    const isBacked =
      this.#bank.isPromised(offsetBytes, sizeBytes) ||
      this.#bank.promise([{ offsetBytes, lengthBytes: sizeBytes }]);
    if (!isBacked) {
      this.#space.free(frame);
      throw new DeviceError(
        "MACHINE_MEMORY_EXHAUSTED",
        `The machine has no ${formatBytes(sizeBytes)} left for a frame of a snapshot.`,
        { sizeBytes: String(sizeBytes) },
      );
    }
    this.#uses[frame] = 1;
    return frame;
  }

  /** Adds a use. */
  share(frame: number): number {
    assert(this.#uses[frame] > 0, "only a frame in use is shared");
    this.#uses[frame]++;
    return frame;
  }

  /** Ends a use. The last one frees the frame. */
  release(frame: number): void {
    assert(this.#uses[frame] > 0, "a use ends once");
    this.#uses[frame]--;
    if (this.#uses[frame] === 0) this.#space.free(frame);
  }

  /** Where the bytes of a frame begin. */
  offsetOf(frame: number): number {
    return frame * PAGE_BYTES;
  }

  /**
   * Counts so many bytes of records, which are kept elsewhere.
   * @throws DeviceError SNAPSHOT_MEMORY_EXHAUSTED
   */
  charge(bytes: number): void {
    if (this.usedBytes + bytes > this.sizeBytes) throw this.#exhausted(bytes);
    this.#recordBytes += bytes;
  }

  /** Undoes a charge. */
  discharge(bytes: number): void {
    this.#recordBytes -= bytes;
  }

  checkInvariants(): void {
    this.#space.checkInvariants();
  }

  #exhausted(bytes: number): DeviceError {
    return new DeviceError(
      "SNAPSHOT_MEMORY_EXHAUSTED",
      `The memory for snapshots (${formatBytes(this.sizeBytes)}) is full: ${formatBytes(this.usedBytes)} ` +
        `are in use, and ${formatBytes(bytes)} more are needed. Delete a snapshot, or give it more memory.`,
      { sizeBytes: String(this.sizeBytes), usedBytes: String(this.usedBytes), neededBytes: String(bytes) },
    );
  }
}
