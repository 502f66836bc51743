/** Small answers over REST: the daemon's GET of a device against fastify alone with the same bytes. */
import autocannon from "autocannon";
import { startBareServer } from "../harness/bare-server.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { startBenchDaemon } from "../harness/daemon.ts";
import { median, medianRatio } from "../harness/statistics.ts";

const PATH = "/v1/devices/card0";
const CONNECTIONS = 32;
const SECONDS = 3;
const ROUNDS = 5;

export const benchmark: Benchmark = {
  title: "GET of a device over 32 connections.",
  async run(report) {
    await using daemon = await startBenchDaemon();
    const response = await fetch(`${daemon.url}${PATH}`);
    await using bare = await startBareServer("bare-fastify", [PATH, await response.text()]);
    const bareUrl = `http://127.0.0.1:${bare.port}`;
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      const limit = await requestsPerSecond(bareUrl);
      const figure = await requestsPerSecond(daemon.url);
      // The first round warms both, and is not counted.
      if (round === 0) continue;
      theirs.push(limit);
      ours.push(figure);
    }
    report({
      name: "GET device",
      figure: median(ours),
      unit: "requests/s",
      limit: { name: "bare fastify", figure: median(theirs) },
      ratio: medianRatio(ours, theirs),
      aim: { of: "ratio", atLeast: 0.6 },
    });
  },
};

async function requestsPerSecond(url: string): Promise<number> {
  const result = await autocannon({ url: `${url}${PATH}`, connections: CONNECTIONS, duration: SECONDS });
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${url} answered ${result.non2xx} requests with an error and lost ${result.errors}.`);
  }
  return result.requests.average;
}
