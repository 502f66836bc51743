/** Small answers over gRPC: the daemon's GetDevice against grpc-js alone with the same bytes. */
import { Client, credentials } from "@grpc/grpc-js";
import { GetDeviceRequest } from "../../src/contract/gen/torpor/v1/device.ts";
import { startBareServer } from "../harness/bare-server.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { compareRates, type Measured } from "../harness/call-rate.ts";
import { startBenchDaemon } from "../harness/daemon.ts";

const METHOD = "/torpor.v1.DeviceService/GetDevice";
const IN_FLIGHT = 64;
/** A round ends by the clock: a fixed number of calls takes too long on a loaded machine. */
const ROUND_MS = 1_500;
const ROUNDS = 5;

export const benchmark: Benchmark = {
  title: "GetDevice, 64 calls in flight on one connection.",
  async run(report) {
    const request = Buffer.from(GetDeviceRequest.encode({ name: "devices/card0" }).finish());
    await using daemon = await startBenchDaemon();
    const answer = await callOnce(daemon.grpc, request);
    await using bare = await startBareServer("bare-grpc", [METHOD, answer.toString("base64")]);
    const rows = await compareRates({
      name: "GetDevice",
      unit: "calls/s",
      limit: "bare grpc-js",
      ours: { pid: daemon.pid, measure: () => measure(daemon.grpc, request) },
      bare: { pid: bare.pid, measure: () => measure(`127.0.0.1:${bare.port}`, request) },
      rounds: ROUNDS,
      aim: { of: "ratio", atLeast: 0.9 },
    });
    rows.forEach(report);
  },
};

async function callOnce(address: string, request: Buffer): Promise<Buffer> {
  const client = new Client(address, credentials.createInsecure());
  const answer = await call(client, request);
  client.close();
  return answer;
}

async function measure(address: string, request: Buffer): Promise<Measured> {
  const client = new Client(address, credentials.createInsecure());
  const start = performance.now();
  let calls = 0;
  const caller = async (): Promise<void> => {
    for (; performance.now() - start < ROUND_MS; calls++) await call(client, request);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
  const seconds = (performance.now() - start) / 1000;
  client.close();
  return { calls, seconds };
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
