import { describe, expect, test } from "vitest";
import { GIB, KIB, MIB } from "../../../../src/device/limits.ts";
import { BuddyAllocator, NO_BLOCKS } from "../../../../src/device/memory/buddy/buddy.ts";
import type { BuddyRequest } from "../../../../src/device/memory/buddy/buddy-request.ts";

const PAGE = 4 * KIB;

function space(sizeBytes: number, chunkBytes = PAGE): BuddyAllocator {
  return new BuddyAllocator({ sizeBytes, chunkBytes });
}

/** Allocates single blocks of a size, or what `more` says. */
function allocate(buddy: BuddyAllocator, sizeBytes: number, more: Partial<BuddyRequest> = {}): number {
  return buddy.allocate({ sizeBytes, minBlockBytes: PAGE, ...more });
}

/** One block of exactly this size. */
function allocateBlock(buddy: BuddyAllocator, sizeBytes: number): number {
  return buddy.allocate({ sizeBytes, minBlockBytes: sizeBytes });
}

interface Block {
  readonly offset: number;
  readonly size: number;
  readonly cleared: boolean;
}

/** The blocks of an allocation, or the free ones. */
function blocksOf(buddy: BuddyAllocator, handle?: number): Block[] {
  const blocks: Block[] = [];
  const visit = (offset: number, size: number, cleared: boolean): void =>
    void blocks.push({ offset, size, cleared });
  if (handle === undefined) for (const _pause of buddy.visitFreeBlocks(3, visit));
  else buddy.forEachBlock(handle, visit);
  return blocks;
}

/** Fills the space with pages and gives them out by turns to `lists` lists, in ascending order. */
function fillByTurns(buddy: BuddyAllocator, lists: number): number[][] {
  const result: number[][] = Array.from({ length: lists }, () => []);
  for (let page = 0; page * PAGE < buddy.sizeBytes; page++) {
    const handle = allocate(buddy, PAGE, { startBytes: page * PAGE, endBytes: (page + 1) * PAGE });
    result[page % lists].push(handle);
  }
  return result;
}

function freeAll(buddy: BuddyAllocator, handles: readonly number[], cleared = false): void {
  for (const handle of handles) buddy.free(handle, { cleared });
}

/** The end of each of the kernel's tests: nothing leaked, and the roots are whole again. */
function expectPristine(buddy: BuddyAllocator): void {
  for (const _pause of buddy.forgetCleared(3));
  buddy.checkInvariants();
  expect(buddy.freeBytes).toBe(buddy.sizeBytes);
  expect(blocksOf(buddy)).toEqual(blocksOf(space(buddy.sizeBytes, buddy.chunkBytes)));
}

describe("a new space", () => {
  test("is free, dirty and cut into powers of two, biggest first", () => {
    const buddy = space(13 * PAGE + 100);
    expect([buddy.sizeBytes, buddy.freeBytes, buddy.clearedBytes]).toEqual([13 * PAGE, 13 * PAGE, 0]);
    expect(blocksOf(buddy).map(({ size }) => size / PAGE)).toEqual([8, 4, 1]);
    expect(buddy.largestFreeBlockBytes()).toBe(8 * PAGE);
    buddy.checkInvariants();
  });
});

