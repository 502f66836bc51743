/** A daemon under attack: sends requests that were made up, over both wires, and keeps something there to be attacked. */
import assert from "node:assert/strict";
import { Agent, request as httpRequest } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { judgeGrpc, judgeRest, type Verdict } from "./fuzz-judge.ts";

/** Far above what any answer takes, in a run where waits that are legal are short. */
const ANSWER_TIMEOUT_MS = 15_000;
/** A call may be held for as long as the device sleeps: after this time it is woken. */
const HELD_MS = 1_000;
/** How many attacks one population must bear. */
const POPULATION_RUNS = 25;
/** From time to time everything goes, so that limits are not all that is seen. */
const FACTORY_RUNS = 150;

export type Headers = Readonly<Record<string, string>>;

interface Addresses {
  readonly url: string;
  readonly grpc: string;
}

export interface HttpAttack {
  readonly method: string;
  readonly path: string;
  readonly headers?: Headers;
  readonly body?: Buffer | undefined;
}

/** What is there, by kind: the placeholders of `fuzz-messages.ts` stand for these. */
type Existing = Record<"object" | "context" | "fence" | "transition", readonly string[]>;

const keep = (bytes: Buffer) => bytes;

export class FuzzTarget implements Disposable {
  readonly #addresses;
  readonly #client;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #admin: Headers;
  #existing: Existing = { object: [], context: [], fence: [], transition: [] };
  #runs = 0;

  /** @param admin headers of one who may do everything */
  constructor(addresses: Addresses, admin: Headers = {}) {
    this.#addresses = addresses;
    this.#admin = admin;
    this.#client = new Client(addresses.grpc, credentials.createInsecure());
  }

  [Symbol.dispose](): void {
    this.#client.close();
    this.#agent.destroy();
  }

  /** Replaces `{object3}` by the id of an object, and so on; by 1 when there is none. */
  fill(text: string): string {
    return text.replace(/\{(object|context|fence|transition)(\d)\}/g, (_all, kind: keyof Existing, digit) => {
      const ids = this.#existing[kind];
      return ids[Number(digit) % Math.max(1, ids.length)] ?? "1";
    });
  }

  /** Calls with any number of messages, whatever kind of method it is. A stream is left after its first answer. */
  async grpc(rpc: string, messages: readonly Buffer[], headers: Headers = {}): Promise<Verdict> {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    const call = this.#client.makeBidiStreamRequest(`/${rpc}`, keep, keep, metadata);
    const isStream = /ReadObject$|WatchEvents$/.test(rpc);
    call.on("error", () => {});
    const ended = new Promise<Verdict>((resolve, reject) => {
      call.on("data", () => {
        if (!isStream) return;
        call.cancel();
        resolve({ ok: true, reason: "OK" });
      });
      call.on("status", ({ code, details, metadata: trailers }) => {
        try {
          resolve(judgeGrpc(code, details, trailers));
        } catch (error) {
          reject(error);
        }
      });
    });
    for (const message of messages) call.write(message);
    call.end();
    return this.#bounded(ended, rpc, () => call.cancel());
  }

