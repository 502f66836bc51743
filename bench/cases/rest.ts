/** Small answers over REST: the daemon's GET of a device against fastify alone with the same bytes. */
import autocannon from "autocannon";
import { startBareServer } from "../harness/bare-server.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { compareRates, type Measured } from "../harness/call-rate.ts";
import { startBenchDaemon } from "../harness/daemon.ts";

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
    const rows = await compareRates({
      name: "GET device",
      unit: "requests/s",
      limit: "bare fastify",
      ours: { pid: daemon.pid, measure: () => measure(daemon.url) },
      bare: { pid: bare.pid, measure: () => measure(`http://127.0.0.1:${bare.port}`) },
      rounds: ROUNDS,
      aim: { of: "ratio", atLeast: 0.7 },
    });
    rows.forEach(report);
  },
};

async function measure(url: string): Promise<Measured> {
  const result = await autocannon({ url: `${url}${PATH}`, connections: CONNECTIONS, duration: SECONDS });
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${url} answered ${result.non2xx} requests with an error and lost ${result.errors}.`);
  }
  return { calls: result.requests.total, seconds: result.duration };
}