describe("single blocks", () => {
  test("[kunit:buddy_alloc_limit] a power-of-two space can be one block", () => {
    const buddy = space(16 * GIB);
    const handle = allocate(buddy, 16 * GIB);
    expect(blocksOf(buddy, handle)).toEqual([{ offset: 0, size: 16 * GIB, cleared: false }]);
    expect(buddy.freeBytes).toBe(0);
    expect(buddy.largestFreeBlockBytes()).toBe(0);
    buddy.free(handle);
    expect(buddy.largestFreeBlockBytes()).toBe(16 * GIB);
  });

  test("[kunit:buddy_alloc_optimistic] a space with one block of each order gives each of them out", () => {
    const buddy = space(PAGE * (2 ** 17 - 1));
    const handles = Array.from({ length: 17 }, (_, order) => allocateBlock(buddy, PAGE * 2 ** order));
    expect(handles).not.toContain(NO_BLOCKS);
    expect(allocateBlock(buddy, PAGE)).toBe(NO_BLOCKS);
    freeAll(buddy, handles);
    expectPristine(buddy);
  });

  test("[kunit:buddy_alloc_pessimistic] one of each order leaves one page, and frees make larger blocks again", () => {
    const orderMax = 16;
    const buddy = space(PAGE * 2 ** orderMax);
    const handles = Array.from({ length: orderMax }, (_, order) => allocateBlock(buddy, PAGE * 2 ** order));
    const last = allocateBlock(buddy, PAGE);
    for (let order = 0; order < orderMax; order++) {
      expect(allocateBlock(buddy, PAGE * 2 ** order)).toBe(NO_BLOCKS);
    }
    buddy.free(last);
    for (const [order, handle] of handles.entries()) {
      buddy.free(handle);
      const larger = allocateBlock(buddy, PAGE * 2 ** (order + 1));
      expect(larger).not.toBe(NO_BLOCKS);
      buddy.free(larger);
    }
    expectPristine(buddy);
  });

  test("[kunit:buddy_alloc_pathological] holes of a page in a half-full space serve no larger block", () => {
    const orderMax = 3;
    const buddy = space(PAGE * 2 ** orderMax);
    const handles: number[] = [];
    const holes: number[] = [];
    for (let top = orderMax; top > 0; top--) {
      const largest = handles.shift();
      if (largest !== undefined) buddy.free(largest);
      for (let order = top - 1; order >= 0; order--) handles.push(allocateBlock(buddy, PAGE * 2 ** order));
      holes.push(allocateBlock(buddy, PAGE));
      expect(allocateBlock(buddy, PAGE * 2 ** top)).toBe(NO_BLOCKS);
    }
    expect([...handles, ...holes]).not.toContain(NO_BLOCKS);
    freeAll(buddy, holes);
    for (let order = 1; order <= orderMax; order++) {
      expect(allocateBlock(buddy, PAGE * 2 ** order)).toBe(NO_BLOCKS);
    }
    freeAll(buddy, handles);
    expectPristine(buddy);
  });

  test("[kunit:buddy_alloc_smoke] every order fills the space to the last chunk, the rest with smaller ones", () => {
    const chunkBytes = 64 * KIB;
    const buddy = space(chunkBytes * 1813, chunkBytes);
    for (let orderFirst = 10; orderFirst >= 0; orderFirst--) {
      const handles: number[] = [];
      for (let order = orderFirst; buddy.freeBytes > 0; ) {
        const handle = allocateBlock(buddy, chunkBytes * 2 ** order);
        if (handle === NO_BLOCKS) order--;
        else handles.push(handle);
      }
      buddy.checkInvariants();
      freeAll(buddy, handles);
      expectPristine(buddy);
    }
  });
});

describe("scattered allocations", () => {
  test("[kst:igt_mock_fill] fill the space to the last page and no further", () => {
    const buddy = space(1000 * PAGE);
    const handles = Array.from({ length: 31 }, (_, i) => allocate(buddy, (2 * i + 1) * PAGE));
    expect(allocate(buddy, buddy.freeBytes + PAGE)).toBe(NO_BLOCKS);
    handles.push(allocate(buddy, buddy.freeBytes));
    expect(handles).not.toContain(NO_BLOCKS);
    expect(buddy.freeBytes).toBe(0);
    freeAll(buddy, handles);
    expectPristine(buddy);
  });

  test("report extents in the order of allocation, neighbours as one", () => {
    const buddy = space(8 * PAGE);
    const [first] = fillByTurns(buddy, 2);
    freeAll(buddy, [first[0], first[1], first[2]]);
    const scattered = allocate(buddy, 3 * PAGE);
    expect(buddy.extents(scattered)).toEqual([
      { offsetBytes: 0, lengthBytes: PAGE },
      { offsetBytes: 2 * PAGE, lengthBytes: PAGE },
      { offsetBytes: 4 * PAGE, lengthBytes: PAGE },
    ]);
  });

  test("leave the largest blocks whole: small ones come out of the smallest block that will do", () => {
    const buddy = space(13 * PAGE);
    expect(blocksOf(buddy, allocate(buddy, PAGE))[0].offset).toBe(12 * PAGE);
    expect(blocksOf(buddy, allocate(buddy, 2 * PAGE))[0].offset).toBeGreaterThanOrEqual(8 * PAGE);
    expect(buddy.largestFreeBlockBytes()).toBe(8 * PAGE);
  });

  test("from the top take the highest place, whatever block it splits", () => {
    const buddy = space(16 * PAGE);
    buddy.reserve(15 * PAGE, PAGE);
    const offsetOf = (handle: number): number => blocksOf(buddy, handle)[0].offset;
    expect(offsetOf(allocate(buddy, 2 * PAGE, { topDown: true }))).toBe(12 * PAGE);
    expect(offsetOf(allocate(buddy, PAGE, { topDown: true, endBytes: 6 * PAGE }))).toBe(5 * PAGE);
    // 32 pairs and a page: one pair more than a word of the bitmap has would be the next.
    const odd = space(65 * PAGE);
    for (const page of [64, 63, 62, 61]) {
      expect(blocksOf(odd, allocate(odd, PAGE, { topDown: true }))[0].offset).toBe(page * PAGE);
    }
  });
});

