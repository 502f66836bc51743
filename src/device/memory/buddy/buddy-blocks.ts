/**
 * The set of free blocks follows entirely from which chunks are free and which of those are cleared: two free
 * buddies in the same state are always merged. So undoing an allocation restores the space bit for bit.
 */
import assert from "node:assert/strict";
import { highestBit, lowestBit, NONE, roundUp } from "./buddy-free-map.ts";
import { FreeTree } from "./buddy-free-tree.ts";
import {
  chunksOf,
  FIRST,
  FREE,
  FURTHER,
  INSIDE,
  isCleared,
  KIND_MASK,
  ONLY,
  orderOf,
  stateOf,
} from "./buddy-state.ts";

/** The chunks to search, and the end from which to start. */
export interface Window {
  readonly start: number;
  readonly end: number;
  readonly topDown: boolean;
}

/** The chunks from `start` up to but not including `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A block from anywhere. */
export interface BlockWish {
  readonly order: number;
  readonly preferCleared: boolean;
}

export class BuddyBlocks {
  readonly chunkCount: number;
  readonly orderMax: number;
  readonly state: Uint8Array;
  /** The next block of the allocation plus one; zero ends the chain, and is all there is in a free block. */
  readonly links: Int32Array;
  readonly dirty: FreeTree;
  readonly cleared: FreeTree;
  /**
   * Places of every order that are wholly free but neither one dirty nor one cleared block: what a forced
   * merge could make one. The kernel searches for them when it is out of blocks; here they are known at any
   * time.
   */
  readonly mixed: FreeTree;
  freeChunks: number;
  clearedChunks = 0;

  constructor(chunkCount: number) {
    this.chunkCount = chunkCount;
    this.orderMax = highestBit(chunkCount);
    this.state = new Uint8Array(chunkCount);
    this.links = new Int32Array(chunkCount);
    this.dirty = new FreeTree(chunkCount, this.orderMax);
    this.cleared = new FreeTree(chunkCount, this.orderMax);
    this.mixed = new FreeTree(chunkCount, this.orderMax);
    this.freeChunks = chunkCount;
    // The roots: powers of two that add up to the size, largest first (gpu_buddy_init).
    this.#listPieces(0, chunkCount, false);
  }

  /** Takes a block of `order` in the window, in the preferred state if there is one. NONE without any. */
  take(order: number, preferCleared: boolean, window: Window): number {
    const size = 1 << order;
    const first = roundUp(window.start, size);
    const last = (window.end & -size) - size;
    if (last < first) return NONE;
    const preferred = preferCleared ? this.cleared : this.dirty;
    let block = window.topDown ? preferred.topFit(order, first, last) : preferred.bestFit(order, first, last);
    if (block === NONE) {
      const other = preferCleared ? this.dirty : this.cleared;
      block = window.topDown ? other.topFit(order, first, last) : other.bestFit(order, first, last);
      if (block === NONE) return NONE;
    }
    const state = this.state[block];
    const chunk = window.topDown ? Math.min(block + chunksOf(state) - size, last) : Math.max(block, first);
    this.#cut(block, chunk, order);
    this.state[chunk] = stateOf(FURTHER, order, isCleared(state));
    this.freeChunks -= size;
    if (isCleared(state)) this.clearedChunks -= size;
    return chunk;
  }

  /**
   * Takes blocks of `order` from anywhere, each as an allocation of its own, until `handles` has `endAt` of
   * them or there are none left. They are those that so many calls of `take` would find: what remains of the
   * block that one was cut from is the best fit for the next, so a large block is handed out from its start
   * on.
   */
  takeMany({ order, preferCleared }: BlockWish, handles: number[], endAt: number): void {
    const last = (this.chunkCount & -(1 << order)) - (1 << order);
    while (handles.length < endAt) {
      const preferred = preferCleared ? this.cleared : this.dirty;
      let block = preferred.bestFit(order, 0, last);
      if (block === NONE) block = (preferCleared ? this.dirty : this.cleared).bestFit(order, 0, last);
      if (block === NONE) return;
      const state = this.state[block];
      const count = Math.min(1 << (orderOf(state) - order), endAt - handles.length);
      const end = block + (count << order);
      this.#unlist(block, state);
      this.#listPieces(end, block + chunksOf(state), isCleared(state));
      const taken = stateOf(ONLY, order, isCleared(state));
      for (let chunk = block; chunk < end; chunk += 1 << order) {
        this.state[chunk] = taken;
        handles.push(chunk);
      }
      this.freeChunks -= end - block;
      if (isCleared(state)) this.clearedChunks -= end - block;
    }
  }

