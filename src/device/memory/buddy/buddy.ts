/**
 * The buddy allocator of a region: it knows which bytes of local memory are allocated (gpu/buddy.c, linux
 * 6.12).
 *
 * "Full" is an answer (NO_BLOCKS) and changes nothing. A request that could never be met is a RangeError. An
 * invalid handle is a bug of ours and an assertion. Placement is deterministic, but no address is guaranteed.
 */
import assert from "node:assert/strict";
import type { Extent } from "../../extent.ts";
import { formatBytes } from "../../format.ts";
import { PAGE_BYTES } from "../../limits.ts";
import { BuddyBlocks, type Range } from "./buddy-blocks.ts";
import { highestBit, NONE, roundUp } from "./buddy-free-map.ts";
import type { FreeTree } from "./buddy-free-tree.ts";
import { checkBlocks } from "./buddy-invariants.ts";
import { type BuddyRequest, Terms } from "./buddy-request.ts";
import { chunksOf, FIRST, FREE, isCleared, KIND_MASK, ONLY } from "./buddy-state.ts";

/** The result of `allocate` if the space, or the requested range, is full: ENOSPC. */
export const NO_BLOCKS = NONE;

/** Most chunks of a space: orders and chunk indices stay in signed 32-bit arithmetic. */
const CHUNKS_MAX = 2 ** 30;

export interface BuddyFreeOptions {
  /** The caller knows that every byte is zero. */
  readonly cleared?: boolean;
}

export class BuddyAllocator {
  readonly sizeBytes: number;
  readonly chunkBytes: number;
  readonly #blocks: BuddyBlocks;
  readonly #terms = new Terms();
  /**
   * Cleared blocks that the allocation in progress made dirty, chunk and order of each; empty between calls.
   */
  readonly #forgotten: number[] = [];

  /** Manages `sizeBytes`, rounded down to whole chunks; all of it is free and dirty (gpu_buddy_init). */
  constructor(options: { readonly sizeBytes: number; readonly chunkBytes: number }) {
    const { sizeBytes, chunkBytes } = options;
    if (chunkBytes < PAGE_BYTES || !Number.isInteger(Math.log2(chunkBytes))) {
      throw new RangeError(
        `Chunk (${formatBytes(chunkBytes)}) is not a power of two of at least ${formatBytes(PAGE_BYTES)}.`,
      );
    }
    const chunkCount = Math.floor(sizeBytes / chunkBytes);
    if (!(chunkCount >= 1 && chunkCount <= CHUNKS_MAX)) {
      throw new RangeError(
        `Size (${formatBytes(sizeBytes)}) is not 1 to ${CHUNKS_MAX} chunks of ${formatBytes(chunkBytes)}.`,
      );
    }
    this.sizeBytes = chunkCount * chunkBytes;
    this.chunkBytes = chunkBytes;
    this.#blocks = new BuddyBlocks(chunkCount);
  }

  get freeBytes(): number {
    return this.#blocks.freeChunks * this.chunkBytes;
  }

  /** Free bytes known to be zero. */
  get clearedBytes(): number {
    return this.#blocks.clearedChunks * this.chunkBytes;
  }

  /** Largest single free block; a contiguous allocation of more may still find room across two. */
  largestFreeBlockBytes(): number {
    // A place that is free but partly clear and partly dirty becomes one block when it is needed.
    const { dirty, cleared, mixed } = this.#blocks;
    const chunks = [dirty, cleared, mixed].map((tree) => (tree.isEmpty ? 0 : 2 ** tree.largestOrder));
    return Math.max(...chunks) * this.chunkBytes;
  }