describe("contiguous allocations", () => {
  test("[kunit:buddy_alloc_contiguous] find room across blocks that are no buddies, and only where it is", () => {
    const buddy = space(16 * 3 * PAGE);
    const [left, middle, right] = fillByTurns(buddy, 3);
    const contiguous = (pages: number): number => allocate(buddy, pages * PAGE, { contiguous: true });
    expect(contiguous(3)).toBe(NO_BLOCKS);
    freeAll(buddy, middle);
    expect(contiguous(3)).toBe(NO_BLOCKS);
    expect(contiguous(2)).toBe(NO_BLOCKS);
    freeAll(buddy, right);
    expect(contiguous(3)).toBe(NO_BLOCKS);
    const two = contiguous(2);
    expect(buddy.extents(two)).toHaveLength(1);
    freeAll(buddy, left);
    const three = contiguous(3);
    expect(buddy.extents(three)).toEqual([{ offsetBytes: expect.any(Number), lengthBytes: 3 * PAGE }]);
    buddy.checkInvariants();
    freeAll(buddy, [two, three]);
    expectPristine(buddy);
  });

  test("[kst:igt_mock_contiguous] of more than a hole fail in a splintered space, and work after the frees", () => {
    const buddy = space(8 * MIB);
    const holes: number[] = [];
    const objects: number[] = [];
    for (let i = 0; i < 128; i++) (i % 2 === 0 ? objects : holes).push(allocateBlock(buddy, 64 * KIB));
    freeAll(buddy, holes);
    const all = allocate(buddy, 4 * MIB);
    expect(all).not.toBe(NO_BLOCKS);
    buddy.free(all);
    for (let sizeBytes = 4 * MIB; sizeBytes >= PAGE; sizeBytes /= 2) {
      const handle = allocate(buddy, sizeBytes, { contiguous: true });
      expect(handle === NO_BLOCKS).toBe(sizeBytes > 64 * KIB);
      if (handle !== NO_BLOCKS) buddy.free(handle);
    }
    freeAll(buddy, objects);
    expect(allocate(buddy, 8 * MIB, { contiguous: true })).not.toBe(NO_BLOCKS);
  });

  test("[kst:igt_mock_splintered_region] give back what rounding up took", () => {
    const buddy = space(12 * MIB);
    const handle = allocate(buddy, 5 * MIB + PAGE, { contiguous: true });
    expect(buddy.extents(handle)).toEqual([{ offsetBytes: 0, lengthBytes: 5 * MIB + PAGE }]);
    expect(buddy.freeBytes).toBe(7 * MIB - PAGE);
    buddy.checkInvariants();
  });

  test("of 3 GiB fit into 4 GiB with 1 GiB used at either end, as in 6.12 and unlike 6.1", () => {
    for (const usedAt of [0, 3 * GIB]) {
      const buddy = space(4 * GIB);
      buddy.reserve(usedAt, GIB);
      const handle = allocate(buddy, 3 * GIB, { contiguous: true });
      expect(buddy.extents(handle)).toEqual([{ offsetBytes: usedAt === 0 ? GIB : 0, lengthBytes: 3 * GIB }]);
    }
  });

  test("of a size no root can hold try across the roots", () => {
    const buddy = space(12 * PAGE);
    buddy.reserve(11 * PAGE, PAGE);
    const handle = allocate(buddy, 11 * PAGE, { contiguous: true });
    expect(buddy.extents(handle)).toEqual([{ offsetBytes: 0, lengthBytes: 11 * PAGE }]);
  });

  test("keep their alignment and their range where the kernel drops the one and gives up on the other", () => {
    const buddy = space(16 * PAGE);
    buddy.reserve(0, PAGE);
    const aligned = allocate(buddy, 3 * PAGE, { contiguous: true, minBlockBytes: 4 * PAGE });
    expect(buddy.extents(aligned)[0].offsetBytes % (4 * PAGE)).toBe(0);
    const range = { startBytes: 8 * PAGE, endBytes: 15 * PAGE };
    const ranged = allocate(buddy, 6 * PAGE, { contiguous: true, ...range });
    expect(buddy.extents(ranged)).toEqual([{ offsetBytes: 8 * PAGE, lengthBytes: 6 * PAGE }]);
    const border = space(8 * PAGE);
    border.reserve(7 * PAGE, PAGE);
    const across = allocate(border, 5 * PAGE, { contiguous: true, startBytes: 2 * PAGE });
    expect(border.extents(across)).toEqual([{ offsetBytes: 2 * PAGE, lengthBytes: 5 * PAGE }]);
  });
});

