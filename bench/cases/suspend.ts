/** Moving what is unpinned out of local memory in a suspend: objects in random order of use, system memory warm. */
import { GIB, KIB, MIB } from "../../src/device/limits.ts";
import type { Device } from "../../src/device/mod.ts";
import {
  bootBenchDevice,
  createObjects,
  deleteAll,
  pinAll,
  rateOf,
  resume,
  shuffled,
  suspend,
  unpinAll,
} from "../harness/bench-device.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import type { Row } from "../harness/row.ts";
import { median, medianRatio } from "../harness/statistics.ts";
import { type MemoryLimit, memoryLimit } from "../limits/memory.ts";

const TOTAL_BYTES = GIB;
const ROUNDS = 5;

/** Aims: against one thread with one engine; with two, against one and against two. */
const SIZES = [
  { sizeBytes: MIB, label: "1 MiB", one: 1.0, two: 1.3, twoOfTwo: 0.95, whole: 0.95, wholeTwo: 1.25 },
  {
    sizeBytes: 64 * KIB,
    label: "64 KiB",
    one: 0.95,
    two: 1.2,
    twoOfTwo: undefined,
    whole: 0.95,
    wholeTwo: undefined,
  },
  { sizeBytes: 4 * KIB, label: "4 KiB", one: 0.8, two: 1.1, twoOfTwo: undefined, whole: 0.8, wholeTwo: 1.0 },
];

export const benchmark: Benchmark = {
  title: "Eviction of 1 GiB in an S3 suspend, against memcpy of the same blocks in C.",
  async run(report) {
    await using limit = await memoryLimit(TOTAL_BYTES);
    const memory = { lmemBytes: TOTAL_BYTES + 256 * MIB, smem: { sizeBytes: TOTAL_BYTES + 256 * MIB } };
    const one = await bootBenchDevice({ ...memory, engines: ["bcs0"] });
    const two = await bootBenchDevice({ ...memory, engines: ["bcs0", "bcs1"] });
    try {
      for (const size of SIZES) await measure(limit, one, two, size, report);
    } finally {
      await one.close();
      await two.close();
    }
  },
};

async function measure(
  limit: MemoryLimit,
  one: Device,
  two: Device,
  { sizeBytes, label, one: aimOne, two: aimTwo, ...aims }: (typeof SIZES)[number],
  report: (row: Row) => void,
): Promise<void> {
  const count = TOTAL_BYTES / sizeBytes;
  const idsOne = await createObjects(one, count, sizeBytes);
  const idsTwo = await createObjects(two, count, sizeBytes);
  const samples = {
    one: [] as number[],
    two: [] as number[],
    whole: [] as number[],
    wholeTwo: [] as number[],
  };
  const limits = { one: [] as number[], two: [] as number[] };
  // The first round warms code and memory, and is not counted.
  for (let round = 0; round <= ROUNDS; round++) {
    const c1 = await limit.copy(sizeBytes, TOTAL_BYTES, 1, "random");
    const evictedByOne = await evict(one, idsOne);
    const c2 = await limit.copy(sizeBytes, TOTAL_BYTES, 2, "random");
    const evictedByTwo = await evict(two, idsTwo);
    if (round === 0) continue;
    samples.one.push(evictedByOne.rate);
    samples.whole.push(evictedByOne.wholeRate);
    samples.two.push(evictedByTwo.rate);
    samples.wholeTwo.push(evictedByTwo.wholeRate);
    limits.one.push(c1 ?? Number.NaN);
    if (c2 !== undefined) limits.two.push(c2);
  }
  await deleteAll(one, idsOne);
  await deleteAll(two, idsTwo);

  const against = (
    name: string,
    figures: readonly number[],
    threads: readonly number[],
    threadName: string,
    atLeast?: number,
  ): void =>
    report({
      name,
      figure: median(figures),
      unit: "GB/s",
      limit: { name: `${limit.name}, ${threadName}`, figure: median(threads) },
      ratio: medianRatio(figures, threads),
      aim: atLeast === undefined ? undefined : { of: "ratio", atLeast },
    });
  against(`${label} objects, one copy engine`, samples.one, limits.one, "1 thread", aimOne);
  against(`${label} objects, two copy engines`, samples.two, limits.one, "1 thread", aimTwo);
  if (limits.two.length > 0) {
    against(
      `${label} objects, two copy engines, against two`,
      samples.two,
      limits.two,
      "2 threads",
      aims.twoOfTwo,
    );
  }
  against(`${label} objects, one engine, whole suspend`, samples.whole, limits.one, "1 thread", aims.whole);
  against(
    `${label} objects, two engines, whole suspend`,
    samples.wholeTwo,
    limits.one,
    "1 thread",
    aims.wholeTwo,
  );
}

/** One suspend with everything in local memory, and back. Rates in GB/s: of the eviction, and over all phases. */
async function evict(device: Device, ids: readonly string[]): Promise<{ rate: number; wholeRate: number }> {
  await pinAll(device, ids);
  await unpinAll(device, shuffled(ids));
  const phases = await suspend(device);
  await resume(device);
  const totalNs = [...phases.values()].reduce((sum, phase) => sum + Number(phase.durationNs), 0);
  return { rate: rateOf(phases, "evict"), wholeRate: TOTAL_BYTES / totalNs };
}
