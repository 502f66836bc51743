/** What those who watch events cost those who work: batches of a thousand objects with 256 watchers and without. */
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { WATCHERS_MAX } from "../../src/server/limits.ts";
import { type BatchWire, restWire } from "../harness/batch-wires.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { startBenchDaemon } from "../harness/daemon.ts";
import { median, medianRatio } from "../harness/statistics.ts";

const OBJECTS = 1_000;
const ROUNDS = 30;
const WARMING_ROUNDS = 8;
const RATIO_MAX = 1.5;
const WORDS = ["--lmem", "256MiB", "--smem", "256MiB", "--min-page", "4KiB"];

export const benchmark: Benchmark = {
  title: `Batches of ${OBJECTS} objects with ${WATCHERS_MAX} watchers of events, against as many without.`,
  async run(report) {
    for (const wire of ["REST", "gRPC"] as const) {
      await using quiet = await startBenchDaemon(WORDS);
      await using watched = await startBenchDaemon(WORDS);
      const address = wire === "gRPC" ? watched.grpc : watched.url.replace("http://", "");
      const watchers = fork(new URL("../harness/watcher-process.ts", import.meta.url), [
        wire,
        address,
        String(WATCHERS_MAX),
      ]);
      await once(watchers, "message");
      const [withoutMs, withMs]: [number[], number[]] = [[], []];
      const [without, with_] = [restWire(quiet.url), restWire(watched.url)];
      for (let round = 0; round < ROUNDS; round++) {
        const baseMs = await lifeMs(without);
        const figureMs = await lifeMs(with_);
        if (round < WARMING_ROUNDS) continue;
        withoutMs.push(baseMs);
        withMs.push(figureMs);
      }
      watchers.send("stop");
      const [ended] = await once(watchers, "message");
      assert.equal(ended, 0, "every watcher is there to the end");
      report({
        name: `create and delete ${OBJECTS} objects while ${WATCHERS_MAX} watch over ${wire}`,
        figure: median(withMs),
        unit: "ms",
        limit: { name: "nobody watches", figure: median(withoutMs) },
        ratio: medianRatio(withMs, withoutMs),
        aim: { of: "ratio", atMost: RATIO_MAX },
      });
    }
  },
};

async function lifeMs(wire: BatchWire): Promise<number> {
  const start = performance.now();
  const names = await wire.create(OBJECTS);
  await wire.delete(names);
  return performance.now() - start;
}
