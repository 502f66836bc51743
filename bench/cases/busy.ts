/**
 * What others notice of large work. Of a suspend of 2 GiB: the event loop's delay, and small requests from another process.
 * Of calls of ten thousand objects and a suspend to disk of a hundred thousand: the longest turn of the event loop.
 */
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { GIB, KIB, MIB } from "../../src/device/limits.ts";
import type { Device } from "../../src/device/mod.ts";
import { ImageDirectory } from "../../src/server/machine/image-directory.ts";
import { startTestDaemon, type TestDaemon } from "../../test/support/daemon.ts";
import { BATCH_CALLS, type BatchCall } from "../harness/batch-wires.ts";
import {
  bootBenchDevice,
  createObjects,
  deleteAll,
  pinAll,
  resume,
  suspend,
  unpinAll,
} from "../harness/bench-device.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { loopDelayMs } from "../harness/loop-delay.ts";
import { longestTurnMs } from "../harness/loop-turns.ts";
import type { Row } from "../harness/row.ts";
import { median, quantile } from "../harness/statistics.ts";

const TOTAL_BYTES = 2 * GIB;
const ROUNDS = 5;
/** The first rounds of calls, which warm the code and are not counted. */
const WARMING_ROUNDS = 3;
const HUNDRED_THOUSAND = 100_000;
const TURN_MS_MAX = 10;

export const benchmark: Benchmark = {
  title: "What others notice of suspends, of calls of 10,000 objects, and of a suspend to disk.",
  async run(report) {
    await suspends(report);
    await batchCalls(report);
    await suspendToDisk(report);
  },
};

type Report = (row: Row) => void;

/** Suspends of 2 GiB, with somebody asking for the device all the while. */
async function suspends(report: Report): Promise<void> {
  await using running = await startTestDaemon({
    lmemSizesBytes: [TOTAL_BYTES + 256 * MIB],
    smemBytes: TOTAL_BYTES + 256 * MIB,
  });
  const device = deviceOf(running);
  for (const sizeBytes of [MIB, 64 * KIB]) {
    const ids = await createObjects(device, TOTAL_BYTES / sizeBytes, sizeBytes);
    const delays: number[] = [];
    const answers: number[] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      await pinAll(device, ids);
      await unpinAll(device, ids);
      const probe = await startProbe(`${running.url}/v1/devices/card0`);
      const delay = await loopDelayMs(() => suspend(device));
      const answered = await probe.stop();
      await resume(device);
      // The first round warms code and memory, and is not counted.
      if (round === 0) continue;
      delays.push(delay);
      answers.push(quantile(answered, 0.99));
    }
    await deleteAll(device, ids);
    const label = `2 GiB in ${sizeBytes / KIB} KiB objects`;
    report({
      name: `${label}: event loop's delay, 99th percentile`,
      figure: median(delays),
      unit: "ms",
      aim: { of: "figure", atMost: 10 },
    });
    report({
      name: `${label}: REST GET, 99th percentile`,
      figure: median(answers),
      unit: "ms",
      aim: { of: "figure", atMost: 25 },
    });
  }
}

/** Another process creates, pins, unpins and deletes 10,000 objects a call. */
async function batchCalls(report: Report): Promise<void> {
  await using running = await startTestDaemon({
    lmemSizesBytes: [GIB],
    smemBytes: GIB,
    minPageBytes: 4 * KIB,
  });
  const child = fork(new URL("../harness/batch-process.ts", import.meta.url), [running.url, running.grpc]);
  await once(child, "message");
  for (const wire of ["REST", "gRPC"] as const) {
    const turns = new Map<BatchCall, number[]>(BATCH_CALLS.map((call) => [call, []]));
    for (let round = 0; round < WARMING_ROUNDS + ROUNDS; round++) {
      for (const call of BATCH_CALLS) {
        const turnMs = await longestTurnMs(async () => {
          const done = once(child, "message");
          child.send({ wire, call });
          await done;
        });
        if (round >= WARMING_ROUNDS) turns.get(call)?.push(turnMs);
      }
    }
    for (const [call, each] of turns) report(turnRow(`${wire}: ${call} 10,000 objects a call`, each));
  }
  child.send("stop");
}

/** Objects of 4 KiB, unpinned, to an image and back. */
async function suspendToDisk(report: Report): Promise<void> {
  // Not in /tmp, which may be memory.
  const folder = await mkdtemp(join(process.cwd(), "bench-images-"));
  const images = await ImageDirectory.open({
    path: join(folder, "images"),
    quotaBytes: undefined,
    keepConsumed: 0,
    now: Date.now,
  });
  const device = await bootBenchDevice({
    lmemBytes: 512 * MIB,
    smem: { sizeBytes: 512 * MIB },
    engines: ["bcs0", "bcs1"],
    images,
  });
  try {
    const ids = await createObjects(device, HUNDRED_THOUSAND, 4 * KIB);
    const turns = { suspend: [] as number[], resume: [] as number[] };
    for (let round = 0; round <= ROUNDS; round++) {
      await pinAll(device, ids);
      await unpinAll(device, ids);
      const suspendMs = await longestTurnMs(() => suspend(device, "S4"));
      const resumeMs = await longestTurnMs(() => resume(device));
      if (round === 0) continue;
      turns.suspend.push(suspendMs);
      turns.resume.push(resumeMs);
    }
    report(turnRow("S4 of 100,000 objects: suspend", turns.suspend));
    report(turnRow("S4 of 100,000 objects: resume", turns.resume));
  } finally {
    await device.close();
    await rm(folder, { recursive: true });
  }
}

function turnRow(what: string, turnsMs: readonly number[]): Row {
  return {
    name: `${what}, longest turn of the event loop`,
    figure: median(turnsMs),
    unit: "ms",
    aim: { of: "figure", atMost: TURN_MS_MAX },
  };
}

function deviceOf({ daemon }: TestDaemon): Device {
  const device = daemon.devices.get("card0");
  assert(device !== undefined, "the daemon has the device that it has by default");
  return device;
}

/** Starts the process that asks again and again. `stop` answers how long each took, in milliseconds. */
async function startProbe(url: string): Promise<{ stop(): Promise<number[]> }> {
  const child = fork(new URL("../harness/probe-process.ts", import.meta.url), [url]);
  await once(child, "message");
  return {
    async stop() {
      child.send("stop");
      const [times]: unknown[] = await once(child, "message");
      return TIMES.parse(times);
    },
  };
}

const TIMES = z.array(z.number());
