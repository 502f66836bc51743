/** Scale: a million objects of 4 KiB. What a suspend costs beyond the copying, what an object costs, and whether that grows. */
import { KIB, MIB } from "../../src/device/limits.ts";
import type { Device } from "../../src/device/mod.ts";
import {
  bootBenchDevice,
  createObjects,
  deleteAll,
  type PhaseTimes,
  pinAll,
  resume,
  suspend,
  unpinAll,
} from "../harness/bench-device.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import type { Row } from "../harness/row.ts";
import { median } from "../harness/statistics.ts";
import { memoryLimit } from "../limits/memory.ts";

const MILLION = 1_000_000;
const OBJECT_BYTES = 4 * KIB;
const COUNTS = [1_000, 10_000, 100_000, MILLION];
const ROUNDS = 3;

export const benchmark: Benchmark = {
  title: "A million objects of 4 KiB, and a tenth, a hundredth, a thousandth of that.",
  async run(report) {
    await using limit = await memoryLimit(1024 * MIB);
    const device = await bootBenchDevice({
      lmemBytes: 4096 * MIB,
      smem: { sizeBytes: 4096 * MIB },
      engines: ["bcs0", "bcs1"],
    });
    try {
      const perObjectUs = new Map<number, number>();
      for (const count of COUNTS) perObjectUs.set(count, await measure(device, count, limit, report));
      const few = perObjectUs.get(COUNTS[0] ?? 0) ?? Number.NaN;
      report({
        name: "cost of an object in a suspend, 10^6 against 10^3",
        figure: perObjectUs.get(MILLION) ?? Number.NaN,
        unit: "µs",
        limit: { name: "µs at 10^3", figure: few },
        ratio: (perObjectUs.get(MILLION) ?? Number.NaN) / few,
        aim: { of: "ratio", atMost: 1.25 },
      });
      device.checkInvariants();
    } finally {
      await device.close();
    }
  },
};

/** Suspends and resumes with so many objects, unpinned and pinned. Answers µs an object of the unpinned suspend. */
async function measure(
  device: Device,
  count: number,
  limit: Awaited<ReturnType<typeof memoryLimit>>,
  report: (row: Row) => void,
): Promise<number> {
  globalThis.gc?.();
  const before = process.memoryUsage();
  const ids = await createObjects(device, count, OBJECT_BYTES);
  const times = {
    evict: [] as number[],
    backup: [] as number[],
    restore: [] as number[],
    idle: [] as number[],
  };
  let touchedBytes = 0;
  for (let round = 0; round <= ROUNDS; round++) {
    await pinAll(device, ids);
    const copyMs = await copyTimeMs(limit, count);
    const backup = totalMs(await suspend(device));
    const restore = totalMs(await resume(device));
    await unpinAll(device, ids);
    const evict = totalMs(await suspend(device));
    await resume(device);
    // Everything is in system memory now.
    const idle = totalMs(await suspend(device));
    await resume(device);
    if (round === 0) {
      touchedBytes = 2 * count * OBJECT_BYTES;
      continue;
    }
    times.backup.push(backup - copyMs);
    times.restore.push(restore - copyMs);
    times.evict.push(evict - copyMs);
    times.idle.push(idle);
  }
  globalThis.gc?.();
  const after = process.memoryUsage();
  const copyMs = await copyTimeMs(limit, count);
  const evictMs = median(times.evict) + copyMs;
  if (count === MILLION) {
    const row = (name: string, figures: readonly number[], atMost: number): Row => ({
      name,
      figure: median(figures),
      unit: "ms",
      limit: { name: `ms of copying by ${limit.name}`, figure: copyMs },
      aim: { of: "figure", atMost },
    });
    report(row("10^6 unpinned: suspend, beyond the copying", times.evict, 2500));
    report(row("10^6 pinned: suspend, beyond the copying", times.backup, 2500));
    report(row("10^6 pinned: resume, beyond the copying", times.restore, 2500));
    report({
      name: "10^6 already in system memory: suspend",
      figure: median(times.idle),
      unit: "ms",
      aim: { of: "figure", atMost: 20 },
    });
    // Banks are no part of it: what they hold is what was asked for.
    const bytes = after.rss - before.rss - touchedBytes;
    report({
      name: "an object's own memory, at rest",
      figure:
        Math.max(bytes, after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / count,
      unit: "bytes",
      aim: { of: "figure", atMost: 600 },
    });
  }
  await deleteAll(device, ids);
  return (evictMs * 1000) / count;
}

/** What the copying alone takes in C, on one thread, in objects of that size in order of their places. */
async function copyTimeMs(limit: Awaited<ReturnType<typeof memoryLimit>>, count: number): Promise<number> {
  const blocks = Math.min(count, (1024 * MIB) / OBJECT_BYTES);
  const rate = (await limit.copy(OBJECT_BYTES, blocks * OBJECT_BYTES, 1, "sequential")) ?? Number.NaN;
  return (count * OBJECT_BYTES) / rate / 1e6;
}

function totalMs(phases: PhaseTimes): number {
  return [...phases.values()].reduce((sum, phase) => sum + Number(phase.durationNs), 0) / 1e6;
}
