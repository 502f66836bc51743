/** Snapshots of 256 MiB: taken, gone back to with all and with a hundredth changed, forked; and what knowing it costs. */
import { KIB, MIB } from "../../src/device/limits.ts";
import { type Device, MACHINE_WITHOUT_END, SnapshotStore, type WorkCommand } from "../../src/device/mod.ts";
import { bootBenchDevice, createObjects, pinAll, resume, suspend } from "../harness/bench-device.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import type { Row } from "../harness/row.ts";
import { median, medianRatio } from "../harness/statistics.ts";
import { type MemoryLimit, memoryLimit } from "../limits/memory.ts";

const TOTAL_BYTES = 256 * MIB;
const FRAME_BYTES = 64 * KIB;
const ROUNDS = 9;
/** Copies of a round by which the cost of knowing is measured, and how many of them are a request. */
const COPIES = [
  { sizeBytes: MIB, label: "1 MiB", count: 64, each: 16, atLeast: 0.99 },
  { sizeBytes: 4 * KIB, label: "4 KiB", count: 16384, each: 1024, atLeast: 0.97 },
];

export const benchmark: Benchmark = {
  title: "Snapshots of 256 MiB in memory, against memcpy of the same bytes in C.",
  async run(report) {
    await using limit = await memoryLimit(TOTAL_BYTES);
    const snapshots = new SnapshotStore({ sizeBytes: 1024 * MIB, machine: MACHINE_WITHOUT_END });
    const options = { lmemBytes: 512 * MIB, smem: { sizeBytes: 512 * MIB }, engines: ["bcs0"], snapshots };
    const device = await bootBenchDevice(options);
    const fork = await bootBenchDevice({ ...options, name: "card1" });
    try {
      const bench = { limit, device, fork, snapshots };
      await measure(bench, report);
      for (const copies of COPIES) await measureCopies(bench, copies, report);
    } finally {
      await device.close();
      await fork.close();
    }
  },
};

interface Bench {
  readonly limit: MemoryLimit;
  readonly device: Device;
  readonly fork: Device;
  readonly snapshots: SnapshotStore;
}

async function measure({ limit, device, fork, snapshots }: Bench, report: (row: Row) => void): Promise<void> {
  const ids = await createObjects(device, TOTAL_BYTES / MIB, MIB);
  await pinAll(device, ids);
  const times = { take: [] as number[], again: [] as number[], all: [] as number[], some: [] as number[] };
  const forks: number[] = [];
  const limits = { take: [] as number[], all: [] as number[] };
  // The first round warms code and memory, and is not counted.
  for (let round = 0; round <= ROUNDS; round++) {
    await write(device, ids, ids.length * 16);
    limits.take.push(await memcpyMs(limit));
    times.take.push(await timeMs(() => take(device, "s")));
    times.again.push(await timeMs(() => take(device, "again")));
    await write(device, ids, ids.length * 16);
    limits.all.push(await memcpyMs(limit));
    times.all.push(await timeMs(() => restore(device)));
    await write(device, ids, Math.round((ids.length * 16) / 100));
    times.some.push(await timeMs(() => restore(device)));
    await fork.execute({ type: "resetDevice", scope: "FACTORY" });
    forks.push(await timeMs(() => restore(fork)));
    for (const { id } of snapshots.list()) snapshots.delete(id);
  }
  const counted = <T>(values: readonly T[]): readonly T[] => values.slice(1);
  const rate = (name: string, all: readonly number[], memcpy: readonly number[]): void =>
    report({
      name,
      figure: TOTAL_BYTES / 1e6 / median(counted(all)),
      unit: "GB/s",
      limit: { name: `${limit.name}, 1 thread`, figure: TOTAL_BYTES / 1e6 / median(counted(memcpy)) },
      ratio: medianRatio(counted(memcpy), counted(all)),
      aim: { of: "ratio", atLeast: 0.8 },
    });
  const time = (name: string, values: readonly number[], atMost: number): void =>
    report({ name, figure: median(counted(values)), unit: "ms", aim: { of: "figure", atMost } });
  rate("take, all copied", times.take, limits.take);
  time("take, nothing copied", times.again, 10);
  rate("restore, all changed", times.all, limits.all);
  time("restore, all changed, time", times.all, 100);
  time("restore, 1 % changed", times.some, 10);
  time("fork into an empty device", forks, 100);
}

