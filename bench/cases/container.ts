/** How soon a container of the image is ready, and how soon it has ended. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { engineAnswers } from "../../scripts/docker-engine.ts";
import { buildImage, TEST_IMAGE } from "../../scripts/docker-image.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { median } from "../harness/statistics.ts";

const ROUNDS = 9;
const POLL_MS = 5;
const READY_TIMEOUT_MS = 60_000;
/** As long as Docker itself waits before it kills. Unit: seconds. */
const GRACE_S = 10;
/** As strict as docs/containers.md has it. */
const STRICT = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"];

const run = promisify(execFile);

export const benchmark: Benchmark = {
  title:
    "From docker run to ready through the published port, with the default configuration; and to the end.",
  async run(report) {
    const obstacle = engineAnswers() ? buildImage() : "no Docker engine answers";
    if (obstacle !== undefined) {
      report({ name: `container: NOT MEASURED, ${obstacle}`, figure: 0, unit: "containers" });
      return;
    }
    const readyMs: number[] = [];
    const emptyMs: number[] = [];
    const endedMs: number[] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      const empty = await emptyContainerMs();
      const { ready, ended } = await daemonMs(`torpor-bench-${process.pid}-${round}`);
      // The first round reads the image from disk, and is not counted.
      if (round === 0) continue;
      emptyMs.push(empty);
      readyMs.push(ready);
      endedMs.push(ended);
    }
    report({
      name: "container ready after docker run",
      figure: median(readyMs),
      unit: "ms",
      limit: { name: "ms of an empty node in it", figure: median(emptyMs) },
      aim: { of: "figure", atMost: 1500 },
    });
    report({
      name: "container ended after docker stop",
      figure: median(endedMs),
      unit: "ms",
      aim: { of: "figure", atMost: 1000 * GRACE_S },
    });
  },
};

/** A container that starts Node of the image, and ends. */
async function emptyContainerMs(): Promise<number> {
  const start = performance.now();
  await run("docker", ["run", "--rm", ...STRICT, "--entrypoint", "node", TEST_IMAGE, "-e", "0"]);
  return performance.now() - start;
}

async function daemonMs(name: string): Promise<{ readonly ready: number; readonly ended: number }> {
  const port = await freePort();
  const published = ["--publish", `127.0.0.1:${port}:8585`];
  try {
    const start = performance.now();
    const words = [
      "run",
      "--detach",
      "--name",
      name,
      ...STRICT,
      ...published,
      TEST_IMAGE,
      "--insecure-listen",
    ];
    await run("docker", words);
    await untilReady(`http://127.0.0.1:${port}/readyz`);
    const ready = performance.now() - start;

    const stop = performance.now();
    await run("docker", ["stop", "--time", String(GRACE_S), name]);
    return { ready, ended: performance.now() - stop };
  } finally {
    await run("docker", ["rm", "--force", name]);
  }
}

async function untilReady(url: string): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (performance.now() < deadline) {
    // Until the daemon listens, nobody answers.
    const answer = await fetch(url, { signal: AbortSignal.timeout(READY_TIMEOUT_MS) }).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.ok === true) return;
    await sleep(POLL_MS);
  }
  throw new Error(`The container was not ready within ${READY_TIMEOUT_MS / 1000} s.`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("The server had no port.");
  return address.port;
}
