/**
 * A region: one bank under a buddy allocator, with the lists of the objects that it holds (drm/i915
 * intel_memory_region, i915_ttm_buddy_manager).
 *
 * If the CPU sees only the first part of a bank (small BAR), the region accounts separately for the use of
 * that window.
 */
import assert from "node:assert/strict";
import type { Extent } from "../extent.ts";
import type { MemoryBank } from "../hardware/bank.ts";
import { WALK_SLICE_OBJECTS } from "../limits.ts";
import type { RegionKind, RegionResource } from "../resource.ts";
import { BuddyAllocator, NO_BLOCKS } from "./buddy/buddy.ts";
import type { BuddyRequest } from "./buddy/buddy-request.ts";
import { RegionLists } from "./lists.ts";
import { NONE, type ObjectTable } from "./object-table.ts";

export interface RegionOptions {
  readonly id: string;
  readonly index: number;
  readonly kind: RegionKind;
  readonly bank: MemoryBank;
  readonly minPageBytes: number;
  /** The first bytes of the bank, which the CPU can reach. */
  readonly visibleBytes: number;
  /** Ranges that nobody ever gets. */
  readonly reserved: readonly Extent[];
  readonly table: ObjectTable;
}

/** A request for space in a region. */
export interface SpaceRequest {
  readonly sizeBytes: number;
  /** A power of two; 0 is the region's page. */
  readonly alignmentBytes: number;
  readonly contiguous: boolean;
  /** Outside the visible window if there is room. */
  readonly topDown: boolean;
  /** Inside the visible window only. */
  readonly visibleOnly: boolean;
  /** Prefers memory known to be zero. Other requests leave it to those that need it. */
  readonly preferCleared: boolean;
}

/** How many places to try if the machine has no memory behind the first. A later one may have some. */
const UNBACKED_TRIES_MAX = 64;

export class Region {
  readonly id: string;
  /** Position in the device's list of regions; bank and region share it. */
  readonly index: number;
  readonly kind: RegionKind;
  readonly bank: MemoryBank;
  readonly minPageBytes: number;
  readonly visibleBytes: number;
  readonly lists: RegionLists;
  pinnedBytes = 0;
  pinnedObjectCount = 0;
  /** Whether it has held its content since the last loss of power was made good. */
  hasPower = true;
  objectCount = 0;
  backupBytes = 0;
  /** Objects that a mover has taken off their list and whose bytes are still here. They will make room. */
  inHands = 0;
  /**
   * Allocated spaces that belong to no object yet, because their bytes are being cleared, copied or read from
   * swap. An object that arrives can leave again, so a region with arrivals is not full.
   */
  arriving = 0;
  /** How many objects have left so far. Callers that wait for room see progress by it. */
  departures = 0;
  /** How often its bank lost its power. */
  powerLosses = 0;
  /** Whether the latest search for space failed because the machine has no memory behind it. */
  shortOfMachine = false;
  readonly reservedBytes: number;
  #visibleUsedBytes = 0;
  readonly #buddy: BuddyAllocator;