  /**
   * Takes blocks of `sizeBytes` together and returns their handle, or NO_BLOCKS when there is no room; then
   * nothing has changed. Few and large blocks come first, and cleared memory is made dirty only when nothing
   * else helps. Where the kernel drops the alignment of a contiguous request and searches no range for it,
   * this does not.
   *
   * @throws RangeError for what could never be met (EINVAL).
   * @see gpu_buddy_alloc_blocks
   */
  allocate(request: BuddyRequest): number {
    const terms = this.#terms;
    terms.fill(request, this);
    if (terms.size > this.#blocks.freeChunks) return NO_BLOCKS;
    if (terms.end - terms.start === terms.size) return this.#allocateExact(terms);
    const handle = terms.contiguous ? this.#allocateContiguous(terms) : this.#allocateScattered(terms);
    if (this.#forgotten.length > 0) this.#forgotten.length = 0;
    return handle;
  }

  /**
   * Makes up to `count` allocations that are alike and appends their handles to `handles`: the very ones that
   * so many calls of `allocate` would return, at a fraction of the cost. It stops before the first that would
   * not be a single block from anywhere, so fewer says nothing of whether there is room.
   *
   * @throws RangeError for what could never be met, as `allocate` does.
   */
  allocateMany(request: BuddyRequest, count: number, handles: number[]): void {
    const terms = this.#terms;
    terms.fill(request, this);
    const { size, minOrder, topDown, preferCleared, start, end } = terms;
    const order = highestBit(size);
    const anywhere = start === 0 && end === this.#blocks.chunkCount && end !== size;
    if (size !== 1 << order || order < minOrder || topDown || !anywhere) return;
    this.#blocks.takeMany({ order, preferCleared }, handles, handles.length + count);
  }

  /**
   * Takes exactly these bytes, in this order, and returns the handle of all of them together; or NO_BLOCKS,
   * and then nothing has changed, when some are taken. What `extents` said of an allocation makes one with
   * the same extents.
   *
   * @throws RangeError for extents that are no chunks of this space, and for none at all.
   */
  allocateExtents(extents: readonly Extent[]): number {
    if (extents.length === 0) throw new RangeError("An allocation has at least one extent.");
    return this.#blocks.takeRanges(extents.map((extent) => this.#chunksIn(extent)));
  }

  /** Whether all of these bytes are chunks of the space and free. */
  isFree(extent: Extent): boolean {
    if (!this.#isWhole(extent)) return false;
    const { start, end } = this.#chunksIn(extent);
    return this.#blocks.isFree(start, end);
  }

  /** Frees all blocks of an allocation (gpu_buddy_free_list). */
  free(handle: number, options?: BuddyFreeOptions): void {
    this.#assertHandle(handle);
    this.#blocks.releaseChain(handle, options?.cleared === true);
  }

  /**
   * Frees the end of an allocation of one block; what is kept may become several, in ascending order
   * (gpu_buddy_block_trim). The freed end is dirty unless the caller knows better: it may have been written.
   *
   * @throws RangeError for several blocks, and for a size that is no number of chunks within the block.
   */
  trim(handle: number, newSizeBytes: number, options?: BuddyFreeOptions): void {
    this.#assertHandle(handle);
    const blocks = this.#blocks;
    if (blocks.next(handle) !== NONE) {
      throw new RangeError(`Allocation at ${formatBytes(handle * this.chunkBytes)} has more than one block.`);
    }
    const blockChunks = chunksOf(blocks.state[handle]);
    const keepChunks = newSizeBytes / this.chunkBytes;
    if (!Number.isInteger(keepChunks) || keepChunks < 1 || keepChunks > blockChunks) {
      const blockBytes = blockChunks * this.chunkBytes;
      throw new RangeError(
        `New size (${formatBytes(newSizeBytes)}) is not a number of chunks ` +
          `(${formatBytes(this.chunkBytes)}) within the block (${formatBytes(blockBytes)}).`,
      );
    }
    if (keepChunks < blockChunks) blocks.shrink(handle, keepChunks, options?.cleared === true);
  }

  /** Visits the blocks of an allocation in its order. `cleared`: the block was all zero when it was taken. */
  forEachBlock(
    handle: number,
    visit: (offsetBytes: number, sizeBytes: number, cleared: boolean) => void,
  ): void {
    this.#assertHandle(handle);
    for (let block = handle; block !== NONE; block = this.#blocks.next(block)) this.#visit(block, visit);
  }

  /** Bytes of the single block of an allocation, which begins at `startBytes`; 0 if it has several blocks. */
  onlyBlockBytes(handle: number): number {
    this.#assertHandle(handle);
    const state = this.#blocks.state[handle];
    return (state & KIND_MASK) === ONLY ? chunksOf(state) * this.chunkBytes : 0;
  }

  /** Where the first block of an allocation begins. */
  startBytes(handle: number): number {
    this.#assertHandle(handle);
    return handle * this.chunkBytes;
  }

  /**
   * Visits the free blocks in ascending order (gpu_buddy_print). Walks all blocks of the space, so many
   * between two pauses; until it ends nobody may allocate or free.
   */
  *visitFreeBlocks(
    blocksAtOnce: number,
    visit: (offsetBytes: number, sizeBytes: number, cleared: boolean) => void,
  ): Generator<void> {
    const { state, chunkCount } = this.#blocks;
    let met = 0;
    for (let block = 0; block < chunkCount; block += chunksOf(state[block])) {
      if ((state[block] & KIND_MASK) === FREE) this.#visit(block, visit);
      if (++met % blocksAtOnce === 0) yield;
    }
  }

  /** The bytes of an allocation in its order. Adjacent blocks count as one. */
  extents(handle: number): Extent[] {
    const extents: Extent[] = [];
    let startBytes = 0;
    let endBytes = -1;
    this.forEachBlock(handle, (offsetBytes, sizeBytes) => {
      if (offsetBytes !== endBytes) {
        if (endBytes !== -1) extents.push({ offsetBytes: startBytes, lengthBytes: endBytes - startBytes });
        startBytes = offsetBytes;
      }
      endBytes = offsetBytes + sizeBytes;
    });
    extents.push({ offsetBytes: startBytes, lengthBytes: endBytes - startBytes });
    return extents;
  }

  /** Takes exactly this range for good. Returns false if a part is taken (i915_ttm_buddy_man_reserve). */
  reserve(offsetBytes: number, sizeBytes: number): boolean {
    const range = { startBytes: offsetBytes, endBytes: offsetBytes + sizeBytes };
    // Nobody gets the handle, so nobody can free it.
    return this.allocate({ sizeBytes, minBlockBytes: this.chunkBytes, ...range }) !== NO_BLOCKS;
  }

  /**
   * After a power loss nothing counts as cleared any more, free or allocated, and blocks that only this kept
   * apart are merged (amdgpu_vram_mgr_clear_reset_blocks). Pauses after so many blocks; until it ends nobody
   * may allocate or free.
   */
  forgetCleared(blocksAtOnce: number): Generator<void> {
    return this.#blocks.forgetCleared(blocksAtOnce);
  }

  /**
   * Throws an AssertionError unless the space is in order (check_mm of the kernel's tests, and the
   * accounting).
   */
  checkInvariants(): void {
    checkBlocks(this.#blocks);
  }

  /** The range is as long as the size: that very range or nothing (__gpu_buddy_alloc_range). */
  #allocateExact(terms: Terms): number {
    if (!this.#blocks.isFree(terms.start, terms.end)) return NO_BLOCKS;
    return this.#blocks.takeRange(terms.start, terms.end);
  }

  /**
   * The largest blocks that fit into what remains, so few of them; the last is trimmed to the size asked for.
   */
  #allocateScattered(terms: Terms): number {
    const { size, minOrder } = terms;
    const blocks = this.#blocks;
    let remaining = roundUp(size, 1 << minOrder);
    const excess = remaining - size;
    if (remaining > blocks.freeChunks) return NO_BLOCKS;
    let order = blocks.orderMax;
    let handle = NONE;
    let tail = NONE;
    while (remaining > 0) {
      order = Math.min(order, highestBit(remaining));
      let block = blocks.take(order, terms.preferCleared, terms);
      while (block === NONE && order > minOrder) {
        order--;
        block = blocks.take(order, terms.preferCleared, terms);
      }
      if (block === NONE) block = this.#takeMerged(order, terms);
      if (block === NONE) {
        if (handle !== NONE) blocks.releaseChain(handle);
        blocks.recall(this.#forgotten);
        return NO_BLOCKS;
      }
      if (handle === NONE) handle = block;
      else blocks.link(tail, block);
      tail = block;
      remaining -= 1 << order;
    }
    blocks.seal(handle, tail);
    if (excess > 0) blocks.shrink(tail, (1 << order) - excess);
    return handle;
  }

  /** One block of the size rounded up to a power of two, trimmed; else adjacent blocks. */
  #allocateContiguous(terms: Terms): number {
    const { size, minOrder } = terms;
    const blocks = this.#blocks;
    const order = Math.max(size === 1 ? 0 : highestBit(size - 1) + 1, minOrder);
    let handle = NONE;
    if (order <= blocks.orderMax) {
      handle = blocks.take(order, terms.preferCleared, terms);
      if (handle === NONE) handle = this.#takeMerged(order, terms);
    }
    if (handle === NONE) return this.#allocateAcross(terms);
    blocks.seal(handle, handle);
    if (1 << order !== size) blocks.shrink(handle, size);
    return handle;
  }

  /** Called without blocks of `order`: adjacent cleared and dirty blocks become one dirty block. */
  #takeMerged(order: number, terms: Terms): number {
    if (!this.#blocks.mergeMixed(order, terms, this.#forgotten)) return NONE;
    return this.#blocks.take(order, terms.preferCleared, terms);
  }

  /**
   * No single place is large enough: a free block of half the rounded size, with free neighbours to its right
   * and left, may do (__alloc_contig_try_harder), or a larger one at the border of the range. Whether memory
   * is cleared plays no part here, and stays known.
   */
  #allocateAcross(terms: Terms): number {
    const { dirty, cleared, mixed, orderMax } = this.#blocks;
    const trees = terms.preferCleared ? [cleared, dirty, mixed] : [dirty, cleared, mixed];
    for (let order = highestBit(terms.size); order <= orderMax; order++) {
      for (const tree of trees) {
        const start = this.#findAcross(terms, tree, order);
        if (start !== NONE) return this.#blocks.takeRange(start, start + terms.size);
      }
    }
    return NO_BLOCKS;
  }

  #findAcross(terms: Terms, tree: FreeTree, order: number): number {
    const { size, minOrder } = terms;
    const blocks = this.#blocks;
    const align = 1 << minOrder;
    let block = terms.topDown ? tree.previous(order, terms.end - 1) : tree.next(order, terms.start);
    while (block !== NONE && block < terms.end && block + (1 << order) > terms.start) {
      // As far right as free memory goes, and from there as far left as the size needs.
      const leftmost = roundUp(Math.max(block, terms.start), align);
      const end = blocks.freeEnd(block, Math.min(terms.end, leftmost + size));
      const start = (end - size) & -align;
      if (start >= terms.start && blocks.isFree(start, block)) return start;
      if (terms.topDown && block === 0) return NONE;
      block = terms.topDown ? tree.previous(order, block - 1) : tree.next(order, block + (1 << order));
    }
    return NONE;
  }

  #chunksIn(extent: Extent): Range {
    const { offsetBytes, lengthBytes } = extent;
    if (this.#isWhole(extent)) {
      return { start: offsetBytes / this.chunkBytes, end: (offsetBytes + lengthBytes) / this.chunkBytes };
    }
    throw new RangeError(
      `Extent of ${lengthBytes} bytes at ${offsetBytes} is not made of chunks ` +
        `(${formatBytes(this.chunkBytes)}) of the space (${formatBytes(this.sizeBytes)}).`,
    );
  }

  #isWhole({ offsetBytes, lengthBytes }: Extent): boolean {
    const aligned = offsetBytes % this.chunkBytes === 0 && lengthBytes % this.chunkBytes === 0;
    return aligned && offsetBytes >= 0 && lengthBytes > 0 && offsetBytes + lengthBytes <= this.sizeBytes;
  }

  #visit(block: number, visit: (offsetBytes: number, sizeBytes: number, cleared: boolean) => void): void {
    const state = this.#blocks.state[block];
    visit(block * this.chunkBytes, chunksOf(state) * this.chunkBytes, isCleared(state));
  }

  #assertHandle(handle: number): void {
    const kind = this.#blocks.state[handle] & KIND_MASK;
    // The sentence contains a value, and formatting it every time would be too slow here.
    if (kind !== ONLY && kind !== FIRST) assert.fail(`no allocation starts at chunk ${handle}`);
  }
}
