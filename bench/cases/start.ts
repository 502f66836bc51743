/** How soon a daemon is ready, and what it takes while it does nothing. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Benchmark } from "../harness/benchmark.ts";
import { startBenchDaemon } from "../harness/daemon.ts";
import { median } from "../harness/statistics.ts";

const ROUNDS = 9;
/** What the daemon allocates at start is in use by then. */
const SETTLE_MS = 500;

export const benchmark: Benchmark = {
  title: "From the start of the process to ready, with the default configuration; and its memory then.",
  async run(report) {
    const readyMs: number[] = [];
    const nodeMs: number[] = [];
    const idleMiB: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      nodeMs.push(await emptyNodeMs());
      const start = performance.now();
      await using daemon = await startBenchDaemon();
      readyMs.push(performance.now() - start);
      await sleep(SETTLE_MS);
      idleMiB.push((await residentBytes(daemon.url)) / 2 ** 20);
    }
    report({
      name: "ready after start",
      figure: median(readyMs),
      unit: "ms",
      limit: { name: "ms of an empty node", figure: median(nodeMs) },
      aim: { of: "figure", atMost: 600 },
    });
    report({
      name: "idle memory",
      figure: median(idleMiB),
      unit: "MiB",
      aim: { of: "figure", atMost: 150 },
    });
  },
};

async function emptyNodeMs(): Promise<number> {
  const start = performance.now();
  await once(spawn(process.execPath, ["-e", "0"]), "exit");
  return performance.now() - start;
}

async function residentBytes(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^process_resident_memory_bytes(?:\{[^}]*\})? (\S+)/m.exec(text)?.[1]);
}
