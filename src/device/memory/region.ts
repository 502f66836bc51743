/**
 * A region: one bank under a buddy allocator, with the lists of the objects that it holds (drm/i915
 * intel_memory_region).
 */
import type { MemoryBank } from "../hardware/bank.ts";
import type { Extent, RegionKind, RegionResource } from "../resource.ts";
import { BuddyAllocator, NO_BLOCKS } from "./buddy.ts";
import { RegionLists } from "./lists.ts";
import { NONE, type ObjectTable } from "./object-table.ts";

export interface RegionOptions {
  readonly id: string;
  readonly index: number;
  readonly kind: RegionKind;
  readonly bank: MemoryBank;
  readonly minPageBytes: number;
  readonly table: ObjectTable;
}

/** What is asked of a region when an object needs space in it. */
export interface SpaceRequest {
  readonly sizeBytes: number;
  /** A power of two; 0 is the region's page. */
  readonly alignmentBytes: number;
  readonly contiguous: boolean;
  /** Away from the visible window. */
  readonly topDown: boolean;
}

export class Region {
  readonly id: string;
  /** Position in the device's list of regions; bank and region share it. */
  readonly index: number;
  readonly kind: RegionKind;
  readonly bank: MemoryBank;
  readonly minPageBytes: number;
  readonly lists: RegionLists;
  pinnedBytes = 0;
  objectCount = 0;
  readonly #buddy: BuddyAllocator;

  constructor(options: RegionOptions) {
    this.id = options.id;
    this.index = options.index;
    this.kind = options.kind;
    this.bank = options.bank;
    this.minPageBytes = options.minPageBytes;
    this.lists = new RegionLists(options.table, options.index);
    this.#buddy = new BuddyAllocator({ sizeBytes: options.bank.sizeBytes, chunkBytes: options.minPageBytes });
  }

  get sizeBytes(): number {
    return this.bank.sizeBytes;
  }

  get freeBytes(): number {
    return this.#buddy.freeBytes;
  }

  /** Takes space. Returns its handle, or NONE when there is no room; nothing has changed then. */
  allocate(request: SpaceRequest): number {
    const sizeBytes = roundUp(request.sizeBytes, this.minPageBytes);
    if (sizeBytes > this.sizeBytes) return NONE;
    const handle = this.#buddy.allocate({
      sizeBytes,
      minBlockBytes: Math.max(this.minPageBytes, Math.min(request.alignmentBytes, sizeBytes)),
      contiguous: request.contiguous,
      topDown: request.topDown,
    });
    if (handle === NO_BLOCKS) return NONE;
    this.#buddy.forEachBlock(handle, (offsetBytes, lengthBytes) =>
      this.bank.markTouched(offsetBytes, lengthBytes),
    );
    return handle;
  }

  release(handle: number): void {
    this.#buddy.free(handle);
  }

  forEachBlock(handle: number, visit: (offsetBytes: number, lengthBytes: number) => void): void {
    this.#buddy.forEachBlock(handle, visit);
  }

  extents(handle: number): readonly Extent[] {
    return this.#buddy.extents(handle);
  }

  largestFreeBytes(): number {
    return this.#buddy.largestFreeBlockBytes();
  }

  /** Whether `sizeBytes` would fit an empty region. */
  couldEverHold(sizeBytes: number): boolean {
    return roundUp(sizeBytes, this.minPageBytes) <= this.sizeBytes;
  }

  describe(): RegionResource {
    return {
      id: this.id,
      kind: this.kind,
      sizeBytes: this.sizeBytes,
      usedBytes: this.sizeBytes - this.freeBytes,
      availableBytes: this.freeBytes,
      pinnedBytes: this.pinnedBytes,
      visibleBytes: this.sizeBytes,
      largestFreeBytes: this.largestFreeBytes(),
      objectCount: this.objectCount,
      minPageBytes: this.minPageBytes,
    };
  }

  checkInvariants(): void {
    this.#buddy.checkInvariants();
  }
}

/** `value` rounded up to a multiple of `unit`. */
export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