describe("cleared memory", () => {
  test("[kunit:buddy_alloc_clear] goes to those who ask for it, and dirty memory to the others", () => {
    const buddy = space(16 * MIB);
    buddy.free(allocate(buddy, 5 * PAGE, { topDown: true }), { cleared: true });
    expect(buddy.clearedBytes).toBe(5 * PAGE);
    const clean: number[] = [];
    const dirty: number[] = [];
    for (let i = 0; i < 5; i++) {
      dirty.push(allocate(buddy, PAGE));
      clean.push(allocate(buddy, PAGE, { preferCleared: true }));
    }
    for (const handle of clean) expect(blocksOf(buddy, handle)[0].cleared).toBe(true);
    for (const handle of dirty) expect(blocksOf(buddy, handle)[0].cleared).toBe(false);
    freeAll(buddy, clean, true);
    const mixed = allocate(buddy, 10 * PAGE, { preferCleared: true });
    expect(mixed).not.toBe(NO_BLOCKS);
    buddy.checkInvariants();
    freeAll(buddy, [mixed, ...dirty]);
    expectPristine(buddy);
  });

  test("[kunit:buddy_alloc_clear] is merged with dirty buddies when nothing else makes a block, and is dirty then", () => {
    const orderMax = 12;
    const buddy = space(PAGE * 2 ** orderMax);
    const [dirty, clean] = fillByTurns(buddy, 2);
    freeAll(buddy, clean, true);
    freeAll(buddy, dirty);
    // No block is larger than a page, but the clear and dirty ones beside each other are as good as one.
    expect(buddy.largestFreeBlockBytes()).toBe(buddy.freeBytes);
    for (let order = 1; order <= orderMax; order++) {
      const sizeBytes = PAGE * 2 ** order;
      const handle = buddy.allocate({ sizeBytes, minBlockBytes: sizeBytes, preferCleared: true });
      const blocks = blocksOf(buddy, handle);
      expect(blocks.reduce((sum, { size }) => sum + size, 0)).toBe(sizeBytes);
      if (order < orderMax) expect(blocks).toEqual([expect.objectContaining({ cleared: false })]);
      buddy.free(handle);
    }
    expectPristine(buddy);
  });

  test("[kunit:buddy_alloc_clear] leaves whole roots behind in a space of several", () => {
    for (let pages = 1; pages <= 12; pages++) {
      const buddy = space(12 * PAGE);
      buddy.free(allocate(buddy, pages * PAGE, { topDown: true }), { cleared: true });
      expect(buddy.clearedBytes).toBe(pages * PAGE);
      buddy.checkInvariants();
      expectPristine(buddy);
    }
  });

  test("is forgotten only where a forced merge needs it", () => {
    const buddy = space(16 * PAGE);
    const [dirty, clean] = fillByTurns(buddy, 2);
    freeAll(buddy, clean, true);
    freeAll(buddy, dirty);
    buddy.allocate({ sizeBytes: 4 * PAGE, minBlockBytes: 4 * PAGE });
    expect(buddy.clearedBytes).toBe(6 * PAGE);
    buddy.checkInvariants();
  });

  test("serves contiguous requests together with dirty memory, each part as it is", () => {
    const buddy = space(8 * PAGE);
    const [dirty, clean] = fillByTurns(buddy, 2);
    freeAll(buddy, dirty);
    freeAll(buddy, clean.slice(0, 3), true);
    const handle = allocate(buddy, 7 * PAGE, { contiguous: true });
    expect(buddy.extents(handle)).toEqual([{ offsetBytes: 0, lengthBytes: 7 * PAGE }]);
    const cleared = [false, true, false, true, false, true, false];
    expect(blocksOf(buddy, handle).map((block) => block.cleared)).toEqual(cleared);
  });

  test("stays cleared where rounding up took it and gave it back", () => {
    for (const contiguous of [false, true]) {
      const buddy = space(8 * PAGE);
      buddy.free(allocate(buddy, 8 * PAGE), { cleared: true });
      allocate(buddy, 3 * PAGE, { contiguous, minBlockBytes: 4 * PAGE, preferCleared: true });
      expect(buddy.clearedBytes).toBe(5 * PAGE);
      buddy.checkInvariants();
    }
  });

  test("[invariant 78] does not exist after a power loss, and blocks it kept apart are one again", () => {
    const buddy = space(16 * PAGE);
    const [first, second, third] = fillByTurns(buddy, 3);
    freeAll(buddy, [...first, ...second], true);
    freeAll(buddy, third);
    const kept = allocate(buddy, PAGE, { preferCleared: true });
    expect(blocksOf(buddy, kept)[0].cleared).toBe(true);
    for (const _pause of buddy.forgetCleared(3));
    buddy.checkInvariants();
    expect(buddy.clearedBytes).toBe(0);
    expect(blocksOf(buddy, kept)[0].cleared).toBe(false);
    expect(buddy.largestFreeBlockBytes()).toBe(8 * PAGE);
    buddy.free(kept);
    expect(buddy.largestFreeBlockBytes()).toBe(16 * PAGE);
  });
});

