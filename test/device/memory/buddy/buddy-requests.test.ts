/** What the allocator refuses: requests that could never be met, handles that are none, extents that are taken. */
import { describe, expect, test } from "vitest";
import { KIB } from "../../../../src/device/limits.ts";
import { BuddyAllocator, NO_BLOCKS } from "../../../../src/device/memory/buddy/buddy.ts";

const PAGE = 4 * KIB;

describe("what can never be met", () => {
  test.each([
    [49_150, 2, "Chunk (2 KiB) is not a power of two of at least 4 KiB."],
    [49_150, 12, "Chunk (12 KiB) is not a power of two of at least 4 KiB."],
    [4095, 4, "Size (4095 bytes) is not 1 to 1073741824 chunks of 4 KiB."],
    [Number.NaN, 4, "Size (NaN bytes) is not 1 to 1073741824 chunks of 4 KiB."],
  ])("is refused: a space of %d bytes in chunks of %d KiB", (sizeBytes, chunkKiB, message) => {
    const construct = (): unknown => new BuddyAllocator({ sizeBytes, chunkBytes: chunkKiB * KIB });
    expect(construct).toThrow(new RangeError(message));
  });

  test.each([
    [0, 4, 0, 48, "Size (0 bytes) is smaller than a chunk (4 KiB)."],
    [Number.NaN, 4, 0, 48, "Size (NaN bytes) is smaller than a chunk (4 KiB)."],
    [4, 2, 0, 48, "Smallest block (2 KiB) is smaller than a chunk (4 KiB)."],
    [4, 12, 0, 48, "Smallest block (12 KiB) is not a power of two."],
    [6, 4, 0, 48, "Size (6 KiB) is not a multiple of the chunk (4 KiB)."],
    [4, 4, 2, 16, "Range (2 KiB to 16 KiB) does not start and end at a multiple of the chunk (4 KiB)."],
    [4, 4, 0, 64, "Range (0 bytes to 64 KiB) is not inside the space (48 KiB)."],
    [4, 4, -4, 48, "Range (-4 KiB to 48 KiB) is not inside the space (48 KiB)."],
    [4, 4, 8, 8, "Range (8 KiB to 8 KiB) is empty."],
    [52, 4, 0, 48, "Size (52 KiB) from offset 0 bytes on ends behind the space (48 KiB)."],
    [2 ** 50, 4, 0, 48, "Size (1048576 TiB) from offset 0 bytes on ends behind the space (48 KiB)."],
    [8, 8, 4, 12, "Range (4 KiB to 12 KiB) is not aligned to the smallest block (8 KiB)."],
    [36, 32, 0, 48, "Size (36 KiB) in blocks of at least 32 KiB is larger than the space (48 KiB)."],
  ])(
    "is refused: %d KiB in blocks of %d KiB between %d and %d KiB",
    (size, minBlock, start, end, message) => {
      const buddy = new BuddyAllocator({ sizeBytes: 48 * KIB, chunkBytes: 4 * KIB });
      const request = { sizeBytes: size * KIB, minBlockBytes: minBlock * KIB };
      const range = { startBytes: start * KIB, endBytes: end * KIB };
      expect(() => buddy.allocate({ ...request, ...range })).toThrow(new RangeError(message));
    },
  );

  test("is a handle that is none, or none any more: a bug of the caller", () => {
    const buddy = new BuddyAllocator({ sizeBytes: 16 * PAGE, chunkBytes: PAGE });
    const handle = buddy.allocate({ sizeBytes: 3 * PAGE, minBlockBytes: PAGE });
    for (const wrong of [NO_BLOCKS, handle + 1, handle + 2, 15, 16]) {
      expect(() => buddy.free(wrong)).toThrow(`no allocation starts at chunk ${wrong}`);
    }
    buddy.free(handle);
    expect(() => buddy.free(handle)).toThrow("no allocation starts at chunk 0");
  });
});

describe("exact extents", () => {
  const space = (): BuddyAllocator => new BuddyAllocator({ sizeBytes: 16 * PAGE, chunkBytes: PAGE });
  const extent = (page: number, pages: number) => ({ offsetBytes: page * PAGE, lengthBytes: pages * PAGE });

  test("are one allocation in the order asked for, which is freed as one", () => {
    const buddy = space();
    const wanted = [extent(9, 3), extent(0, 2), extent(5, 1)];
    const handle = buddy.allocateExtents(wanted);
    expect(buddy.extents(handle)).toEqual(wanted);
    expect(buddy.freeBytes).toBe(10 * PAGE);
    buddy.checkInvariants();
    buddy.free(handle);
    expect(buddy.largestFreeBlockBytes()).toBe(16 * PAGE);
    buddy.checkInvariants();
  });

  test.each([
    ["is taken", [extent(0, 2), extent(6, 4)]],
    ["overlaps another", [extent(0, 2), extent(1, 1)]],
  ])("change nothing when one %s", (_what, wanted) => {
    const buddy = space();
    const other = buddy.allocateExtents([extent(8, 1)]);
    expect(buddy.allocateExtents(wanted)).toBe(NO_BLOCKS);
    expect(buddy.freeBytes).toBe(15 * PAGE);
    buddy.checkInvariants();
    buddy.free(other);
    expect(buddy.largestFreeBlockBytes()).toBe(16 * PAGE);
  });

  test.each([
    [{ offsetBytes: 2048, lengthBytes: PAGE }],
    [{ offsetBytes: 0, lengthBytes: 0 }],
    [{ offsetBytes: -PAGE, lengthBytes: PAGE }],
    [{ offsetBytes: 15 * PAGE, lengthBytes: 2 * PAGE }],
    [{ offsetBytes: Number.NaN, lengthBytes: PAGE }],
  ])("are refused when they are not chunks of the space: %j", (wrong) => {
    const buddy = space();
    const message = `Extent of ${wrong.lengthBytes} bytes at ${wrong.offsetBytes} is not made of chunks (4 KiB) of the space (64 KiB).`;
    expect(() => buddy.allocateExtents([extent(0, 1), wrong])).toThrow(new RangeError(message));
    expect(() => buddy.allocateExtents([])).toThrow(RangeError);
    expect(buddy.isFree(wrong)).toBe(false);
    expect(buddy.freeBytes).toBe(16 * PAGE);
  });
});
