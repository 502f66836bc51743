/** What is pinned: backed up and restored by blitter, or by the CPU when the blitter itself needs it (PM_EARLY). */
import { setTimeout as sleep } from "node:timers/promises";
import { GIB, MIB } from "../../src/device/limits.ts";
import {
  bootBenchDevice,
  createObjects,
  deleteAll,
  type PhaseTimes,
  pinAll,
  rateOf,
  resume,
  suspend,
  unpinAll,
} from "../harness/bench-device.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { loopDelayMs } from "../harness/loop-delay.ts";
import type { Row } from "../harness/row.ts";
import { median, medianRatio } from "../harness/statistics.ts";
import { memoryLimit } from "../limits/memory.ts";

const PINNED_BYTES = GIB;
const EARLY_BYTES = 256 * MIB;
const ROUNDS = 9;

/** Long enough for what the power loss destroys to be overwritten meanwhile. Milliseconds. */
const ASLEEP_MS = 500;

export const benchmark: Benchmark = {
  title: "Backup and restore of pinned objects of 1 MiB, by blitter and by CPU.",
  async run(report) {
    await using limit = await memoryLimit(PINNED_BYTES);
    const device = await bootBenchDevice({
      lmemBytes: PINNED_BYTES + 128 * MIB,
      smem: { sizeBytes: PINNED_BYTES + 128 * MIB },
      engines: ["bcs0"],
    });
    const samples = {
      resume: [] as number[],
      resumeAtOnce: [] as number[],
      backup: [] as number[],
      restore: [] as number[],
      memcpy: [] as number[],
      early: [] as number[],
    };
    const limits = { pinned: [] as number[], early: [] as number[] };
    const delays: number[] = [];
    try {
      for (let round = 0; round <= ROUNDS; round++) {
        const pinned = await createObjects(device, PINNED_BYTES / MIB, MIB);
        await pinAll(device, pinned);
        const pinnedLimit = await limit.copy(MIB, PINNED_BYTES, 1, "sequential");
        const down = await suspend(device);
        await sleep(ASLEEP_MS);
        const up = await resume(device);
        await suspend(device);
        const upAtOnce = await resume(device);
        await unpinAll(device, pinned);
        await deleteAll(device, pinned);

        const early = await createObjects(device, EARLY_BYTES / MIB, MIB, ["PM_EARLY"]);
        await pinAll(device, early);
        const earlyLimit = await limit.copy(MIB, EARLY_BYTES, 1, "sequential");
        let byCpu = down;
        const delay = await loopDelayMs(async () => {
          byCpu = await suspend(device);
        });
        const earlyUp = await resume(device);
        await unpinAll(device, early);
        await deleteAll(device, early);
        // The first round warms code and memory, and is not counted.
        if (round === 0 || pinnedLimit === undefined || earlyLimit === undefined) continue;
        samples.backup.push(rateOf(down, "evict_pinned"));
        samples.restore.push(rateOf(up, "restore_late"));
        samples.resume.push(wholeRateOf(up));
        samples.resumeAtOnce.push(wholeRateOf(upAtOnce));
        samples.memcpy.push(rateOf(byCpu, "memcpy"));
        samples.early.push(rateOf(earlyUp, "restore_early"));
        limits.pinned.push(pinnedLimit);
        limits.early.push(earlyLimit);
        delays.push(delay);
      }
    } finally {
      await device.close();
    }
    const row = (
      name: string,
      figures: readonly number[],
      against: readonly number[],
      atLeast?: number,
    ): Row => ({
      name,
      figure: median(figures),
      unit: "GB/s",
      limit: { name: `${limit.name}, 1 thread`, figure: median(against) },
      ratio: medianRatio(figures, against),
      aim: atLeast === undefined ? undefined : { of: "ratio", atLeast },
    });
    report(row("backup of 1 GiB pinned, one copy engine", samples.backup, limits.pinned, 1));
    report(row("late restore of 1 GiB, one copy engine", samples.restore, limits.pinned, 1));
    report(row("whole resume of 1 GiB, of a device that has slept", samples.resume, limits.pinned, 0.95));
    report(row("whole resume of 1 GiB, at once after the suspend", samples.resumeAtOnce, limits.pinned));
    report(row("memcpy step, 256 MiB PM_EARLY, by CPU", samples.memcpy, limits.early, 0.95));
    report(row("early restore, 256 MiB PM_EARLY, by CPU", samples.early, limits.early, 0.95));
    report({
      name: "event loop's delay in that suspend, 99th percentile",
      figure: median(delays),
      unit: "ms",
      aim: { of: "figure", atMost: 10 },
    });
  },
};

/** GB/s over all phases of the GiB that is pinned. */
function wholeRateOf(phases: PhaseTimes): number {
  return PINNED_BYTES / [...phases.values()].reduce((sum, phase) => sum + Number(phase.durationNs), 0);
}
