/** The bitmap in which the allocator keeps its free blocks, next to a sorted array. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FreeMap, NONE } from "../../../../src/device/memory/buddy/buddy-free-map.ts";

/** Not `fc.double`, whose values are nearly all close to zero. */
const fraction = fc.nat(10_000).map((parts) => parts / 10_000);

describe("the bitmap of free blocks", () => {
  test("finds what a sorted array finds, at every number of levels", () => {
    const lengths = fc.constantFrom(1, 31, 32, 33, 1024, 1025, 32768, 32769, 100_000, 1_100_000);
    const changes = fc.array(fc.tuple(fraction, fc.boolean(), fc.nat(40)), { maxLength: 40 });
    fc.assert(
      fc.property(lengths, changes, (length, steps) => {
        const map = new FreeMap(length);
        const members = new Set<number>();
        for (const [point, isQuery, spread] of steps) {
          const index = Math.min(length - 1, Math.floor(point * length));
          if (isQuery) {
            const sorted = [...members].sort((a, b) => a - b);
            expect(map.lowest(index)).toBe(sorted.find((member) => member >= index) ?? NONE);
            expect(map.highest(index)).toBe(sorted.findLast((member) => member <= index) ?? NONE);
            expect(map.lowest(0)).toBe(sorted[0] ?? NONE);
            for (const member of sorted.slice(0, spread)) {
              map.remove(member);
              members.delete(member);
            }
          } else {
            for (let near = index; near <= Math.min(length - 1, index + spread); near++) {
              map.add(near);
              members.add(near);
            }
          }
          expect(map.isEmpty).toBe(members.size === 0);
        }
        expect(map.checkInvariants()).toBe(members.size);
      }),
      { numRuns: 300 },
    );
  });
});
