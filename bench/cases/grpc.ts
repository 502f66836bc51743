/** Small answers over gRPC: the daemon's GetDevice against grpc-js alone with the same bytes. */
import { Client, credentials } from "@grpc/grpc-js";
import { GetDeviceRequest } from "../../src/contract/gen/torpor/v1/device.ts";
import { startBareServer } from "../harness/bare-server.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { startBenchDaemon } from "../harness/daemon.ts";
import { median, medianRatio } from "../harness/statistics.ts";

const METHOD = "/torpor.v1.DeviceService/GetDevice";
const IN_FLIGHT = 64;
const CALLS = 20_000;
const ROUNDS = 5;

export const benchmark: Benchmark = {
  title: "GetDevice, 64 calls in flight on one connection.",
  async run(report) {
    const request = Buffer.from(GetDeviceRequest.encode({ name: "devices/card0" }).finish());
    await using daemon = await startBenchDaemon();
    const answer = await callOnce(daemon.grpc, request);
    await using bare = await startBareServer("bare-grpc", [METHOD, answer.toString("base64")]);
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      const limit = await callsPerSecond(`127.0.0.1:${bare.port}`, request);
      const figure = await callsPerSecond(daemon.grpc, request);
      // The first round warms both, and is not counted.
      if (round === 0) continue;
      theirs.push(limit);
      ours.push(figure);
    }
    report({
      name: "GetDevice",
      figure: median(ours),
      unit: "calls/s",
      limit: { name: "bare grpc-js", figure: median(theirs) },
      ratio: medianRatio(ours, theirs),
      aim: { of: "ratio", atLeast: 0.9 },
    });
  },
};

async function callOnce(address: string, request: Buffer): Promise<Buffer> {
  const client = new Client(address, credentials.createInsecure());
  const answer = await call(client, request);
  client.close();
  return answer;
}

async function callsPerSecond(address: string, request: Buffer): Promise<number> {
  const client = new Client(address, credentials.createInsecure());
  let left = CALLS;
  const caller = async (): Promise<void> => {
    while (left-- > 0) await call(client, request);
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
  const seconds = (performance.now() - start) / 1000;
  client.close();
  return CALLS / seconds;
}

function call(client: Client, request: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, answer?: Buffer): void => {
      if (error !== null) reject(error);
      else resolve(answer ?? Buffer.alloc(0));
    };
    client.makeUnaryRequest(METHOD, bytes, bytes, request, done);
  });
}

function bytes(value: Buffer): Buffer {
  return value;
}
