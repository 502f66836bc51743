/** What the allocator promises whatever it is asked: next to a plain model, and in what it refuses. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KIB } from "../../../../src/device/limits.ts";
import { BuddyAllocator, NO_BLOCKS } from "../../../../src/device/memory/buddy/buddy.ts";
import type { BuddyRequest } from "../../../../src/device/memory/buddy/buddy-request.ts";

const PAGE = 4 * KIB;

/** A request in pages; the range is two points of the space, as fractions of it. */
interface Ask {
  readonly kind: "allocate";
  readonly pages: number;
  readonly minOrder: number;
  readonly contiguous: boolean;
  readonly topDown: boolean;
  readonly preferCleared: boolean;
  readonly range: readonly [number, number] | null;
}

type Step =
  | Ask
  | { readonly kind: "free"; readonly which: number; readonly cleared: boolean }
  | { readonly kind: "trim"; readonly which: number; readonly keep: number; readonly cleared: boolean }
  | { readonly kind: "reserve"; readonly at: number; readonly pages: number }
  | { readonly kind: "extents"; readonly extents: readonly (readonly [number, number])[] }
  | { readonly kind: "forgetCleared" };

/** Not `fc.double`, whose values are nearly all close to zero. */
const fraction = fc.nat(10_000).map((parts) => parts / 10_000);
const ask = fc.record({
  kind: fc.constant("allocate" as const),
  pages: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 40 })),
  minOrder: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 4 })),
  contiguous: fc.boolean(),
  topDown: fc.boolean(),
  preferCleared: fc.boolean(),
  range: fc.option(fc.tuple(fraction, fraction)),
});
const free = fc.record({ kind: fc.constant("free" as const), which: fc.nat(), cleared: fc.boolean() });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: ask },
  { weight: 5, arbitrary: free },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("trim" as const),
      which: fc.nat(),
      keep: fraction,
      cleared: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("reserve" as const),
      at: fraction,
      pages: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("extents" as const),
      extents: fc.array(fc.tuple(fraction, fc.integer({ min: 1, max: 4 })), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "forgetCleared" as const }) },
);

/** Everything that can be seen of the allocator; `checkInvariants` proves that the rest follows from it. */
function snapshot(buddy: BuddyAllocator, handles: Iterable<number>): unknown {
  const seen: unknown[] = [buddy.freeBytes, buddy.clearedBytes, buddy.largestFreeBlockBytes()];
  for (const _pause of buddy.visitFreeBlocks(3, (...block) => seen.push(block)));
  for (const handle of handles) buddy.forEachBlock(handle, (...block) => seen.push(block));
  return seen;
}

/** The allocator next to a plain array that says who owns each page. */
class Pair {
  readonly buddy: BuddyAllocator;
  /** Handle plus one of the owner of each page, zero when it is free. */
  readonly owner: Int32Array;
  /** Pages whose bytes would be zero. */
  readonly zero: Uint8Array;
  readonly handles: number[] = [];

  constructor(pages: number) {
    this.buddy = new BuddyAllocator({ sizeBytes: pages * PAGE, chunkBytes: PAGE });
    this.owner = new Int32Array(pages);
    this.zero = new Uint8Array(pages);
  }

  run(next: Step): void {
    if (next.kind === "allocate") this.#allocate(next);
    else if (next.kind === "reserve") this.#reserve(next.at, next.pages);
    else if (next.kind === "extents") this.#takeExtents(next.extents);
    else if (next.kind === "forgetCleared") {
      for (const _pause of this.buddy.forgetCleared(3));
      this.zero.fill(0);
      expect(this.buddy.clearedBytes).toBe(0);
    } else if (this.handles.length > 0) {
      const at = next.which % this.handles.length;
      if (next.kind === "free") this.#free(at, next.cleared);
      else this.#trim(this.handles[at], next.keep, next.cleared);
    }
    this.buddy.checkInvariants();
    expect(this.buddy.freeBytes / PAGE).toBe(this.owner.filter((owner) => owner === 0).length);
  }

  freeAll(): void {
    while (this.handles.length > 0) this.#free(0, this.handles.length % 2 === 0);
  }

