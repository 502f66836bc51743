/** When long work on the main thread lets others run. */
import { describe, expect, it } from "vitest";
import { CPU_SLICE_BYTES, KIB, WORK_SLICE_ITEMS } from "../../src/device/limits.ts";
import { VirtualClock } from "../../src/device/mod.ts";
import { WorkSlices } from "../../src/device/work-slices.ts";

/** After how many pieces of `bytes` each it rests. */
async function restsAfter(bytes: number, pieces: number): Promise<number[]> {
  const clock = new VirtualClock({ settle: () => new Promise((resolve) => setImmediate(resolve)) });
  const slices = new WorkSlices(clock);
  const rests: number[] = [];
  for (let piece = 1; piece <= pieces; piece++) {
    if (!slices.spend(bytes)) continue;
    rests.push(piece);
    await clock.run(slices.rest());
  }
  return rests;
}

describe("long work", () => {
  it("lets others run after a slice of bytes, however many objects it took, and not before", async () => {
    const slice = CPU_SLICE_BYTES / (4 * KIB);
    expect(await restsAfter(4 * KIB, 3 * slice)).toEqual([slice, 2 * slice, 3 * slice]);
  });

  it("lets others run after each piece of a slice or more", async () => {
    expect(await restsAfter(CPU_SLICE_BYTES, 2)).toEqual([1, 2]);
  });

  it("lets others run after so many items, however small they are", async () => {
    expect(await restsAfter(0, 2 * WORK_SLICE_ITEMS)).toEqual([WORK_SLICE_ITEMS, 2 * WORK_SLICE_ITEMS]);
  });
});
