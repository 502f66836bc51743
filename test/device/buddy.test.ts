import { describe, expect, test } from "vitest";
import { GIB, KIB, MIB } from "../../src/device/limits.ts";
import { BuddyAllocator, type BuddyRequest, NO_BLOCKS } from "../../src/device/memory/buddy.ts";

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

function blocksOf(buddy: BuddyAllocator, handle: number): Block[] {
  const blocks: Block[] = [];
  buddy.forEachBlock(handle, (offset, size, cleared) => blocks.push({ offset, size, cleared }));
  return blocks;
}

function freeBlocks(buddy: BuddyAllocator): Block[] {
  const blocks: Block[] = [];
  buddy.forEachFreeBlock((offset, size, cleared) => blocks.push({ offset, size, cleared }));
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
  buddy.forgetCleared();
  buddy.checkInvariants();
  expect(buddy.freeBytes).toBe(buddy.sizeBytes);
  expect(freeBlocks(buddy)).toEqual(freeBlocks(space(buddy.sizeBytes, buddy.chunkBytes)));
}

describe("a new space", () => {
  test("is free, dirty and cut into powers of two, biggest first", () => {
    const buddy = space(13 * PAGE + 100);
    expect(buddy.sizeBytes).toBe(13 * PAGE);
    expect(buddy.freeBytes).toBe(13 * PAGE);
    expect(buddy.clearedBytes).toBe(0);
    expect(freeBlocks(buddy).map(({ size }) => size / PAGE)).toEqual([8, 4, 1]);
    expect(buddy.largestFreeBlockBytes()).toBe(8 * PAGE);
    buddy.checkInvariants();
  });

  test.each([
    [PAGE - 1, PAGE, "Size (4095 bytes) is not 1 to 1073741824 chunks of 4 KiB."],
    [Number.NaN, PAGE, "Size (NaN bytes) is not 1 to 1073741824 chunks of 4 KiB."],
    [MIB, 2 * KIB, "Chunk (2 KiB) is not a power of two of at least 4 KiB."],
    [MIB, 12 * KIB, "Chunk (12 KiB) is not a power of two of at least 4 KiB."],
  ])("of %d bytes in chunks of %d is refused", (sizeBytes, chunkBytes, message) => {
    expect(() => space(sizeBytes, chunkBytes)).toThrow(new RangeError(message));
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
    const handles: number[] = [];
    for (let pages = 1; buddy.freeBytes >= pages * PAGE; pages += 2)
      handles.push(allocate(buddy, pages * PAGE));
    expect(allocate(buddy, buddy.freeBytes + PAGE)).toBe(NO_BLOCKS);
    if (buddy.freeBytes > 0) handles.push(allocate(buddy, buddy.freeBytes));
    expect(handles).not.toContain(NO_BLOCKS);
    expect(buddy.freeBytes).toBe(0);
    freeAll(buddy, handles);
    expectPristine(buddy);
  });

  test("use few and large blocks, and one extent while the space is whole", () => {
    const buddy = space(16 * MIB);
    const handle = allocate(buddy, 7 * PAGE);
    expect(blocksOf(buddy, handle).map(({ size }) => size / PAGE)).toEqual([4, 2, 1]);
    expect(buddy.extents(handle)).toHaveLength(1);
  });

  test("are cut to the size asked for when the smallest block is larger", () => {
    const buddy = space(MIB);
    const handle = allocate(buddy, 17 * PAGE, { minBlockBytes: 16 * PAGE });
    const blocks = blocksOf(buddy, handle);
    expect(blocks.reduce((sum, { size }) => sum + size, 0)).toBe(17 * PAGE);
    for (const { offsetBytes } of buddy.extents(handle)) expect(offsetBytes % (16 * PAGE)).toBe(0);
    expect(buddy.freeBytes).toBe(MIB - 17 * PAGE);
    buddy.checkInvariants();
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
    const handle = allocate(buddy, 2 * PAGE, { topDown: true });
    expect(blocksOf(buddy, handle)[0].offset).toBe(12 * PAGE);
    const inRange = allocate(buddy, PAGE, { topDown: true, endBytes: 6 * PAGE });
    expect(blocksOf(buddy, inRange)[0].offset).toBe(5 * PAGE);
    const odd = space(65 * PAGE);
    expect(blocksOf(odd, allocate(odd, PAGE, { topDown: true }))[0].offset).toBe(64 * PAGE);
    expect(blocksOf(odd, allocate(odd, PAGE, { topDown: true }))[0].offset).toBe(63 * PAGE);
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
    expect(buddy.largestFreeBlockBytes()).toBe(PAGE);
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
    buddy.forgetCleared();
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

describe("trim", () => {
  test("keeps the start in ascending blocks and frees the end as dirty, or as cleared when told so", () => {
    for (const cleared of [false, true]) {
      const buddy = space(16 * PAGE);
      const handle = allocate(buddy, 8 * PAGE);
      buddy.trim(handle, 5 * PAGE, { cleared });
      expect(blocksOf(buddy, handle).map(({ size }) => size / PAGE)).toEqual([4, 1]);
      expect(buddy.freeBytes).toBe(11 * PAGE);
      expect(buddy.clearedBytes).toBe(cleared ? 3 * PAGE : 0);
      buddy.checkInvariants();
      buddy.free(handle);
      expectPristine(buddy);
    }
  });

  test("to the size there is changes nothing", () => {
    const buddy = space(16 * PAGE);
    const handle = allocate(buddy, 4 * PAGE);
    buddy.trim(handle, 4 * PAGE);
    expect(blocksOf(buddy, handle)).toHaveLength(1);
  });

  test("refuses several blocks, and sizes that are not within the block", () => {
    const buddy = space(16 * PAGE);
    const several = allocate(buddy, 3 * PAGE);
    expect(() => buddy.trim(several, PAGE)).toThrow(
      new RangeError("Allocation at 0 bytes has more than one block."),
    );
    const one = allocate(buddy, 4 * PAGE);
    for (const sizeBytes of [0, PAGE + 1, 5 * PAGE, -PAGE, Number.NaN]) {
      expect(() => buddy.trim(one, sizeBytes)).toThrow(
        /^New size \(.*\) is not .* within the block \(16 KiB\)\.$/,
      );
    }
    buddy.checkInvariants();
  });
});

describe("what can never be met", () => {
  const page = { sizeBytes: PAGE, minBlockBytes: PAGE };
  test.each<[BuddyRequest, string]>([
    [{ ...page, sizeBytes: 0 }, "Size (0 bytes) is smaller than a chunk (4 KiB)."],
    [{ ...page, sizeBytes: Number.NaN }, "Size (NaN bytes) is smaller than a chunk (4 KiB)."],
    [{ ...page, minBlockBytes: 2 * KIB }, "Smallest block (2 KiB) is smaller than a chunk (4 KiB)."],
    [{ ...page, minBlockBytes: 12 * KIB }, "Smallest block (12 KiB) is not a power of two."],
    [{ ...page, sizeBytes: 6 * KIB }, "Size (6 KiB) is not a multiple of the chunk (4 KiB)."],
    [
      { ...page, startBytes: 2 * KIB, endBytes: 16 * KIB },
      "Range (2 KiB to 16 KiB) does not start and end at a multiple of the chunk (4 KiB).",
    ],
    [{ ...page, endBytes: 64 * KIB }, "Range (0 bytes to 64 KiB) is not inside the space (48 KiB)."],
    [{ ...page, startBytes: -PAGE }, "Range (-4 KiB to 48 KiB) is not inside the space (48 KiB)."],
    [{ ...page, startBytes: 8 * KIB, endBytes: 8 * KIB }, "Range (8 KiB to 8 KiB) is empty."],
    [
      { ...page, sizeBytes: 52 * KIB },
      "Size (52 KiB) from offset 0 bytes on ends behind the space (48 KiB).",
    ],
    [
      { ...page, sizeBytes: 2 ** 60 },
      "Size (1048576 TiB) from offset 0 bytes on ends behind the space (48 KiB).",
    ],
    [
      { sizeBytes: 8 * KIB, minBlockBytes: 8 * KIB, startBytes: 4 * KIB, endBytes: 12 * KIB },
      "Range (4 KiB to 12 KiB) is not aligned to the smallest block (8 KiB).",
    ],
    [
      { sizeBytes: 36 * KIB, minBlockBytes: 32 * KIB },
      "Size (36 KiB) in blocks of at least 32 KiB is larger than the space (48 KiB).",
    ],
  ])("is refused: %o", (request, message) => {
    const buddy = space(12 * PAGE);
    expect(() => buddy.allocate(request)).toThrow(new RangeError(message));
    expectPristine(buddy);
  });

  test("is a handle that is none, or one no more: a bug of the caller", () => {
    const buddy = space(16 * PAGE);
    const handle = allocate(buddy, 3 * PAGE);
    for (const wrong of [NO_BLOCKS, handle + 1, handle + 2, 15, 16]) {
      expect(() => buddy.free(wrong)).toThrow(`no allocation starts at chunk ${wrong}`);
    }
    buddy.free(handle);
    expect(() => buddy.free(handle)).toThrow("no allocation starts at chunk 0");
    expect(() => buddy.extents(handle)).toThrow("no allocation starts at chunk 0");
  });
});
