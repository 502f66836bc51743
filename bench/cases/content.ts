/** Bulk bytes over REST: an object of 256 MiB up and down, against node:http alone moving the same bytes. */
import { request } from "node:http";
import { MIB } from "../../src/device/limits.ts";
import { startBareServer } from "../harness/bare-server.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { startBenchDaemon } from "../harness/daemon.ts";
import { median, medianRatio } from "../harness/statistics.ts";

const CONTENT_BYTES = 256 * MIB;
const PIECE_BYTES = MIB;
const ROUNDS = 7;

export const benchmark: Benchmark = {
  title: "PUT and GET of 256 MiB of content.",
  async run(report) {
    await using daemon = await startBenchDaemon(["--lmem", "512MiB", "--smem", "512MiB"]);
    await using bare = await startBareServer("bare-http", [String(CONTENT_BYTES)]);
    const created = await fetch(`${daemon.url}/v1/devices/card0/objects`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ size: String(CONTENT_BYTES), regions: ["lmem0"] }),
    });
    if (!created.ok) throw new Error(`The object was not created: ${await created.text()}`);
    const ours = `${daemon.url}/v1/devices/card0/objects/1/content`;
    const theirs = `http://127.0.0.1:${bare.port}/`;
    const samples = { put: [] as number[], get: [] as number[] };
    const limits = { put: [] as number[], get: [] as number[] };
    for (let round = 0; round <= ROUNDS; round++) {
      const measured = [await put(theirs), await put(ours), await get(theirs), await get(ours)] as const;
      // The first round warms code and memory, and is not counted.
      if (round === 0) continue;
      limits.put.push(measured[0]);
      samples.put.push(measured[1]);
      limits.get.push(measured[2]);
      samples.get.push(measured[3]);
    }
    for (const direction of ["put", "get"] as const) {
      report({
        name: `${direction.toUpperCase()} 256 MiB`,
        figure: median(samples[direction]),
        unit: "GB/s",
        limit: { name: "bare node:http", figure: median(limits[direction]) },
        ratio: medianRatio(samples[direction], limits[direction]),
        aim: { of: "ratio", atLeast: 0.7 },
      });
    }
  },
};

const piece = new Uint8Array(PIECE_BYTES).fill(7);

/** GB/s of sending the content. */
function put(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const headers = { "content-length": CONTENT_BYTES, "content-type": "application/octet-stream" };
    const call = request(url, { method: "PUT", headers }, (response) => {
      response.resume().on("end", () => {
        if ((response.statusCode ?? 500) >= 300) reject(new Error(`${url} answered ${response.statusCode}.`));
        else resolve(CONTENT_BYTES / 1e6 / (performance.now() - start));
      });
    });
    call.on("error", reject);
    let left = CONTENT_BYTES;
    const send = (): void => {
      while (left > 0) {
        left -= PIECE_BYTES;
        if (!call.write(piece)) break;
      }
      if (left === 0) call.end();
      else call.once("drain", send);
    };
    send();
  });
}

/** GB/s of receiving it. */
function get(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    let bytes = 0;
    request(url, (response) => {
      response.on("data", (chunk: Uint8Array) => {
        bytes += chunk.length;
      });
      response.on("end", () => {
        if (bytes !== CONTENT_BYTES) reject(new Error(`${url} sent ${bytes} bytes.`));
        else resolve(CONTENT_BYTES / 1e6 / (performance.now() - start));
      });
    })
      .on("error", reject)
      .end();
  });
}