  /**
   * Takes all of [start, end), which is free, as an allocation of blocks in ascending order. Returns its
   * handle.
   */
  takeRange(start: number, end: number): number {
    this.seal(start, this.#takeAll(start, end));
    return start;
  }

  /**
   * Takes these ranges in order as one allocation. Returns its handle, or NONE without any change if a chunk
   * of them is taken, which includes overlapping ranges.
   */
  takeRanges(ranges: readonly Range[]): number {
    const handle = ranges[0].start;
    let tail = NONE;
    for (const { start, end } of ranges) {
      if (!this.isFree(start, end)) {
        if (tail !== NONE) this.releaseChain(handle);
        return NONE;
      }
      const last = this.#takeAll(start, end);
      if (tail !== NONE) this.link(tail, start);
      tail = last;
    }
    this.seal(handle, tail);
    return handle;
  }

  /** Chains the block at `chunk` behind the block at `tail`. */
  link(tail: number, chunk: number): void {
    this.links[tail] = chunk + 1;
  }

  /** The block behind the one at `chunk` in its allocation, or NONE. */
  next(chunk: number): number {
    return this.links[chunk] - 1;
  }

  /** Makes an allocation of the chain from `handle` to `tail`. */
  seal(handle: number, tail: number): void {
    this.state[handle] = (this.state[handle] & ~KIND_MASK) | (handle === tail ? ONLY : FIRST);
  }

  /**
   * Frees a chain, sealed or not. Without `cleared`, each block returns in the state in which it was taken.
   */
  releaseChain(first: number, cleared?: boolean): void {
    for (let chunk = first; chunk !== NONE; ) {
      const state = this.state[chunk];
      let next = NONE;
      if ((state & KIND_MASK) !== ONLY) {
        next = this.next(chunk);
        this.links[chunk] = 0;
      }
      this.#release(chunk, orderOf(state), cleared ?? isCleared(state));
      chunk = next;
    }
  }

  /** Cuts the allocated block at `chunk`, the last of its chain, to `keepChunks` (gpu_buddy_block_trim). */
  shrink(chunk: number, keepChunks: number, tailCleared?: boolean): void {
    const state = this.state[chunk];
    const end = chunk + chunksOf(state);
    const tail = this.#layPieces(chunk, chunk + keepChunks, isCleared(state));
    if ((state & KIND_MASK) === ONLY) this.seal(chunk, tail);
    for (let piece = chunk + keepChunks; piece < end; ) {
      const order = largestOrder(piece, end);
      this.#release(piece, order, tailCleared ?? isCleared(state));
      piece += 1 << order;
    }
  }

  /**
   * Makes one dirty block of a mixed place of `order` in the window and says whether there was one
   * (__force_merge). Unlike the kernel, which merges until it happens to get there, it forgets no more
   * cleared blocks than it must; it appends each to `forgotten`, chunk and order, for `recall`.
   */
  mergeMixed(order: number, window: Window, forgotten: number[]): boolean {
    const size = 1 << order;
    const first = roundUp(window.start, size);
    const last = (window.end & -size) - size;
    if (last < first || this.mixed.isEmpty) return false;
    const place = window.topDown ? this.mixed.previous(order, last) : this.mixed.next(order, first);
    if (place < first || place > last) return false;
    const from = forgotten.length;
    for (let block = place; block < place + size; block += chunksOf(this.state[block])) {
      const state = this.state[block];
      if (isCleared(state)) forgotten.push(block, orderOf(state));
    }
    for (let at = from; at < forgotten.length; at += 2) this.#forget(forgotten[at]);
    return true;
  }

  /** Undoes `mergeMixed`, once everything that was taken since is free again. */
  recall(forgotten: readonly number[]): void {
    for (let at = 0; at < forgotten.length; at += 2) {
      const [chunk, order] = [forgotten[at], forgotten[at + 1]];
      this.#cut(this.blockOf(chunk), chunk, order);
      this.freeChunks -= 1 << order;
      this.#release(chunk, order, true);
    }
  }

  /** Turns every cleared block, free or allocated, into a dirty one, so many between two pauses. */
  *forgetCleared(blocksAtOnce: number): Generator<void> {
    let done = 0;
    while (!this.cleared.isEmpty) {
      this.#forget(this.cleared.next(this.cleared.smallestOrder, 0));
      if (++done % blocksAtOnce === 0) yield;
    }
    for (let block = 0; block < this.chunkCount; block += chunksOf(this.state[block])) {
      const state = this.state[block];
      this.state[block] = stateOf(state & KIND_MASK, orderOf(state), false);
      if (++done % blocksAtOnce === 0) yield;
    }
  }

  /** The block that holds `chunk`. */
  blockOf(chunk: number): number {
    // Down the places that could hold it, smallest first: every start before that of its block lies inside
    // it.
    let block = chunk;
    while (this.state[block] === INSIDE) block &= block - 1;
    return block;
  }

  /** The end of the free blocks that follow without a gap from the block at `block`, at most `limit`. */
  freeEnd(block: number, limit: number): number {
    let end = block;
    while (end < limit && (this.state[end] & KIND_MASK) === FREE) end += chunksOf(this.state[end]);
    return Math.min(end, limit);
  }

  isFree(start: number, end: number): boolean {
    return start >= end || this.freeEnd(this.blockOf(start), end) === end;
  }

  /** Makes an unsealed chain of all of [start, end), which is free. Returns its last block. */
  #takeAll(start: number, end: number): number {
    let tail = NONE;
    for (let block = this.blockOf(start); block < end; ) {
      const state = this.state[block];
      const blockEnd = block + chunksOf(state);
      const from = Math.max(block, start);
      const to = Math.min(blockEnd, end);
      this.#unlist(block, state);
      this.#listPieces(block, from, isCleared(state));
      this.#listPieces(to, blockEnd, isCleared(state));
      if (tail !== NONE) this.link(tail, from);
      tail = this.#layPieces(from, to, isCleared(state));
      this.freeChunks -= to - from;
      if (isCleared(state)) this.clearedChunks -= to - from;
      block = blockEnd;
    }
    return tail;
  }