  #allocate(wanted: Ask): void {
    const pages = Math.min(wanted.pages, this.owner.length);
    const [start, end] = this.#range(wanted);
    const minPages = 2 ** wanted.minOrder;
    const request: BuddyRequest = {
      sizeBytes: pages * PAGE,
      minBlockBytes: minPages * PAGE,
      startBytes: start * PAGE,
      endBytes: end * PAGE,
      contiguous: wanted.contiguous,
      topDown: wanted.topDown,
      preferCleared: wanted.preferCleared,
    };
    const before = snapshot(this.buddy, this.handles);
    let handle: number;
    try {
      handle = this.buddy.allocate(request);
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
      handle = NO_BLOCKS;
    }
    if (handle === NO_BLOCKS) {
      expect(snapshot(this.buddy, this.handles), "a failed allocation changes nothing").toEqual(before);
      expect(this.#couldServe(wanted, pages, [start, end]), JSON.stringify(request)).toBe(false);
      return;
    }
    const isExact = start + pages === end;
    this.#own(handle, pages, [start, end]);
    const extents = this.buddy.extents(handle);
    if (wanted.contiguous || isExact) expect(extents).toHaveLength(1);
    for (const { offsetBytes } of extents) expect((offsetBytes / PAGE) % minPages).toBe(0);
    this.handles.push(handle);
  }

  /** Invariant 56: what was given was free, lies in the range and adds up; and what is called cleared is zero. */
  #own(handle: number, pages: number, [start, end]: readonly [number, number]): void {
    let sum = 0;
    this.buddy.forEachBlock(handle, (offsetBytes, sizeBytes, cleared) => {
      const [from, to] = [offsetBytes / PAGE, (offsetBytes + sizeBytes) / PAGE];
      expect(from >= start && to <= end, `block ${from} to ${to} in range ${start} to ${end}`).toBe(true);
      for (let page = from; page < to; page++) {
        expect(this.owner[page], `owner of page ${page}`).toBe(0);
        if (cleared) expect(this.zero[page], `page ${page} is zero`).toBe(1);
        this.owner[page] = handle + 1;
      }
      sum += to - from;
    });
    expect(sum).toBe(pages);
  }

  #free(at: number, cleared: boolean): void {
    const [handle] = this.handles.splice(at, 1);
    this.buddy.free(handle, { cleared });
    this.#disown(handle, 0, cleared);
  }

  #trim(handle: number, keep: number, cleared: boolean): void {
    const blocks: number[] = [];
    this.buddy.forEachBlock(handle, (_, sizeBytes) => blocks.push(sizeBytes / PAGE));
    const keepPages = Math.max(1, Math.ceil(keep * blocks[0]));
    if (blocks.length > 1) {
      expect(() => this.buddy.trim(handle, keepPages * PAGE)).toThrow(RangeError);
      return;
    }
    this.buddy.trim(handle, keepPages * PAGE, { cleared });
    this.#disown(handle, handle + keepPages, cleared);
  }

  #reserve(at: number, wantedPages: number): void {
    const pages = Math.min(wantedPages, this.owner.length);
    const start = Math.floor(at * (this.owner.length - pages));
    const wasFree = this.#isFree(start, start + pages);
    expect(this.buddy.reserve(start * PAGE, pages * PAGE)).toBe(wasFree);
    if (wasFree) this.owner.fill(-1, start, start + pages);
  }

  /** These very pages in this order, or nothing; and what there is of an allocation says how to make it again. */
  #takeExtents(wanted: readonly (readonly [number, number])[]): void {
    const extents = wanted.map(([at, most]) => {
      const pages = Math.min(most, this.owner.length);
      return { start: Math.floor(at * (this.owner.length - pages)), pages };
    });
    const asked = extents.flatMap(({ start, pages }) => Array.from({ length: pages }, (_, at) => start + at));
    const free = asked.every((page) => this.owner[page] === 0) && new Set(asked).size === asked.length;
    const before = snapshot(this.buddy, this.handles);
    const toBytes = ({ start, pages }: { start: number; pages: number }) => ({
      offsetBytes: start * PAGE,
      lengthBytes: pages * PAGE,
    });
    for (const extent of extents) {
      const { start, pages } = extent;
      expect(this.buddy.isFree(toBytes(extent))).toBe(this.#isFree(start, start + pages));
    }
    const handle = this.buddy.allocateExtents(extents.map(toBytes));
    expect(handle !== NO_BLOCKS).toBe(free);
    if (!free) {
      expect(snapshot(this.buddy, this.handles), "a failed allocation changes nothing").toEqual(before);
      return;
    }
    this.#own(handle, asked.length, [0, this.owner.length]);
    const given = this.buddy
      .extents(handle)
      .flatMap(({ offsetBytes, lengthBytes }) =>
        Array.from({ length: lengthBytes / PAGE }, (_, at) => offsetBytes / PAGE + at),
      );
    expect(given).toEqual(asked);
    this.handles.push(handle);
  }

  #disown(handle: number, fromPage: number, cleared: boolean): void {
    for (let page = fromPage; page < this.owner.length; page++) {
      if (this.owner[page] !== handle + 1) continue;
      this.owner[page] = 0;
      this.zero[page] = cleared ? 1 : 0;
    }
  }

  #range(wanted: Ask): readonly [number, number] {
    const total = this.owner.length;
    if (wanted.range === null) return [0, total];
    const [a, b] = wanted.range.map((point) => Math.floor(point * total)).sort((x, y) => x - y);
    return [a, Math.min(total, b + 1)];
  }

  #isFree(from: number, to: number): boolean {
    return from >= 0 && to <= this.owner.length && this.owner.slice(from, to).every((owner) => owner === 0);
  }

  /** Whether the reference obliges the allocator to succeed: exactly so, except for contiguous ones side by side. */
  #couldServe(wanted: Ask, pages: number, [start, end]: readonly [number, number]): boolean {
    const minPages = 2 ** wanted.minOrder;
    if (start + pages === end)
      return start % minPages === 0 && end % minPages === 0 && this.#isFree(start, end);
    const needed = wanted.contiguous
      ? Math.max(minPages, 2 ** Math.ceil(Math.log2(pages)))
      : Math.ceil(pages / minPages) * minPages;
    const place = wanted.contiguous ? needed : minPages;
    let found = 0;
    for (let at = Math.ceil(start / place) * place; at + place <= end; at += place) {
      if (this.#isFree(at, at + place)) found += place;
    }
    return found >= needed;
  }
}