  constructor(options: RegionOptions) {
    this.id = options.id;
    this.index = options.index;
    this.kind = options.kind;
    this.bank = options.bank;
    this.minPageBytes = options.minPageBytes;
    this.visibleBytes = options.visibleBytes;
    this.lists = new RegionLists(options.table, options.index);
    this.#buddy = new BuddyAllocator({ sizeBytes: options.bank.sizeBytes, chunkBytes: options.minPageBytes });
    for (const { offsetBytes, lengthBytes } of options.reserved) {
      assert(this.#buddy.reserve(offsetBytes, lengthBytes), "reserved ranges do not overlap");
      this.#visibleUsedBytes += this.#visiblePart(offsetBytes, lengthBytes);
    }
    this.reservedBytes = this.sizeBytes - this.freeBytes;
    this.#markFreeAsCleared();
  }

  get sizeBytes(): number {
    return this.bank.sizeBytes;
  }

  get freeBytes(): number {
    return this.#buddy.freeBytes;
  }

  get visibleFreeBytes(): number {
    return this.visibleBytes - this.#visibleUsedBytes;
  }

  /** Whether the CPU sees only a part of the region. */
  get hasSmallWindow(): boolean {
    return this.visibleBytes < this.sizeBytes;
  }

  /**
   * Allocates space, which counts as arriving until it is bound to an object or given up. Returns its handle,
   * or NONE without any change if there is no room.
   */
  allocate(request: SpaceRequest): number {
    const terms = this.#termsOf(request);
    return terms === undefined ? NONE : this.#noteTaken(this.#allocateBacked(terms));
  }

  /**
   * Allocates space for up to `count` equal requests and appends the handles to `handles`, the same that
   * separate calls of `allocate` would return. If there are fewer, ask `allocate` whether there is more room.
   */
  allocateMany(request: SpaceRequest, count: number, handles: number[]): void {
    const terms = this.#termsOf(request);
    if (terms === undefined) return;
    const first = handles.length;
    this.#buddy.allocateMany(terms, count, handles);
    const taken = handles.slice(first);
    if (!taken.every((handle) => this.#isPromised(handle)) && !this.bank.promise(this.#extentsOf(taken))) {
      // Some of the places may have memory of the machine already. `allocate` looks for these one by one.
      for (const handle of handles.splice(first)) this.#putBack(handle);
      return;
    }
    this.arriving += handles.length - first;
    for (let at = first; at < handles.length; ) {
      const startBytes = this.#buddy.startBytes(handles[at]);
      let endBytes = startBytes;
      // Most are adjacent.
      do endBytes += terms.sizeBytes;
      while (++at < handles.length && this.#buddy.startBytes(handles[at]) === endBytes);
      this.#noteBlock(startBytes, endBytes - startBytes);
    }
  }

  /**
   * Allocates exactly these extents as one resource. Returns its handle, or NONE without any change if a part
   * is taken. Legal for extents that are made of pages of the region.
   */
  allocateExtents(extents: readonly Extent[]): number {
    const handle = this.#buddy.allocateExtents(extents);
    this.shortOfMachine = handle !== NO_BLOCKS && !this.bank.promise(extents);
    if (!this.shortOfMachine) return this.#noteTaken(handle);
    this.#putBack(handle);
    return NONE;
  }

  /** Whether these bytes are free and whole pages of the region. */
  isFree(extent: Extent): boolean {
    return this.#buddy.isFree(extent);
  }

  /** Whether there could be room if every unpinned object left. If not, evicting does not help. */
  couldMakeRoom(request: SpaceRequest): boolean {
    const minBlockBytes = this.#minBlockBytes(request);
    const sizeBytes = roundUp(request.sizeBytes, minBlockBytes);
    if (request.visibleOnly && sizeBytes > Math.floor(this.visibleBytes / minBlockBytes) * minBlockBytes)
      return false;
    return sizeBytes <= this.sizeBytes - this.reservedBytes - this.pinnedBytes;
  }

  /** Gives up space that never became an object's. */
  giveUp(handle: number): void {
    this.arriving--;
    this.release(handle);
  }

  /** Frees the space of an object. */
  release(handle: number): void {
    this.departures++;
    const usedBytes = this.hasSmallWindow ? this.visibleBytesOf(handle) : undefined;
    const freeBytes = this.#buddy.freeBytes;
    this.#buddy.free(handle);
    this.#visibleUsedBytes -= usedBytes ?? this.#buddy.freeBytes - freeBytes;
  }

  /** Bytes of a resource that lie in the visible window. */
  visibleBytesOf(handle: number): number {
    const onlyBytes = this.#buddy.onlyBlockBytes(handle);
    if (onlyBytes > 0) return this.#visiblePart(this.#buddy.startBytes(handle), onlyBytes);
    let visible = 0;
    this.#buddy.forEachBlock(handle, (offsetBytes, lengthBytes) => {
      visible += this.#visiblePart(offsetBytes, lengthBytes);
    });
    return visible;
  }

  /** Whether the CPU can reach every byte of a resource. */
  isVisible(handle: number): boolean {
    if (!this.hasSmallWindow) return true;
    let visible = true;
    this.#buddy.forEachBlock(handle, (offsetBytes, lengthBytes) => {
      if (offsetBytes + lengthBytes > this.visibleBytes) visible = false;
    });
    return visible;
  }

  forEachBlock(
    handle: number,
    visit: (offsetBytes: number, lengthBytes: number, cleared: boolean) => void,
  ): void {
    this.#buddy.forEachBlock(handle, visit);
  }

  /** Bytes of the single block of a resource, which begins at `startBytes`; 0 if it has several blocks. */
  onlyBlockBytes(handle: number): number {
    return this.#buddy.onlyBlockBytes(handle);
  }

  /** Where the first block of a resource begins. */
  startBytes(handle: number): number {
    return this.#buddy.startBytes(handle);
  }

  extents(handle: number): readonly Extent[] {
    return this.#buddy.extents(handle);
  }

  largestFreeBytes(): number {
    return this.#buddy.largestFreeBlockBytes();
  }

  /** Whether `sizeBytes` would fit an empty region. */
  couldEverHold(sizeBytes: number): boolean {
    return roundUp(sizeBytes, this.minPageBytes) <= this.sizeBytes - this.reservedBytes;
  }

  /**
   * Call after a power loss. Free memory no longer counts as zero, and need not be destroyed again before it
   * is used. Pauses to let others run; until it ends nobody may allocate or free space.
   */
  *losePower(): Generator<void> {
    this.hasPower = false;
    this.powerLosses++;
    yield* this.#buddy.forgetCleared(WALK_SLICE_OBJECTS);
    yield* this.#buddy.visitFreeBlocks(WALK_SLICE_OBJECTS, (offsetBytes, lengthBytes) =>
      this.bank.forgetTouched(offsetBytes, lengthBytes),
    );
  }

  /** Visits the free blocks, a slice at a time, with whether each is known to be zero. */
  visitFree(visit: (offsetBytes: number, lengthBytes: number, cleared: boolean) => void): Generator<void> {
    return this.#buddy.visitFreeBlocks(WALK_SLICE_OBJECTS, visit);
  }

  /**
   * Makes a free range count as zero, or as not known to be. Where the next objects go depends on it.
   * @param zero called for the parts that have to be zeroed
   */
  setCleared(
    range: Extent,
    cleared: boolean,
    zero: (offsetBytes: number, lengthBytes: number) => void,
  ): void {
    const handle = this.#buddy.allocateExtents([range]);
    assert(handle !== NO_BLOCKS, "only free memory is cleared ahead");
    this.#buddy.forEachBlock(handle, (offsetBytes, lengthBytes, isCleared) => {
      if (cleared && !isCleared) zero(offsetBytes, lengthBytes);
    });
    this.#buddy.free(handle, { cleared });
  }

  describe(): RegionResource {
    return {
      id: this.id,
      kind: this.kind,
      sizeBytes: this.sizeBytes,
      usedBytes: this.sizeBytes - this.freeBytes,
      availableBytes: this.freeBytes,
      pinnedBytes: this.pinnedBytes,
      visibleBytes: this.visibleBytes,
      visibleAvailableBytes: this.visibleFreeBytes,
      largestFreeBytes: this.largestFreeBytes(),
      heldBytes: this.hasPower ? this.sizeBytes - this.freeBytes : 0,
      backupBytes: this.backupBytes,
      pinnedObjectCount: this.pinnedObjectCount,
      objectCount: this.objectCount,
      minPageBytes: this.minPageBytes,
    };
  }

  checkInvariants(): void {
    this.#buddy.checkInvariants();
  }

  /** Fresh banks are all zero, so nobody has to write zeroes there. */
  #markFreeAsCleared(): void {
    const free = this.#buddy.freeBytes;
    const handle = this.#buddy.allocate({ sizeBytes: free, minBlockBytes: this.minPageBytes });
    assert(handle !== NO_BLOCKS, "an empty region can be taken whole");
    this.#buddy.free(handle, { cleared: true });
  }

  /**
   * Allocates space that has memory of the machine behind it. If the machine has no more to give, free space
   * that it backed before will do. Unbacked places are held while the allocator looks for another.
   */
  #allocateBacked(terms: BuddyRequest): number {
    const withoutMemory: number[] = [];
    let handle = this.#buddy.allocate(terms);
    while (
      handle !== NO_BLOCKS &&
      !this.#isPromised(handle) &&
      !this.bank.promise(this.#extentsOf([handle]))
    ) {
      withoutMemory.push(handle);
      if (withoutMemory.length > UNBACKED_TRIES_MAX) handle = NO_BLOCKS;
      // Fresh memory is known to be zero, so a request that prefers zeroes would only get fresh memory.
      else handle = this.#buddy.allocate({ ...terms, preferCleared: false });
    }
    for (const each of withoutMemory) this.#putBack(each);
    this.shortOfMachine = withoutMemory.length > 0 && handle === NO_BLOCKS;
    return handle;
  }

  /** Whether the space is one block that the machine has backed already, as nearly always. */
  #isPromised(handle: number): boolean {
    const bytes = this.#buddy.onlyBlockBytes(handle);
    return bytes > 0 && this.bank.isPromised(this.#buddy.startBytes(handle), bytes);
  }

  *#extentsOf(handles: readonly number[]): Generator<Extent> {
    for (const handle of handles) yield* this.#buddy.extents(handle);
  }

  /** Frees space that nobody has touched. */
  #putBack(handle: number): void {
    let isCleared = true;
    this.#buddy.forEachBlock(handle, (_offsetBytes, _lengthBytes, cleared) => {
      isCleared &&= cleared;
    });
    this.#buddy.free(handle, { cleared: isCleared });
  }

  #noteTaken(handle: number): number {
    if (handle === NO_BLOCKS) return NONE;
    this.arriving++;
    const onlyBytes = this.#buddy.onlyBlockBytes(handle);
    if (onlyBytes > 0) this.#noteBlock(this.#buddy.startBytes(handle), onlyBytes);
    else
      this.#buddy.forEachBlock(handle, (offsetBytes, lengthBytes) =>
        this.#noteBlock(offsetBytes, lengthBytes),
      );
    return handle;
  }

  #noteBlock(offsetBytes: number, lengthBytes: number): void {
    assert(!this.bank.hasLost, "no memory is handed out before what it lost is overwritten");
    this.bank.markTouched(offsetBytes, lengthBytes);
    this.#visibleUsedBytes += this.#visiblePart(offsetBytes, lengthBytes);
  }

  /** The request in the allocator's terms; undefined if not even an empty space or window could meet it. */
  #termsOf(request: SpaceRequest): BuddyRequest | undefined {
    // System memory is pages behind an IOMMU, where contiguity and alignment mean nothing.
    const system = this.kind === "SYSTEM";
    const minBlockBytes = this.#minBlockBytes(request);
    const endBytes = request.visibleOnly ? this.visibleBytes : this.sizeBytes;
    const sizeBytes = roundUp(request.sizeBytes, minBlockBytes);
    // A request that not even an empty space could meet is no error here. It only finds no room.
    if (sizeBytes > endBytes || (sizeBytes === endBytes && endBytes % minBlockBytes !== 0)) return undefined;
    if (request.visibleOnly && sizeBytes > this.visibleFreeBytes) return undefined;
    const { hasSmallWindow } = this;
    const anywhere = {
      sizeBytes,
      minBlockBytes,
      contiguous: request.contiguous && !system,
      topDown: request.topDown && hasSmallWindow,
      preferCleared: request.preferCleared,
    };
    const inWindow = request.visibleOnly && hasSmallWindow;
    return inWindow ? { ...anywhere, startBytes: 0, endBytes: this.visibleBytes } : anywhere;
  }

  #minBlockBytes(request: SpaceRequest): number {
    return this.kind === "SYSTEM" ? this.minPageBytes : Math.max(this.minPageBytes, request.alignmentBytes);
  }

  #visiblePart(offsetBytes: number, lengthBytes: number): number {
    return Math.max(0, Math.min(this.visibleBytes, offsetBytes + lengthBytes) - offsetBytes);
  }
}

/** `value` rounded up to a multiple of `unit`. */
export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