  /**
   * Splits the free block at `block` until the one of `order` at `chunk` stands alone, and leaves that
   * unlisted.
   */
  #cut(block: number, chunk: number, order: number): void {
    const state = this.state[block];
    this.#unlist(block, state);
    let start = block;
    for (let half = orderOf(state) - 1; half >= order; half--) {
      const middle = start + (1 << half);
      this.#list(chunk < middle ? middle : start, half, isCleared(state));
      if (chunk >= middle) start = middle;
    }
  }

  /** Frees a block and merges it while its buddy is free and in the same state (__gpu_buddy_free). */
  #release(chunk: number, order: number, cleared: boolean): void {
    const state = this.state;
    const tree = cleared ? this.cleared : this.dirty;
    this.freeChunks += 1 << order;
    if (cleared) this.clearedChunks += 1 << order;
    let block = chunk;
    let blockOrder = order;
    state[block] = INSIDE;
    for (;;) {
      // The buddy of a root lies behind the end or holds smaller roots; neither looks like a block of this
      // order.
      const buddy = block ^ (1 << blockOrder);
      if (buddy >= this.chunkCount || state[buddy] !== stateOf(FREE, blockOrder, cleared)) break;
      tree.remove(buddy, blockOrder);
      state[buddy] = INSIDE;
      block &= buddy;
      blockOrder++;
    }
    this.#list(block, blockOrder, cleared);
    if (this.clearedChunks !== 0) this.#noteMixed(block, blockOrder);
  }

  /** Makes a cleared free block dirty. */
  #forget(chunk: number): void {
    const state = this.state[chunk];
    this.#unlist(chunk, state);
    this.freeChunks -= chunksOf(state);
    this.clearedChunks -= chunksOf(state);
    this.#release(chunk, orderOf(state), false);
  }

  #list(chunk: number, order: number, cleared: boolean): void {
    this.state[chunk] = stateOf(FREE, order, cleared);
    (cleared ? this.cleared : this.dirty).add(chunk, order);
  }

  /**
   * Lists [start, end) as the fewest free blocks; none of them may have a free buddy. Nothing when it is
   * empty.
   */
  #listPieces(start: number, end: number, cleared: boolean): void {
    for (let chunk = start; chunk < end; ) {
      const order = largestOrder(chunk, end);
      this.#list(chunk, order, cleared);
      chunk += 1 << order;
    }
  }

  #unlist(chunk: number, state: number): void {
    this.state[chunk] = INSIDE;
    const order = orderOf(state);
    (isCleared(state) ? this.cleared : this.dirty).remove(chunk, order);
    // The enclosing places are no longer entirely free.
    if (this.mixed.isEmpty) return;
    for (let above = order + 1; above <= this.orderMax && this.mixed.has(chunk, above); above++) {
      this.mixed.remove(chunk, above);
    }
  }

  /** Makes a chain of the fewest allocated blocks that fill [start, end) and returns the last of them. */
  #layPieces(start: number, end: number, cleared: boolean): number {
    let tail = start;
    for (let chunk = start; chunk < end; ) {
      const order = largestOrder(chunk, end);
      // The kind of a block that is there already, and first of its allocation, is set right by `seal`.
      this.state[chunk] = stateOf(FURTHER, order, cleared);
      if (chunk !== start) this.link(tail, chunk);
      tail = chunk;
      chunk += 1 << order;
    }
    return tail;
  }

  /** Records the enclosing places of a free block that have become entirely free with it. */
  #noteMixed(chunk: number, order: number): void {
    let place = chunk;
    for (let below = order; below < this.orderMax; below++) {
      const buddy = place ^ (1 << below);
      if (buddy >= this.chunkCount) return;
      const state = this.state[buddy];
      const oneBlock = state === stateOf(FREE, below, false) || state === stateOf(FREE, below, true);
      if (!oneBlock && !this.mixed.has(buddy, below)) return;
      place &= buddy;
      this.mixed.add(place, below + 1);
    }
  }
}

/** The order of the largest block that starts at `chunk` and ends at or before `end`. */
function largestOrder(chunk: number, end: number): number {
  assert(chunk < end, "a block is at least one chunk");
  const fits = highestBit(end - chunk);
  return chunk === 0 ? fits : Math.min(fits, lowestBit(chunk));
}
