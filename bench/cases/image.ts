/** The hibernation image of 256 MiB that nothing can compress, written and read, against the disk's own sequential rate. */
import { randomFillSync } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { MIB } from "../../src/device/limits.ts";
import type { Device } from "../../src/device/mod.ts";
import { ImageDirectory } from "../../src/server/machine/image-directory.ts";
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
import { median, medianRatio } from "../harness/statistics.ts";
import { type DiskRates, diskRates, forgetCachedPages } from "../limits/disk.ts";

const TOTAL_BYTES = 256 * MIB;
const ROUNDS = 5;

export const benchmark: Benchmark = {
  title: "S4 of 256 MiB of random bytes and of 256 MiB of zeros, to a directory on disk.",
  async run(report) {
    // Not in /tmp, which may be memory.
    const folder = await mkdtemp(join(process.cwd(), "bench-images-"));
    const images = await ImageDirectory.open({
      path: join(folder, "images"),
      quotaBytes: undefined,
      keepConsumed: 0,
      now: Date.now,
    });
    const device = await bootBenchDevice({
      lmemBytes: TOTAL_BYTES + 128 * MIB,
      smem: { sizeBytes: TOTAL_BYTES + 128 * MIB },
      engines: ["bcs0"],
      images,
    });
    const writes: number[] = [];
    const reads: number[] = [];
    const limits: DiskRates[] = [];
    const zeroMs: number[] = [];
    try {
      for (let round = 0; round <= ROUNDS; round++) {
        const limit = await diskRates(folder, TOTAL_BYTES);
        const data = await hibernate(device, fillWithRandom);
        const zeros = await hibernate(device, fillWithZeros);
        // The first round warms code and memory, and is not counted.
        if (round === 0) continue;
        limits.push(limit);
        writes.push(TOTAL_BYTES / 1e6 / imageMs(data.down));
        reads.push(TOTAL_BYTES / 1e6 / imageMs(data.up));
        zeroMs.push(imageMs(zeros.down) / imageMs(data.down));
      }
    } finally {
      await device.close();
      await rm(folder, { recursive: true });
    }
    const from = (await forgetCachedPages()) ? "disk" : "page cache";
    const writeLimits = limits.map((each) => each.writeAndRead);
    const readLimits = limits.map((each) => each.read);
    report({
      name: "image of 256 MiB: write, read back, seal",
      figure: median(writes),
      unit: "GB/s",
      limit: { name: `disk: write, fsync, read from the ${from}`, figure: median(writeLimits) },
      ratio: medianRatio(writes, writeLimits),
      aim: { of: "ratio", atLeast: 0.8 },
    });
    report({
      name: `image of 256 MiB: restore, from the ${from}`,
      figure: median(reads),
      unit: "GB/s",
      limit: { name: `${from}: read`, figure: median(readLimits) },
      ratio: medianRatio(reads, readLimits),
      aim: { of: "ratio", atLeast: 0.8 },
    });
    report({
      name: "zero frames, against as many frames of data",
      figure: median(zeroMs),
      unit: "of their time",
      aim: { of: "figure", atMost: 0.1 },
    });
  },
};

/** One hibernation of objects of 1 MiB, filled as is said, and back. */
async function hibernate(
  device: Device,
  fill: (device: Device, object: string) => Promise<unknown>,
): Promise<{ readonly down: PhaseTimes; readonly up: PhaseTimes }> {
  const ids = await createObjects(device, TOTAL_BYTES / MIB, MIB);
  await pinAll(device, ids);
  for (const id of ids) await fill(device, id);
  await unpinAll(device, ids);
  const down = await suspend(device, "S4");
  await forgetCachedPages();
  const up = await resume(device);
  await deleteAll(device, ids);
  return { down, up };
}

const random = randomFillSync(new Uint8Array(MIB));

function fillWithRandom(device: Device, object: string): Promise<unknown> {
  return device.execute({ type: "writeObject", object, offsetBytes: 0, data: random });
}

/** A pin has zeroed the object already. */
function fillWithZeros(): Promise<void> {
  return Promise.resolve();
}

function imageMs(phases: PhaseTimes): number {
  const phase = phases.get("image");
  if (phase === undefined) throw new Error("The transition had no phase image.");
  return Number(phase.durationNs) / 1e6;
}
