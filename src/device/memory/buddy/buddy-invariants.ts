/**
 * The invariants of a buddy space between two calls: check_mm of the kernel's tests, and the accounting. They
 * are checked after every step of every simulation, so sentences are made only when something is wrong.
 */
import assert from "node:assert/strict";
import type { BuddyBlocks } from "./buddy-blocks.ts";
import { NONE } from "./buddy-free-map.ts";
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
} from "./buddy-state.ts";

/** The composition of a place. */
const USED = 0;
const DIRTY_FREE = 1;
const CLEARED_FREE = 2;
const MIXED_FREE = 3;

/** By chunk: how often a chain came by. Kept from walk to walk, of which tests make one after every step. */
let scratch = new Uint8Array(0);

/** Throws an AssertionError that names the first fault. Makes a few passes over all chunks, for tests. */
export function checkBlocks(blocks: BuddyBlocks): void {
  checkBoundaries(blocks);
  checkFreeTrees(blocks);
  checkMixed(blocks);
  checkChains(blocks);
}

/** Blocks are aligned powers of two that tile the space, and no two free buddies could be one. */
function checkBoundaries(blocks: BuddyBlocks): void {
  const { state, links, chunkCount } = blocks;
  let freeChunks = 0;
  let clearedChunks = 0;
  for (let block = 0; block < chunkCount; ) {
    const kind = state[block] & KIND_MASK;
    const order = orderOf(state[block]);
    const size = 1 << order;
    if (state[block] === INSIDE) assert.fail(`no block starts at chunk ${block}`);
    if (order > blocks.orderMax)
      assert.fail(`order ${order} of block ${block} is more than ${blocks.orderMax}`);
    if (block % size !== 0) assert.fail(`block ${block} is not aligned to its size, ${size} chunks`);
    if (block + size > chunkCount) assert.fail(`block ${block} of ${size} chunks ends outside the space`);
    for (let chunk = block + 1; chunk < block + size; chunk++) {
      if (state[chunk] !== INSIDE || links[chunk] !== 0)
        assert.fail(`chunk ${chunk} has a state or a link of its own inside block ${block}`);
    }
    if (kind === FREE) {
      if (links[block] !== 0) assert.fail(`free block ${block} is in a chain`);
      const buddy = block ^ size;
      if (buddy < chunkCount && state[buddy] === state[block])
        assert.fail(`block ${block} and its buddy are both free`);
      freeChunks += size;
      if (isCleared(state[block])) clearedChunks += size;
    }
    block += size;
  }
  assert.equal(blocks.freeChunks, freeChunks, "the free chunks add up");
  assert.equal(blocks.clearedChunks, clearedChunks, "the cleared chunks add up");
}

/** The trees hold the free blocks and nothing else. */
function checkFreeTrees(blocks: BuddyBlocks): void {
  const { state, chunkCount } = blocks;
  const dirty = blocks.dirty.checkInvariants();
  const cleared = blocks.cleared.checkInvariants();
  for (let block = 0; block < chunkCount; block += chunksOf(state[block])) {
    if ((state[block] & KIND_MASK) !== FREE) continue;
    const order = orderOf(state[block]);
    const tree = isCleared(state[block]) ? blocks.cleared : blocks.dirty;
    if (!tree.has(block, order)) assert.fail(`free block ${block} is not listed`);
    (tree === blocks.cleared ? cleared : dirty)[order]--;
  }
  for (let order = 0; order <= blocks.orderMax; order++) {
    if (dirty[order] !== 0 || cleared[order] !== 0)
      assert.fail(`blocks of order ${order} are listed that are not free`);
  }
}

/**
 * The mixed places are those a forced merge could make one block: wholly free, and made of more than one
 * block.
 */
function checkMixed(blocks: BuddyBlocks): void {
  const { state, chunkCount, mixed } = blocks;
  const counts = mixed.checkInvariants();
  lookAt(0, blocks.orderMax + 1);
  for (let order = 0; order <= blocks.orderMax; order++) {
    if (counts[order] !== 0)
      assert.fail(`${counts[order]} places of order ${order} are called mixed that are not`);
  }

  /** The composition of the place at `start`: that of its halves, if no single block covers it. */
  function lookAt(start: number, order: number): number {
    const end = start + (1 << order);
    const first = state[start];
    if (end <= chunkCount && orderOf(first) >= order) {
      if ((first & KIND_MASK) !== FREE) return USED;
      return isCleared(first) ? CLEARED_FREE : DIRTY_FREE;
    }
    const middle = start + (1 << (order - 1));
    const left = lookAt(start, order - 1);
    const right = middle < chunkCount ? lookAt(middle, order - 1) : USED;
    // A place that ends outside of the space does not exist.
    if (end > chunkCount || left === USED || right === USED) return USED;
    if (!mixed.has(start, order)) assert.fail(`place ${start} of order ${order} is not called mixed`);
    counts[order]--;
    return MIXED_FREE;
  }
}

/** Every allocated block is in exactly one chain, and every chain starts with a first block and ends. */
function checkChains(blocks: BuddyBlocks): void {
  const { state, chunkCount } = blocks;
  if (scratch.length < chunkCount) scratch = new Uint8Array(chunkCount);
  const reached = scratch.fill(0, 0, chunkCount);
  for (let block = 0; block < chunkCount; block += chunksOf(state[block])) {
    const kind = state[block] & KIND_MASK;
    if (kind !== ONLY && kind !== FIRST) continue;
    if ((blocks.next(block) === NONE) !== (kind === ONLY))
      assert.fail(`block ${block} is neither first of several nor the only one`);
    reached[block]++;
    for (let next = blocks.next(block); next !== NONE; next = blocks.next(next)) {
      if ((state[next] & KIND_MASK) !== FURTHER)
        assert.fail(`block ${next} is chained behind block ${block}, and does not say so`);
      if (++reached[next] !== 1) assert.fail(`block ${next} is in two chains`);
    }
  }
  for (let block = 0; block < chunkCount; block += chunksOf(state[block])) {
    if ((state[block] & KIND_MASK) === FREE) continue;
    if (reached[block] !== 1) assert.fail(`allocated block ${block} is in no chain`);
  }
}
