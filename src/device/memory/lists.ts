/**
 * The lists of a region: its resident objects, and the order in which they would be evicted.
 *
 * There are four LRU lists by priority (drm/i915 I915_TTM_PRIO_*), least recently used first, and one list of
 * pinned objects. Every resident object that no mover holds is on exactly one list of its region. So the cost
 * of a walk depends on the region's objects, not on all objects.
 */
import assert from "node:assert/strict";
import { NONE, type ObjectTable } from "./object-table.ts";

/** Priorities, evicted from 0 upward: what may be thrown away, */
export const PRIORITY_PURGE = 0;
/** everything else, */
export const PRIORITY_HAS_PAGES = 2;
/** and what occupies a small visible window on purpose. */
export const PRIORITY_CPU_ACCESS = 3;
export const PRIORITIES = 4;
/** The list of pinned objects comes after the LRU lists. */
export const LIST_PINNED = PRIORITIES;
const LISTS = PRIORITIES + 1;

export class RegionLists {
  readonly #table: ObjectTable;
  readonly #base: number;
  readonly #heads = new Int32Array(LISTS).fill(NONE);
  readonly #tails = new Int32Array(LISTS).fill(NONE);

  constructor(table: ObjectTable, regionIndex: number) {
    this.#table = table;
    this.#base = regionIndex * LISTS;
  }

  /** First slot of a list, or NONE; the next ones follow by `table.listNext`. */
  head(list: number): number {
    return this.#heads[list];
  }

  /** Puts an object at the most recently used end of a list. */
  append(slot: number, list: number): void {
    const table = this.#table;
    assert(table.list[slot] === NONE, "an object is on one list at a time");
    const tail = this.#tails[list];
    table.list[slot] = this.#base + list;
    table.listPrev[slot] = tail;
    table.listNext[slot] = NONE;
    if (tail === NONE) this.#heads[list] = slot;
    else table.listNext[tail] = slot;
    this.#tails[list] = slot;
  }

  /** Puts an object at the least recently used end, from where a victim was taken that stays. */
  prepend(slot: number, list: number): void {
    const table = this.#table;
    assert(table.list[slot] === NONE, "an object is on one list at a time");
    const head = this.#heads[list];
    table.list[slot] = this.#base + list;
    table.listPrev[slot] = NONE;
    table.listNext[slot] = head;
    if (head === NONE) this.#tails[list] = slot;
    else table.listPrev[head] = slot;
    this.#heads[list] = slot;
  }

  remove(slot: number): void {
    const table = this.#table;
    const list = table.list[slot] - this.#base;
    assert(list >= 0 && list < LISTS, "an object is taken off the list that it is on");
    const prev = table.listPrev[slot];
    const next = table.listNext[slot];
    if (prev === NONE) this.#heads[list] = next;
    else table.listNext[prev] = next;
    if (next === NONE) this.#tails[list] = prev;
    else table.listPrev[next] = prev;
    table.list[slot] = NONE;
    table.listPrev[slot] = NONE;
    table.listNext[slot] = NONE;
  }

  /**
   * Yields every slot on the region's lists: LRU by priority, then pinned. The lists must not change
   * meanwhile.
   */
  *all(): Generator<number> {
    for (let list = 0; list < LISTS; list++) {
      for (let slot = this.#heads[list]; slot !== NONE; slot = this.#table.listNext[slot]) yield slot;
    }
  }
}