  /** Sends what a client library of HTTP can send. A stream of events is left when it has begun. */
  http({ method, path, headers = {}, body }: HttpAttack): Promise<Verdict> {
    const { hostname, port } = new URL(this.#addresses.url);
    const options = { hostname, port, method, path, headers, agent: this.#agent };
    const request = httpRequest(options);
    const ended = new Promise<Verdict>((resolve, reject) => {
      request.on("error", reject);
      request.on("response", (response) => {
        const chunks: Buffer[] = [];
        const isEvents = /^text\/event-stream/.test(response.headers["content-type"] ?? "");
        response.on("data", (chunk: Buffer) => {
          chunks.push(chunk);
          if (isEvents) request.destroy();
        });
        response.on("error", () => {});
        response.on("close", () => {
          try {
            const text = Buffer.concat(chunks).toString();
            resolve(judgeRest(response.statusCode ?? 0, text, method !== "HEAD"));
          } catch (error) {
            reject(error);
          }
        });
      });
    });
    request.end(body);
    return this.#bounded(ended, `${method} ${path}`, () => request.destroy());
  }

  /** Sends bytes that may be HTTP, and no more after them. The first answer counts; to what was cut off there may be none. */
  async raw(bytes: Buffer): Promise<Verdict> {
    const { hostname, port } = new URL(this.#addresses.url);
    const socket = connect(Number(port), hostname);
    const ended = new Promise<string>((resolve) => {
      let answer = "";
      socket.setEncoding("utf8");
      socket.on("data", (part: string) => {
        answer += part;
        if (/^content-type: text\/event-stream.*\r\n\r\n/ims.test(answer)) socket.destroy();
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(answer));
    });
    socket.end(bytes);
    const answer = await this.#bounded(ended, "a raw request", () => socket.destroy());
    if (answer === "") return { ok: false, reason: "none" };
    const [, code, head = "", rest = ""] = /^HTTP\/1\.1 (\d{3})(.*?)\r\n\r\n(.*)$/s.exec(answer) ?? [];
    assert(code !== undefined, `an answer in HTTP: ${answer.slice(0, 200)}`);
    const length = /content-length: (\d+)/i.exec(head)?.[1];
    const body = length === undefined ? rest : Buffer.from(rest).subarray(0, Number(length)).toString();
    return judgeRest(Number(code), body, length !== undefined && body !== "");
  }

  /** Sends bytes as the body of a gRPC call, which may be no messages, and ends or resets the stream. */
  async frames(rpc: string, bytes: Buffer, resets: boolean, headers: Headers = {}): Promise<Verdict> {
    const session = connectHttp2(`http://${this.#addresses.grpc}`);
    session.on("error", () => {});
    const stream = session.request({
      ...headers,
      ":method": "POST",
      ":path": `/${rpc}`,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const ended = new Promise<Verdict>((resolve, reject) => {
      const settle = (fields: Record<string, unknown>) => {
        if (fields["grpc-status"] === undefined) return;
        const trailers = new Metadata();
        const details = fields["grpc-status-details-bin"];
        if (typeof details === "string")
          trailers.set("grpc-status-details-bin", Buffer.from(details, "base64"));
        try {
          resolve(judgeGrpc(Number(fields["grpc-status"]), String(fields["grpc-message"]), trailers));
        } catch (error) {
          reject(error);
        }
      };
      stream.on("response", settle);
      stream.on("trailers", settle);
      stream.on("error", () => {});
      stream.on("close", () => resolve({ ok: false, reason: "none" }));
      stream.on("data", () => {
        if (/ReadObject$|WatchEvents$/.test(rpc)) stream.close();
      });
    });
    if (resets) stream.write(bytes, () => stream.close());
    else stream.end(bytes);
    try {
      return await this.#bounded(ended, `frames of ${rpc}`, () => stream.close());
    } finally {
      session.destroy();
    }
  }

  /** After an attack: the daemon answers, and there is something to attack. */
  async recover(): Promise<void> {
    const device = await this.#ask("GET", "/v1/devices/card0");
    const { powerState, wedged } = device;
    assert(typeof powerState === "string", `the device is shown: ${JSON.stringify(device)}`);
    this.#runs += 1;
    if (powerState === "FAILED" || wedged === true || this.#runs % FACTORY_RUNS === 0) {
      await this.#ask("POST", "/v1/devices/card0:reset", { scope: "FACTORY" });
    } else if (powerState === "SUSPENDED" && this.#runs % 3 === 0) {
      await this.#ask("POST", "/v1/devices/card0:resume", {});
    }
    if (this.#runs % POPULATION_RUNS === 1) await this.#populate();
  }

  async #populate(): Promise<void> {
    const device = "/v1/devices/card0";
    for (let index = 0; index < 4; index++) {
      await this.#ask("POST", `${device}/objects`, { size: String(65_536 << index), label: "a" });
    }
    const { name } = await this.#ask("POST", `${device}/contexts`, { engine: "rcs0" });
    if (typeof name === "string") await this.#ask("POST", `/v1/${name}:submit`, {});
    const [objects, contexts, transitions] = await Promise.all(
      ["objects", "contexts", "transitions"].map(async (kind) => {
        const { [kind]: found } = await this.#ask("GET", `${device}/${kind}?pageSize=8`);
        const resources: readonly { readonly name: string }[] = Array.isArray(found) ? found : [];
        return resources.map(({ name: full }) => full.split("/").at(-1) ?? "");
      }),
    );
    const fence = ["1", "2", String(this.#runs)];
    this.#existing = { object: objects ?? [], context: contexts ?? [], fence, transition: transitions ?? [] };
  }

  /** A request that makes sense; a refusal of it must still be one of the rules. */
  async #ask(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const answer = await fetch(`${this.#addresses.url}${path}`, {
      method,
      headers: { ...this.#admin },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    const text = await answer.text();
    judgeRest(answer.status, text);
    return JSON.parse(text);
  }

  async #bounded<T>(ended: Promise<T>, what: string, giveUp: () => void): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const wake = () => void this.#ask("POST", "/v1/devices/card0:resume", {}).catch(reject);
    const waking = setTimeout(wake, HELD_MS);
    const timer = setTimeout(() => {
      reject(new Error(`No answer to ${what} after ${ANSWER_TIMEOUT_MS} ms.`));
      giveUp();
    }, ANSWER_TIMEOUT_MS);
    try {
      return await Promise.race([ended, promise]);
    } finally {
      clearTimeout(waking);
      clearTimeout(timer);
    }
  }
}
