/** One client of a crowd, the same over either wire: calls that it may leave in their middle. */
import assert from "node:assert/strict";
import { Client, credentials } from "@grpc/grpc-js";
import { connect, type TorporClient, TorporError } from "../../src/client/mod.ts";
import { watchOverGrpc } from "./event-streams.ts";

/** Far above what a call takes among a hundred clients; a daemon that hangs is found by it. */
const ANSWER_TIMEOUT_MS = 15_000;

/** Everything rejects with what `reasonOf` reads. */
export interface CrowdClient extends Disposable {
  /** Pins or unpins. With `leave` it waits for transitions, until it goes away. */
  act(object: string, verb: "pin" | "unpin", leave?: AbortSignal): Promise<void>;
  create(sizeBytes: number): Promise<string>;
  remove(object: string): Promise<void>;
  /** Sends `data` in pieces; goes away before the piece at `leaveAt`, when there is one. */
  upload(object: string, data: Uint8Array, leaveAt?: number): Promise<void>;
  /** Reads all, or goes away after the first piece. */
  download(object: string, leaves: boolean): Promise<Uint8Array>;
  evict(region: string): Promise<void>;
  /** Makes a context and has it write the first dword of an object, over and over. */
  work(object: string): Promise<void>;
  /** Suspends to S3 and resumes. */
  sleep(): Promise<void>;
  /** Watches until `leave`; resolves when the stream has ended. */
  watch(leave: AbortSignal): Promise<void>;
}

export const PIECE_BYTES = 16 * 1024;
const DEVICE = "devices/card0";

/** The reason of a refusal; undefined when the call was left or its connection broke because of that. */
export function reasonOf(error: unknown): string | undefined {
  if (error instanceof RefusedByDaemon) return error.reason;
  if (error instanceof TorporError) return error.code === "CANCELLED" ? undefined : error.reason;
  if (
    error instanceof Error &&
    error.name !== "TimeoutError" &&
    /abort|cancel|terminated/i.test(`${error.name} ${error.message}`)
  )
    return undefined;
  throw error;
}

class RefusedByDaemon extends Error {
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

async function* piecesOf(data: Uint8Array, leave: () => void, leaveAt = Number.POSITIVE_INFINITY) {
  for (let at = 0; at < data.byteLength; at += PIECE_BYTES) {
    if (at >= leaveAt) leave();
    yield data.subarray(at, at + PIECE_BYTES);
    // Lets pieces go out one by one, so that a client can be gone between two.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export function grpcClient(address: string): CrowdClient {
  const client: TorporClient = connect({ address, retriesMax: 0, timeoutMs: ANSWER_TIMEOUT_MS });
  const watcher = new Client(address, credentials.createInsecure());
  const timeoutMs = ANSWER_TIMEOUT_MS;
  return {
    async act(name, verb, signal) {
      const request = { name, holdDuringTransition: signal !== undefined };
      const options = { signal, timeoutMs };
      if (verb === "pin") await client.pinObject(request, options);
      else await client.unpinObject(request, options);
    },
    async create(size) {
      return (await client.createObject({ parent: DEVICE, size })).name;
    },
    async remove(name) {
      await client.deleteObject({ name });
    },
    async upload(name, data, leaveAt) {
      const left = new AbortController();
      const source = piecesOf(data, () => left.abort(), leaveAt);
      await client.upload(name, source, { size: data.byteLength, signal: left.signal, timeoutMs });
    },
    async download(name, leaves) {
      const pieces: Uint8Array[] = [];
      for await (const piece of client.download(name, { timeoutMs })) {
        pieces.push(piece);
        if (leaves) break;
      }
      return Buffer.concat(pieces);
    },
    async evict(region) {
      await client.evictRegion({ name: `${DEVICE}/regions/${region}`, bytes: 65_536 });
    },
    async work(object) {
      const { name } = await client.createContext({ parent: DEVICE, engine: "rcs0" });
      const storeDword = { object, offset: 0, value: 1 };
      await client.submitWork({ name, commands: [{ command: { $case: "storeDword", value: storeDword } }] });
    },
    async sleep() {
      await client.suspend({ name: DEVICE });
      await client.resume({ name: DEVICE });
    },
    async watch(leave) {
      // torpor/client has no watch of its own yet.
      const events = watchOverGrpc(watcher)();
      leave.addEventListener("abort", () => events.cut());
      for await (const _event of events);
    },
    [Symbol.dispose]() {
      client.close();
      watcher.close();
    },
  };
}

export function restClient(url: string): CrowdClient {
  async function send(
    method: string,
    path: string,
    body: RequestInit["body"] | undefined,
    leave?: AbortSignal,
  ) {
    const timeout = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    const signal = leave === undefined ? timeout : AbortSignal.any([leave, timeout]);
    const init = { method, signal, ...(body === undefined ? {} : { body, duplex: "half" as const }) };
    const response = await fetch(`${url}/v1/${path}`, init);
    if (response.ok) return response;
    const { error } = (await response.json()) as {
      error: { message: string; details: { reason: string }[] };
    };
    throw new RefusedByDaemon(error.details[0]?.reason ?? "", error.message);
  }
  const call = async (path: string, fields: object, leave?: AbortSignal) =>
    (await (await send("POST", path, JSON.stringify(fields), leave)).json()) as { name?: string };
  return {
    async act(name, verb, signal) {
      await call(`${name}:${verb}`, { holdDuringTransition: signal !== undefined }, signal);
    },
    async create(size) {
      return String((await call(`${DEVICE}/objects`, { size: String(size) })).name);
    },
    async remove(name) {
      await (await send("DELETE", name, undefined)).text();
    },
    async upload(name, data, leaveAt) {
      const left = new AbortController();
      const source = ReadableStream.from(piecesOf(data, () => left.abort(), leaveAt));
      await (await send("PUT", `${name}/content`, source, left.signal)).text();
    },
    async download(name, leaves) {
      const left = new AbortController();
      const response = await send("GET", `${name}/content`, undefined, left.signal);
      assert(response.body !== null);
      const pieces: Uint8Array[] = [];
      for await (const piece of response.body) {
        pieces.push(piece);
        if (leaves) left.abort();
      }
      return Buffer.concat(pieces);
    },
    async evict(region) {
      await call(`${DEVICE}/regions/${region}:evict`, { bytes: "65536" });
    },
    async work(object) {
      const { name } = await call(`${DEVICE}/contexts`, { engine: "rcs0" });
      await call(`${name}:submit`, { commands: [{ storeDword: { object, offset: "0", value: 1 } }] });
    },
    async sleep() {
      await call(`${DEVICE}:suspend`, {});
      await call(`${DEVICE}:resume`, {});
    },
    async watch(leave) {
      const response = await fetch(`${url}/v1/events`, { signal: leave });
      assert(response.body !== null);
      for await (const _piece of response.body);
    },
    [Symbol.dispose]: () => {},
  };
}
