/** A client of the REST wire from outside: no code of the daemon, so that a mistake there cannot hide here. */
import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { type MetricsText, parseMetrics } from "./metrics-text.ts";

/** The fields of an object that the container tests look at (proto3 JSON: 64-bit integers are strings). */
export interface RestObject {
  readonly name: string;
  readonly size: string;
  readonly region: string;
  readonly state: string;
  readonly extents: readonly { readonly offset: string; readonly length: string }[];
  readonly pinCount: number;
  readonly hasBackup: boolean;
}

export interface RestDevice {
  readonly name: string;
  readonly powerState: string;
  readonly dState: string;
  readonly wedged: boolean;
}

export interface RestPhase {
  readonly phase: string;
  readonly objects: number;
  readonly bytes: string;
  readonly blitterBytes: string;
  readonly memcpyBytes: string;
}

export interface RestTransition {
  readonly state: string;
  readonly phases: readonly RestPhase[];
  readonly evictedObjects: number;
  readonly evictedBytes: string;
  readonly backupObjects: number;
  readonly backupBytes: string;
  readonly restoredObjects: number;
  readonly restoredBytes: string;
  readonly wedged: boolean;
}

/** What a refused call answers, as far as a program looks at it. */
export interface RestRefusal {
  readonly httpStatus: number;
  readonly status: string;
  readonly reasons: readonly string[];
}

interface ErrorBody {
  readonly error: { readonly status: string; readonly details: readonly { readonly reason?: string }[] };
}

/** What a daemon that is too busy asks for, and how often it is heeded. */
const RETRY_MS = 250;
const TURNED_AWAY_MAX = 60;

/** Sends again what a daemon turned away because the machine is busy with something else. */
async function fetchWhenFree(url: string, init?: RequestInit): Promise<Response> {
  for (let turnedAway = 0; ; turnedAway++) {
    const answer = await fetch(url, init);
    if (answer.status !== 503 || turnedAway === TURNED_AWAY_MAX) return answer;
    if (!(await answer.clone().text()).includes('"OVERLOADED"')) return answer;
    await pause(RETRY_MS);
  }
}

export class RestClient {
  readonly #base: string;

  constructor(httpUrl: string) {
    this.#base = httpUrl;
  }

  get<T>(path: string): Promise<T> {
    return this.#json<T>("GET", path);
  }

  post<T>(path: string, body: object = {}): Promise<T> {
    return this.#json<T>("POST", path, JSON.stringify(body));
  }

  async delete(path: string): Promise<void> {
    const answer = await fetchWhenFree(`${this.#base}/v1/${path}`, { method: "DELETE" });
    const said = await answer.text();
    if (!answer.ok) throw new Error(`DELETE ${path} answered ${answer.status}: ${said}`);
  }

  async upload(object: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const answer = await fetchWhenFree(`${this.#base}/v1/${object}/content`, {
      method: "PUT",
      headers: { "content-type": "application/octet-stream" },
      body: bytes,
    });
    const said = await answer.text();
    if (!answer.ok) throw new Error(`PUT content of ${object} answered ${answer.status}: ${said}`);
  }

  /** SHA-256 of the first bytes of an object, taken of what really came over the wire. */
  async downloadSha256(object: string, length: number): Promise<string> {
    const headers = { range: `bytes=0-${length - 1}` };
    const answer = await fetchWhenFree(`${this.#base}/v1/${object}/content`, { headers });
    if (answer.status !== 206 || answer.body === null) {
      throw new Error(`GET content of ${object} answered ${answer.status}: ${await answer.text()}`);
    }
    const hash = createHash("sha256");
    for await (const chunk of answer.body) hash.update(chunk);
    return hash.digest("hex");
  }

  /** Expects a read of content to be refused. */
  async refusedDownload(object: string): Promise<RestRefusal> {
    const answer = await fetchWhenFree(`${this.#base}/v1/${object}/content`);
    if (answer.ok) throw new Error(`GET content of ${object} was answered, not refused.`);
    const { error } = (await answer.json()) as ErrorBody;
    const reasons = error.details.flatMap((detail) => (detail.reason === undefined ? [] : [detail.reason]));
    return { httpStatus: answer.status, status: error.status, reasons };
  }

  async metrics(): Promise<MetricsText> {
    const answer = await fetchWhenFree(`${this.#base}/metrics`);
    return parseMetrics(await answer.text());
  }

  async #json<T>(method: string, path: string, body?: string): Promise<T> {
    const answer = await fetchWhenFree(
      `${this.#base}/v1/${path}`,
      body === undefined ? { method } : { method, body },
    );
    const said = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${said}`);
    return JSON.parse(said) as T;
  }
}