function run(pages: number, steps: readonly Step[]): Pair {
  const pair = new Pair(pages);
  for (const next of steps) pair.run(next);
  return pair;
}

describe("the allocator next to a plain array of owners", () => {
  test("[invariants 56-59] [kunit:buddy_alloc_range_bias] never overlaps, leaks, leaves its range or fails in vain", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 70 }),
        fc.array(step, { maxLength: 60, size: "max" }),
        (pages, steps) => {
          const pair = run(pages, steps);
          pair.freeAll();
          for (const _pause of pair.buddy.forgetCleared(3));
          pair.buddy.checkInvariants();
          expect(pair.buddy.freeBytes / PAGE).toBe(pair.owner.filter((owner) => owner === 0).length);
        },
      ),
      { numRuns: 400 },
    );
  });

  test("gives the same addresses for the same calls", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60, size: "max" }), (steps) => {
        const [one, two] = [run(48, steps), run(48, steps)];
        expect(snapshot(one.buddy, one.handles)).toEqual(snapshot(two.buddy, two.handles));
      }),
      { numRuns: 50 },
    );
  });
});

describe("allocations that are made together", () => {
  test("are those that would have been made one by one, and leave the space as those would", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 70 }),
        fc.array(step, { maxLength: 30, size: "max" }),
        fc.array(fc.tuple(ask, fc.integer({ min: 1, max: 12 })), { minLength: 1, maxLength: 4 }),
        (pages, steps, asks) => {
          const [together, singly] = [run(pages, steps), run(pages, steps)];
          for (const [{ minOrder, contiguous, topDown, preferCleared, pages: wanted }, count] of asks) {
            const sizeBytes = Math.min(wanted, pages) * PAGE;
            const minBlockBytes = 2 ** minOrder * PAGE;
            if (Math.ceil(sizeBytes / minBlockBytes) * minBlockBytes > pages * PAGE) continue;
            const request = { sizeBytes, minBlockBytes, contiguous, topDown, preferCleared };
            if (sizeBytes === pages * PAGE && (pages * PAGE) % minBlockBytes !== 0) continue;
            const handles: number[] = [];
            together.buddy.allocateMany(request, count, handles);
            expect(handles.length).toBeLessThanOrEqual(count);
            expect(handles.map(() => singly.buddy.allocate(request))).toEqual(handles);
            together.buddy.checkInvariants();
            together.handles.push(...handles);
            singly.handles.push(...handles);
            const seen = snapshot(together.buddy, together.handles);
            expect(seen).toEqual(snapshot(singly.buddy, singly.handles));
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test("are as many as there are places of that size, and no more than asked for", () => {
    const buddy = new BuddyAllocator({ sizeBytes: 21 * PAGE, chunkBytes: PAGE });
    const handles: number[] = [];
    const four = { sizeBytes: 4 * PAGE, minBlockBytes: PAGE };
    buddy.allocateMany(four, 2, handles);
    expect(handles).toHaveLength(2);
    buddy.allocateMany(four, 10, handles);
    expect(handles).toHaveLength(5);
    expect(buddy.freeBytes).toBe(PAGE);
    buddy.checkInvariants();
  });
});

describe("a failed allocation", () => {
  test("[invariant 59] gives back the cleared memory that it had made dirty to go on", () => {
    const buddy = new BuddyAllocator({ sizeBytes: 8 * PAGE, chunkBytes: PAGE });
    const pages = Array.from({ length: 8 }, (_, page) =>
      buddy.allocate({
        sizeBytes: PAGE,
        minBlockBytes: PAGE,
        startBytes: page * PAGE,
        endBytes: (page + 1) * PAGE,
      }),
    );
    // One pair for the forced merge, and pages enough for the second block, but no two of them together.
    for (const page of [0, 4, 6]) buddy.free(pages[page], { cleared: true });
    buddy.free(pages[1]);
    const before = snapshot(buddy, []);
    expect(buddy.allocate({ sizeBytes: 4 * PAGE, minBlockBytes: 2 * PAGE })).toBe(NO_BLOCKS);
    expect(snapshot(buddy, [])).toEqual(before);
    expect(buddy.clearedBytes).toBe(3 * PAGE);
    buddy.checkInvariants();
    expect(buddy.allocate({ sizeBytes: 2 * PAGE, minBlockBytes: 2 * PAGE })).toBe(0);
    expect(buddy.clearedBytes).toBe(2 * PAGE);
  });
});

describe("trim", () => {
  test("keeps the start in ascending blocks and frees the end as dirty, or as cleared when told so", () => {
    for (const cleared of [false, true]) {
      const buddy = new BuddyAllocator({ sizeBytes: 16 * PAGE, chunkBytes: PAGE });
      const handle = buddy.allocate({ sizeBytes: 8 * PAGE, minBlockBytes: PAGE });
      buddy.trim(handle, 8 * PAGE, { cleared });
      buddy.trim(handle, 5 * PAGE, { cleared });
      const sizes: number[] = [];
      buddy.forEachBlock(handle, (_, sizeBytes) => sizes.push(sizeBytes / PAGE));
      expect(sizes).toEqual([4, 1]);
      expect(buddy.freeBytes).toBe(11 * PAGE);
      expect(buddy.clearedBytes).toBe(cleared ? 3 * PAGE : 0);
    }
  });

  test("refuses several blocks, and sizes that are not within the block", () => {
    const buddy = new BuddyAllocator({ sizeBytes: 16 * PAGE, chunkBytes: PAGE });
    const several = buddy.allocate({ sizeBytes: 3 * PAGE, minBlockBytes: PAGE });
    expect(() => buddy.trim(several, PAGE)).toThrow("Allocation at 0 bytes has more than one block.");
    const one = buddy.allocate({ sizeBytes: 4 * PAGE, minBlockBytes: PAGE });
    for (const sizeBytes of [0, PAGE + 1, 5 * PAGE, -PAGE, Number.NaN]) {
      expect(() => buddy.trim(one, sizeBytes)).toThrow(RangeError);
    }
  });
});
