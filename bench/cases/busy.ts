/** What others notice of a suspend of 2 GiB: the event loop's delay, and small requests from another process. */
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { z } from "zod";
import { GIB, KIB, MIB } from "../../src/device/limits.ts";
import { startTestDaemon } from "../../test/support/daemon.ts";
import { createObjects, deleteAll, pinAll, resume, suspend, unpinAll } from "../harness/bench-device.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { loopDelayMs } from "../harness/loop-delay.ts";
import { median, quantile } from "../harness/statistics.ts";

const TOTAL_BYTES = 2 * GIB;
const ROUNDS = 5;

export const benchmark: Benchmark = {
  title:
    "Suspends of 2 GiB in objects of 1 MiB and of 4 KiB, with somebody asking for the device all the while.",
  async run(report) {
    await using running = await startTestDaemon({
      lmemSizesBytes: [TOTAL_BYTES + 256 * MIB],
      smemBytes: TOTAL_BYTES + 256 * MIB,
    });
    const device = running.daemon.devices.get("card0");
    assert(device !== undefined, "the daemon has the device that it has by default");
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
  },
};

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
