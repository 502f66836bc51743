/**
 * The free blocks of one kind, ordered by offset within each order: `mm->free_trees[tree]` of gpu/buddy.c,
 * linux 6.12.
 *
 * Chunks are named by their index, blocks by their first chunk. The tree does not know how long the space is
 * used or by whom; it only finds blocks.
 */
import assert from "node:assert/strict";
import { FreeMap, highestBit, lowestBit, NONE } from "./buddy-free-map.ts";

export class FreeTree {
  readonly #maps: FreeMap[] = [];
  /** Bit k is set while there is a block of order k: most searches look at one map only. */
  #orders = 0;

  constructor(chunkCount: number, orderMax: number) {
    // Rounded up: a search may name the incomplete place at the end of the space, which never holds a block.
    for (let order = 0; order <= orderMax; order++)
      this.#maps.push(new FreeMap(((chunkCount - 1) >>> order) + 1));
  }

  get isEmpty(): boolean {
    return this.#orders === 0;
  }

  /** Order of the smallest (largest) block; only while the tree is not empty. */
  get smallestOrder(): number {
    return lowestBit(this.#orders);
  }

  get largestOrder(): number {
    return highestBit(this.#orders);
  }

  /** Whether the block of `order` that holds `chunk` is in the tree. */
  has(chunk: number, order: number): boolean {
    return this.#maps[order].has(chunk >>> order);
  }

  add(chunk: number, order: number): void {
    this.#maps[order].add(chunk >>> order);
    this.#orders |= 1 << order;
  }

  remove(chunk: number, order: number): void {
    const map = this.#maps[order];
    map.remove(chunk >>> order);
    if (map.isEmpty) this.#orders &= ~(1 << order);
  }

  /** Lowest block of exactly `order` that starts or ends above chunk `from`, or NONE. */
  next(order: number, from: number): number {
    const index = this.#maps[order].lowest(from >>> order);
    return index === NONE ? NONE : index << order;
  }

  /** Highest block of exactly `order` that starts at or below chunk `to`, or NONE. */
  previous(order: number, to: number): number {
    const index = this.#maps[order].highest(to >>> order);
    return index === NONE ? NONE : index << order;
  }

  /**
   * A block to cut a block of `order` from, which starts between the chunks `first` and `last`: of those it
   * could be, the smallest, so that large blocks stay whole, and of these the lowest. NONE without one.
   */
  bestFit(order: number, first: number, last: number): number {
    for (let orders = this.#orders & (-1 << order); orders !== 0; orders &= orders - 1) {
      const found = this.next(lowestBit(orders), first);
      if (found !== NONE && found <= last) return found;
    }
    return NONE;
  }

  /** The same from the highest place of all, whatever the size of the block (get_maxblock). */
  topFit(order: number, first: number, last: number): number {
    let best = NONE;
    let bestEnd = 0;
    for (let orders = this.#orders & (-1 << order); orders !== 0; orders &= orders - 1) {
      const blockOrder = lowestBit(orders);
      const found = this.previous(blockOrder, last);
      if (found === NONE) continue;
      // Blocks are disjoint, so the one that ends highest also offers the highest place.
      const end = found + (1 << blockOrder);
      if (end > first && end > bestEnd) {
        best = found;
        bestEnd = end;
      }
    }
    return best;
  }

  /** Counts the blocks of each order and throws an AssertionError when the tree contradicts itself. */
  checkInvariants(): number[] {
    return this.#maps.map((map, order) => {
      const count = map.checkInvariants();
      if (((this.#orders & (1 << order)) !== 0) !== (count !== 0))
        assert.fail(`${count} blocks of order ${order} are announced wrongly`);
      return count;
    });
  }
}
