/** The first suspend after start, when system memory was never touched; and one with other objects after it. */
import { MIB } from "../../src/device/limits.ts";
import {
  bootBenchDevice,
  createObjects,
  deleteAll,
  pinAll,
  rateOf,
  resume,
  suspend,
  unpinAll,
} from "../harness/bench-device.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { median, medianRatio } from "../harness/statistics.ts";
import { memoryLimit } from "../limits/memory.ts";

const TOTAL_BYTES = 512 * MIB;
const ROUNDS = 5;
/** What the objects hold. */
const BYTES = new Uint8Array(MIB).fill(1);

export const benchmark: Benchmark = {
  title: "Eviction onto system memory that was never touched, and onto the same again.",
  async run(report) {
    await using limit = await memoryLimit(TOTAL_BYTES);
    const cold: number[] = [];
    const warm: number[] = [];
    const coldLimits: number[] = [];
    const warmLimits: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const device = await bootBenchDevice({
        lmemBytes: TOTAL_BYTES + 128 * MIB,
        smem: { sizeBytes: TOTAL_BYTES + 128 * MIB },
        engines: ["bcs0"],
      });
      const evictOthers = async (): Promise<number> => {
        const ids = await createObjects(device, TOTAL_BYTES / MIB, MIB);
        await pinAll(device, ids);
        // Like the limit's source, and like every object that is worth saving, they have bytes: memory that was never written
        // to would be taken from the machine in the middle of the copy, page by page, beside what is copied to.
        for (const object of ids) {
          await device.execute({ type: "writeObject", object, offsetBytes: 0, data: BYTES });
        }
        await unpinAll(device, ids);
        const phases = await suspend(device);
        await resume(device);
        await deleteAll(device, ids);
        return rateOf(phases, "evict");
      };
      try {
        const coldLimit = await limit.cold(TOTAL_BYTES);
        const first = await evictOthers();
        const warmLimit = await limit.copy(MIB, TOTAL_BYTES, 1, "sequential");
        const second = await evictOthers();
        cold.push(first);
        warm.push(second);
        if (coldLimit !== undefined) coldLimits.push(coldLimit);
        if (warmLimit !== undefined) warmLimits.push(warmLimit);
      } finally {
        await device.close();
      }
    }
    report({
      name: "first suspend after start, 512 MiB",
      figure: median(cold),
      unit: "GB/s",
      ...(coldLimits.length > 0 && {
        limit: { name: `${limit.name}, fresh memory`, figure: median(coldLimits) },
        ratio: medianRatio(cold, coldLimits),
      }),
      aim: { of: "ratio", atLeast: 0.9 },
    });
    report({
      name: "second suspend, other objects, the same memory",
      figure: median(warm),
      unit: "GB/s",
      limit: { name: `${limit.name}, 1 thread`, figure: median(warmLimits) },
      ratio: medianRatio(warm, warmLimits),
      aim: { of: "ratio", atLeast: 0.9 },
    });
  },
};
