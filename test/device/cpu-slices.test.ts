/** When work on bytes lets others run. */
import { describe, expect, it } from "vitest";
import { CPU_SLICE_BYTES, KIB } from "../../src/device/limits.ts";
import { CpuSlices } from "../../src/device/memory/cpu-slices.ts";
import { VirtualClock } from "../../src/device/mod.ts";

describe("work on bytes", () => {
  it("lets others run after a slice, however many objects it took, and not before", () => {
    const slices = new CpuSlices(new VirtualClock({ settle: () => Promise.resolve() }));
    const rests: number[] = [];
    for (let bytes = 4 * KIB; bytes <= 3 * CPU_SLICE_BYTES; bytes += 4 * KIB) {
      if (slices.spend(4 * KIB) !== undefined) rests.push(bytes);
    }
    expect(rests).toEqual([CPU_SLICE_BYTES, 2 * CPU_SLICE_BYTES, 3 * CPU_SLICE_BYTES]);
  });

  it("lets others run after each piece of a slice or more", () => {
    const slices = new CpuSlices(new VirtualClock({ settle: () => Promise.resolve() }));
    expect(slices.spend(CPU_SLICE_BYTES)).toBeInstanceOf(Promise);
    expect(slices.spend(CPU_SLICE_BYTES)).toBeInstanceOf(Promise);
  });
});