/** Copies of a device whose writes are known since a snapshot, against the same copies when nothing is watched. */
async function measureCopies(
  { device, snapshots }: Bench,
  { sizeBytes, label, count, each, atLeast }: (typeof COPIES)[number],
  report: (row: Row) => void,
): Promise<void> {
  const copy = await copier(device, sizeBytes, each);
  const times = { known: [] as number[], not: [] as number[] };
  for (let round = 0; round <= 2 * ROUNDS; round++) {
    await take(device, "s");
    snapshots.delete("s");
    const knownMs = await timeWarmMs(() => copy(count / each));
    // After a power loss everything counts as written, and nothing more is noted. What is pinned is back in its place.
    await suspend(device);
    await resume(device);
    const notMs = await timeWarmMs(() => copy(count / each));
    if (round === 0) continue;
    times.known.push(knownMs);
    times.not.push(notMs);
  }
  const rate = (values: readonly number[]): number => (count * sizeBytes) / 1e6 / median(values);
  report({
    name: `copies of ${label} by an engine, writes known`,
    figure: rate(times.known),
    unit: "GB/s",
    limit: { name: "the same, not known", figure: rate(times.not) },
    ratio: medianRatio(times.not, times.known),
    aim: { of: "ratio", atLeast },
  });
}

/** Makes objects on a device, and requests that copy one of them to all others. */
async function copier(
  device: Device,
  sizeBytes: number,
  each: number,
): Promise<(requests: number) => Promise<void>> {
  await device.execute({ type: "resetDevice", scope: "FACTORY" });
  const [source = "", ...targets] = await createObjects(device, each + 1, sizeBytes);
  await pinAll(device, [source, ...targets]);
  const { id: context } = await device.execute({ type: "createContext", engine: "bcs0", priority: "NORMAL" });
  const commands = targets.map(
    (destination): WorkCommand => ({
      op: "copy",
      source,
      sourceOffsetBytes: 0,
      destination,
      destinationOffsetBytes: 0,
      lengthBytes: sizeBytes,
    }),
  );
  return async (requests) => {
    for (let done = 0; done < requests; done++)
      await device.execute({ type: "submitWork", context, commands, waitFences: [], waitMs: 60_000 });
  };
}

/** Writes one frame of each object in turn, so many in all. */
async function write(device: Device, ids: readonly string[], frames: number): Promise<void> {
  const data = new Uint8Array(FRAME_BYTES).fill(Math.floor(Math.random() * 256));
  for (let frame = 0; frame < frames; frame++) {
    const object = ids[frame % ids.length] ?? "";
    const offsetBytes = Math.floor(frame / ids.length) * FRAME_BYTES;
    await device.execute({ type: "writeObject", object, offsetBytes, data });
  }
}

async function memcpyMs(limit: MemoryLimit): Promise<number> {
  const rate = await limit.copy(MIB, TOTAL_BYTES, 1, "sequential");
  return TOTAL_BYTES / 1e6 / (rate ?? Number.NaN);
}

/** Does it twice and times the second: what came before has left other bytes in the caches. */
async function timeWarmMs(work: () => Promise<unknown>): Promise<number> {
  await work();
  return timeMs(work);
}

async function timeMs(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function take(device: Device, snapshot: string): Promise<unknown> {
  return device.execute({ type: "takeSnapshot", snapshot, labels: {} });
}

function restore(device: Device): Promise<unknown> {
  return device.execute({ type: "restoreSnapshot", snapshot: "s" });
}