describe("ranges", () => {
  test("[kunit:buddy_alloc_range_bias] give dirty memory when cleared memory is preferred and there is none", () => {
    const buddy = space(8 * MIB);
    const range = { startBytes: 3 * PAGE, endBytes: 700 * PAGE };
    const handle = allocate(buddy, 300 * PAGE, { preferCleared: true, ...range });
    for (const { cleared } of blocksOf(buddy, handle)) expect(cleared).toBe(false);
  });

  test("[kst:igt_mock_reserve] that are reserved are never given out", () => {
    const buddy = space(64 * MIB);
    for (let start = MIB; start < 64 * MIB; start += 2 * MIB) expect(buddy.reserve(start, MIB)).toBe(true);
    expect(buddy.reserve(2 * MIB + PAGE, MIB)).toBe(false);
    expect(buddy.freeBytes).toBe(32 * MIB);
    const handle = allocate(buddy, 32 * MIB);
    for (const { offset, size } of blocksOf(buddy, handle)) {
      expect(Math.floor(offset / MIB) % 2).toBe(0);
      expect(Math.floor((offset + size - 1) / MIB) % 2).toBe(0);
    }
    expect(allocate(buddy, PAGE)).toBe(NO_BLOCKS);
    buddy.checkInvariants();
  });

  test("of exactly the size are that very range, in blocks of ascending order, or nothing", () => {
    const buddy = space(16 * PAGE);
    const range = { startBytes: 3 * PAGE, endBytes: 13 * PAGE };
    const handle = allocate(buddy, 10 * PAGE, range);
    expect(blocksOf(buddy, handle).map(({ offset }) => offset / PAGE)).toEqual([3, 4, 8, 12]);
    expect(buddy.extents(handle)).toEqual([{ offsetBytes: 3 * PAGE, lengthBytes: 10 * PAGE }]);
    expect(allocate(buddy, 2 * PAGE, { startBytes: 2 * PAGE, endBytes: 4 * PAGE })).toBe(NO_BLOCKS);
    buddy.checkInvariants();
    buddy.free(handle);
    expectPristine(buddy);
  });
});
