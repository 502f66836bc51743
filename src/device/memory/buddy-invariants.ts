/** What must hold of a buddy space at any time between two calls: check_mm of the kernel's tests, and the accounting. */
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

/** What is known of a place: of a single chunk at first, then of larger and larger ones. */
const USED = 0;
const DIRTY_FREE = 1;
const CLEARED_FREE = 2;
const MIXED_FREE = 3;

/** Throws an AssertionError that names the first thing wrong. Takes a few passes over all chunks: for tests. */
export function checkBlocks(blocks: BuddyBlocks): void {
  const places = checkBoundaries(blocks);
  checkFreeTrees(blocks);
  checkMixed(blocks, places);
  checkChains(blocks);
}

/** Blocks are aligned powers of two that tile the space, and no two free buddies could be one. */
function checkBoundaries(blocks: BuddyBlocks): Uint8Array {
  const { state, links, chunkCount } = blocks;
  const places = new Uint8Array(chunkCount);
  let freeChunks = 0;
  let clearedChunks = 0;
  for (let block = 0; block < chunkCount; ) {
    const kind = state[block] & KIND_MASK;
    const order = orderOf(state[block]);
    const size = 1 << order;
    assert(state[block] !== INSIDE, `a block starts at chunk ${block}`);
    assert(order <= blocks.orderMax, `order ${order} of block ${block} is at most ${blocks.orderMax}`);
    assert(block % size === 0, `block ${block} is aligned to its size, ${size} chunks`);
    assert(block + size <= chunkCount, `block ${block} of ${size} chunks ends inside the space`);
    for (let chunk = block + 1; chunk < block + size; chunk++) {
      assert(state[chunk] === INSIDE && links[chunk] === 0, `chunk ${chunk} lies inside block ${block}`);
    }
    if (kind === FREE) {
      assert(links[block] === 0, `free block ${block} is in no chain`);
      const buddy = block ^ size;
      assert(
        buddy >= chunkCount || state[buddy] !== state[block],
        `block ${block} and its buddy are both free`,
      );
      const cleared = isCleared(state[block]);
      places.fill(cleared ? CLEARED_FREE : DIRTY_FREE, block, block + size);
      freeChunks += size;
      if (cleared) clearedChunks += size;
    }
    block += size;
  }
  assert.equal(blocks.freeChunks, freeChunks, "the free chunks add up");
  assert.equal(blocks.clearedChunks, clearedChunks, "the cleared chunks add up");
  return places;
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
    assert(tree.has(block, order), `free block ${block} is listed`);
    (tree === blocks.cleared ? cleared : dirty)[order]--;
  }
  for (let order = 0; order <= blocks.orderMax; order++) {
    assert(dirty[order] === 0 && cleared[order] === 0, `only free blocks of order ${order} are listed`);
  }
}

/** The mixed places are those a forced merge could make one block, computed here from single chunks upwards. */
function checkMixed(blocks: BuddyBlocks, chunks: Uint8Array): void {
  const counts = blocks.mixed.checkInvariants();
  let places = chunks;
  for (let order = 1; order <= blocks.orderMax; order++) {
    const halves = places;
    places = new Uint8Array(blocks.chunkCount >>> order);
    for (let place = 0; place < places.length; place++) {
      const left = halves[2 * place];
      const right = halves[2 * place + 1];
      places[place] = left === right ? left : left === USED || right === USED ? USED : MIXED_FREE;
      const mixed = places[place] === MIXED_FREE;
      assert.equal(
        blocks.mixed.has(place << order, order),
        mixed,
        `place ${place} of order ${order} is mixed`,
      );
      if (mixed) counts[order]--;
    }
  }
  assert(
    counts.every((count) => count === 0),
    "no other place is called mixed",
  );
}

/** Every allocated block is in exactly one chain, and every chain starts with a first block and ends. */
function checkChains(blocks: BuddyBlocks): void {
  const { state, chunkCount } = blocks;
  const reached = new Uint8Array(chunkCount);
  for (let block = 0; block < chunkCount; block += chunksOf(state[block])) {
    const kind = state[block] & KIND_MASK;
    if (kind !== ONLY && kind !== FIRST) continue;
    assert.equal(
      blocks.next(block) === NONE,
      kind === ONLY,
      `block ${block} is first of several, or the only one`,
    );
    reached[block]++;
    for (let next = blocks.next(block); next !== NONE; next = blocks.next(next)) {
      assert.equal(state[next] & KIND_MASK, FURTHER, `block ${next} is chained behind block ${block}`);
      assert.equal(++reached[next], 1, `block ${next} is in one chain only`);
    }
  }
  for (let block = 0; block < chunkCount; block += chunksOf(state[block])) {
    if ((state[block] & KIND_MASK) === FREE) continue;
    assert.equal(reached[block], 1, `allocated block ${block} is in a chain`);
  }
}
