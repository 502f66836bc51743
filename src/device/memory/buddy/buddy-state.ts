/**
 * The facts about a chunk in one byte: the order of the block that starts there plus one, whether the block
 * is all zero, and its owner. A chunk inside a block has zero, so a new space needs no filling.
 */

const ORDER_FIELD = 0x1f;

/** No block starts here. */
export const INSIDE = 0x00;
/** The block is known to be zero; an allocated block was zero when it was taken. */
const CLEARED = 0x20;

export const KIND_MASK = 0xc0;
export const FREE = 0x00;
/**
 * The only block of an allocation, whose chunk is the handle. It has its own kind, so that nobody reads its
 * link.
 */
export const ONLY = 0x40;
/** The first of several blocks of an allocation: its chunk is the handle. */
export const FIRST = 0x80;
/** Any further block of an allocation. */
export const FURTHER = 0xc0;

/** The state of the first chunk of a block. */
export function stateOf(kind: number, order: number, cleared: boolean): number {
  return kind | (order + 1) | (cleared ? CLEARED : 0);
}

export function isCleared(state: number): boolean {
  return (state & CLEARED) !== 0;
}

/** Order of the block; not for INSIDE. */
export function orderOf(state: number): number {
  return (state & ORDER_FIELD) - 1;
}

/** Chunks in the block; not for INSIDE. */
export function chunksOf(state: number): number {
  return 1 << orderOf(state);
}
