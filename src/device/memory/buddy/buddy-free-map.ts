/**
 * A set of small integers as a bitmap with summary levels: bit i of a summary says that word i below is not
 * empty.
 *
 * Adding and removing touch one word in the usual case; the nearest member at or above (below) an index is
 * found in at most two words a level, so in a set of 4 Mi places in ten. It takes the part of the red-black
 * trees of gpu/buddy.c (linux 6.12), which are ordered by offset too.
 */
import assert from "node:assert/strict";

/** The answer if there is no member. */
export const NONE = -1;

const WORD_BITS = 32;

export class FreeMap {
  /** Every level in one array, members first, the single root word last. */
  readonly #words: Int32Array;
  /** Index of the first word of each level, with the end of the last level behind them. */
  readonly #bases: number[] = [0];
  readonly #rootLevel: number;
  /** No member is lower. A hint for searches: it depends on them, their answers never depend on it. */
  #floor = 0;

  /** A set of integers from 0 to `length` - 1, empty. */
  constructor(length: number) {
    assert(length >= 1 && length <= 2 ** 30, "members fit in a signed 32-bit word");
    let wordsTotal = 0;
    let words = length;
    do {
      words = Math.ceil(words / WORD_BITS);
      wordsTotal += words;
      this.#bases.push(wordsTotal);
    } while (words > 1);
    this.#rootLevel = this.#bases.length - 2;
    this.#words = new Int32Array(wordsTotal);
  }

  get isEmpty(): boolean {
    return this.#words[this.#words.length - 1] === 0;
  }

  has(index: number): boolean {
    return (this.#words[index >>> 5] & (1 << (index & 31))) !== 0;
  }

  add(index: number): void {
    if (index < this.#floor) this.#floor = index;
    const at = index >>> 5;
    const before = this.#words[at];
    this.#words[at] = before | (1 << (index & 31));
    // A word that was not empty is known to every summary above it.
    if (before === 0) this.#addToSummaries(at);
  }

  remove(index: number): void {
    const at = index >>> 5;
    const after = this.#words[at] & ~(1 << (index & 31));
    this.#words[at] = after;
    if (after === 0) this.#removeFromSummaries(at);
  }

  /** The lowest member at or above `from`, or NONE. */
  lowest(from: number): number {
    if (from > this.#floor) return this.#climb(0, from);
    // Usually the very lowest member is wanted: it is in the word of the last answer, or the root knows
    // where.
    const members = this.#words[this.#floor >>> 5];
    if (members !== 0) return (this.#floor & ~31) + lowestBit(members);
    const found = this.#climb(this.#rootLevel, 0);
    if (found !== NONE) this.#floor = found;
    return found;
  }

  /** The highest member at or below `to`, or NONE; `to` is below the length of the set. */
  highest(to: number): number {
    const words = this.#words;
    const bases = this.#bases;
    let bit = to;
    for (let level = 0; level <= this.#rootLevel; level++) {
      const members = words[bases[level] + (bit >>> 5)] & (-1 >>> (31 - (bit & 31)));
      if (members !== 0) return this.#descendHighest(level, (bit & ~31) + highestBit(members));
      bit = (bit >>> 5) - 1;
      if (bit < 0) return NONE;
    }
    return NONE;
  }

  /**
   * Counts the members and throws an AssertionError unless every summary tells the truth about the level
   * below.
   */
  checkInvariants(): number {
    const words = this.#words;
    const bases = this.#bases;
    for (let level = 1; level <= this.#rootLevel; level++) {
      let below = bases[level - 1];
      for (let at = bases[level]; at < bases[level + 1]; at++) {
        let summary = 0;
        const end = Math.min(below + WORD_BITS, bases[level]);
        for (let bit = 1; below < end; below++, bit <<= 1) if (words[below] !== 0) summary |= bit;
        if (words[at] !== summary) assert.fail(`summary ${at - bases[level]} of level ${level} is wrong`);
      }
    }
    const lowest = this.#climb(this.#rootLevel, 0);
    if (lowest !== NONE && lowest < this.#floor)
      assert.fail(`member ${lowest} is below the floor, ${this.#floor}`);
    let count = 0;
    for (let at = 0; at < bases[1]; at++) if (words[at] !== 0) count += bitCount(words[at]);
    return count;
  }

  /** The lowest member at or above bit `from` of `fromLevel`, or NONE. */
  #climb(fromLevel: number, from: number): number {
    let bit = from;
    for (let level = fromLevel; level <= this.#rootLevel; level++) {
      const at = this.#bases[level] + (bit >>> 5);
      if (at >= this.#bases[level + 1]) return NONE;
      const members = this.#words[at] & (-1 << (bit & 31));
      if (members !== 0) return this.#descendLowest(level, (bit & ~31) + lowestBit(members));
      bit = (bit >>> 5) + 1;
    }
    return NONE;
  }

  #addToSummaries(word: number): void {
    let bit = word;
    for (let level = 1; level <= this.#rootLevel; level++) {
      const at = this.#bases[level] + (bit >>> 5);
      const before = this.#words[at];
      this.#words[at] = before | (1 << (bit & 31));
      if (before !== 0) return;
      bit >>>= 5;
    }
  }

  #removeFromSummaries(word: number): void {
    let bit = word;
    for (let level = 1; level <= this.#rootLevel; level++) {
      const at = this.#bases[level] + (bit >>> 5);
      const after = this.#words[at] & ~(1 << (bit & 31));
      this.#words[at] = after;
      if (after !== 0) return;
      bit >>>= 5;
    }
  }

  #descendLowest(fromLevel: number, bit: number): number {
    let found = bit;
    for (let level = fromLevel - 1; level >= 0; level--) {
      found = (found << 5) + lowestBit(this.#words[this.#bases[level] + found]);
    }
    return found;
  }

  #descendHighest(fromLevel: number, bit: number): number {
    let found = bit;
    for (let level = fromLevel - 1; level >= 0; level--) {
      found = (found << 5) + highestBit(this.#words[this.#bases[level] + found]);
    }
    return found;
  }
}

/** Position of the lowest bit that is set in `word`, which is not zero. */
export function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}

/**
 * Position of the highest bit that is set in `word`, which is not zero: the binary logarithm, rounded down.
 */
export function highestBit(word: number): number {
  return 31 - Math.clz32(word);
}

/** How many bits are set in `word`. */
function bitCount(word: number): number {
  const pairs = word - ((word >>> 1) & 0x5555_5555);
  const fours = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

/** Rounds `value` up to a multiple of `powerOfTwo`; both are at most 2^30. */
export function roundUp(value: number, powerOfTwo: number): number {
  return (value + powerOfTwo - 1) & -powerOfTwo;
}
