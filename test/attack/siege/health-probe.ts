/**
 * A thread that asks a daemon for its health again and again, each time on a new connection, as a probe does.
 */
import { connect as connectHttp2 } from "node:http2";
import { request } from "node:https";
import { setTimeout as pause } from "node:timers/promises";
import { parentPort, Worker, workerData } from "node:worker_threads";
import type { Endpoint } from "./attack.ts";

/** How long one answer may take before it counts as none. Unit: milliseconds. */
const ANSWER_MS = 5_000;
const EVERY_MS = 50;

export interface Probes {
  /** Of those that were answered, in the order in which they were sent. Unit: milliseconds. */
  readonly latenciesMs: readonly number[];
  readonly unanswered: number;
}

interface ProbeTarget {
  readonly http: Endpoint;
  readonly grpc: Endpoint;
}

/** Asks both wires in turn until `signal` ends. */
export async function probeHealth(target: ProbeTarget, signal: AbortSignal): Promise<Probes> {
  const { http, grpc } = target;
  const worker = new Worker(new URL(import.meta.url), { workerData: { http, grpc } });
  const answer = new Promise<Probes>((resolve, reject) => {
    worker.once("message", resolve).once("error", reject);
  });
  const stop = () => worker.postMessage("stop");
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  try {
    return await answer;
  } finally {
    await worker.terminate();
  }
}

async function probe(port: NonNullable<typeof parentPort>, { http, grpc }: ProbeTarget): Promise<void> {
  const latenciesMs: number[] = [];
  let unanswered = 0;
  let isOver = false;
  port.once("message", () => {
    isOver = true;
  });
  for (let turn = 0; !isOver; turn++) {
    const start = performance.now();
    try {
      await (turn % 2 === 0 ? askHttp(http) : askGrpc(grpc));
      latenciesMs.push(performance.now() - start);
    } catch {
      unanswered++;
    }
    await pause(EVERY_MS);
  }
  port.postMessage({ latenciesMs, unanswered });
}

function askHttp({ host, port }: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { host, port, path: "/readyz", agent: false, rejectUnauthorized: false };
    const call = request(options, (response) => {
      response.resume().once("end", () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`status ${response.statusCode}`));
      });
    });
    call.setTimeout(ANSWER_MS, () => call.destroy(new Error("no answer")));
    call.once("error", reject);
    call.end();
  });
}

function askGrpc({ host, port }: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`https://${host}:${port}`, { rejectUnauthorized: false });
    const timer = setTimeout(() => fail(new Error("no answer")), ANSWER_MS);
    const fail = (error: Error) => {
      session.destroy();
      reject(error);
    };
    session.on("error", fail);
    session.on("close", () => {
      clearTimeout(timer);
      reject(new Error("the connection was ended"));
    });
    const stream = session.request({
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Check",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", fail);
    stream.on("trailers", (trailers) => {
      if (trailers["grpc-status"] === "0") resolve();
      session.destroy();
    });
    stream.resume();
    stream.end(Buffer.alloc(5));
  });
}

if (parentPort !== null) void probe(parentPort, workerData);
