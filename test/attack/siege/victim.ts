/**
 * The daemon under attack: a process of its own with default sizes, tokens and TLS, within a memory limit
 * where one can be had.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { newToken } from "../../../src/server/auth/new-token.ts";
import { TORPORD_CERTIFICATE, TORPORD_KEY } from "../../support/certificates.ts";
import { patternOf } from "../../support/test-device.ts";
import type { Endpoint, Target } from "./attack.ts";
import { limitMemory, type MemoryLimit, noLimit } from "./memory-limit.ts";

const MAIN = fileURLToPath(new URL("../../../src/server/main.js", import.meta.url));
const OBJECT_BYTES = 4 * 2 ** 20;
const PATIENCE_MS = 30_000;
const POLL_MS = 20;

/** Sizes of local and system memory; undefined for those that a daemon has by default. */
export interface VictimOptions {
  readonly memoryLimitBytes?: number;
  readonly words?: readonly string[];
}

export class Victim implements Target, AsyncDisposable {
  readonly limit: MemoryLimit;
  readonly tokens;
  #http: Endpoint | undefined;
  #grpc: Endpoint | undefined;
  /** Who is to be served whatever the others do. */
  readonly #keeper: string;
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #directory: string;
  #object = "";
  #pid: number | undefined;

  private constructor({ memoryLimitBytes, words = [] }: VictimOptions) {
    this.#directory = mkdtempSync(join(tmpdir(), "torpor-attack-"));
    const [viewer, operator] = [newToken("viewer", "viewer"), newToken("operator", "operator")];
    const keeper = newToken("keeper", "operator");
    this.#keeper = keeper.token;
    this.tokens = { viewer: viewer.token, operator: operator.token };
    const file = (name: string, text: string) => {
      writeFileSync(this.#path(name), text, { mode: 0o600 });
      return this.#path(name);
    };
    const secrets = [
      ...["--tokens", file("tokens.yaml", `tokens:\n${viewer.line}\n${operator.line}\n${keeper.line}\n`)],
      ...["--tls-cert", file("cert.pem", TORPORD_CERTIFICATE), "--tls-key", file("key.pem", TORPORD_KEY)],
    ];
    this.limit =
      memoryLimitBytes === undefined
        ? noLimit("Memory is not limited.")
        : limitMemory({ limitBytes: memoryLimitBytes, directory: this.#directory });
    const all = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", ...secrets, ...words];
    const log = openSync(this.#path("log"), "w");
    const [program = "", ...rest] = this.limit.command([process.execPath, MAIN, ...all]);
    this.#child = spawn(program, rest, { stdio: ["ignore", log, log] });
    closeSync(log);
    this.#exit = once(this.#child, "exit");
  }

  /** Starts it, and puts an object into it whose bytes are to last. */
  static async start(options: VictimOptions = {}): Promise<Victim> {
    const victim = new Victim(options);
    try {
      await victim.#ready();
      await victim.#fill();
    } catch (error) {
      await victim[Symbol.asyncDispose]();
      throw error;
    }
    return victim;
  }

  get http(): Endpoint {
    assert(this.#http !== undefined, "the daemon is ready");
    return this.#http;
  }

  get grpc(): Endpoint {
    assert(this.#grpc !== undefined, "the daemon is ready");
    return this.#grpc;
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** How it ended; undefined while it runs. */
  get end(): string | undefined {
    return this.isAlive ? undefined : String(this.#child.signalCode ?? this.#child.exitCode);
  }

  get logBytes(): number {
    return statSync(this.#path("log")).size;
  }

  get log(): string {
    return readFileSync(this.#path("log"), "utf8");
  }

  /** The largest resident set since the last look. Unit: bytes. */
  peakBytes(): number {
    if (!this.isAlive) return 0;
    const path = `/proc/${this.#daemonPid()}`;
    const [, kib = "0"] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`${path}/status`, "utf8")) ?? [];
    // Begins anew (proc(5)).
    writeFileSync(`${path}/clear_refs`, "5");
    return Number(kib) * 1024;
  }

  /** Processor time that it has taken so far. Unit: seconds. */
  cpuSeconds(): number {
    if (!this.isAlive) return 0;
    // Behind the name, which may have spaces: user and system time in hundredths of a second (proc(5)).
    const [, fields = ""] = readFileSync(`/proc/${this.#daemonPid()}/stat`, "utf8").split(") ");
    const [user = 0, system = 0] = fields.split(" ").slice(11, 13).map(Number);
    return (user + system) / 100;
  }

  /** Whether every byte of the device is as it was written; a device that sleeps is woken. */
  async isIntact(): Promise<boolean> {
    await this.#rest("POST", "/v1/devices/card0:resume", Buffer.from("{}"));
    const { status, body } = await this.#rest("GET", `/v1/${this.#object}/content`);
    return status === 200 && hash(body) === hash(patternOf(1, OBJECT_BYTES));
  }

  /**
   * What the keeper of the device was refused for want of room. That the daemon is too busy is no such thing,
   * but for what ends other calls.
   */
  async refusals(): Promise<readonly string[]> {
    const asked = Object.entries({
      "/v1/devices": "GET",
      "/v1/devices/card0/objects": "GET",
      "/v1/devices/card0/transitions/9999:cancel": "POST",
      "/v1/devices/card0:resume": "POST",
    });
    const refused: string[] = [];
    for (const [path, method] of asked) {
      const body = method === "POST" ? Buffer.from("{}") : undefined;
      const answer = await this.#rest(method, path, body);
      const text = String(answer.body);
      const isBusy = method === "GET" && text.includes("too busy");
      if (!isBusy && /"(OVERLOADED|LIMIT_EXCEEDED)"/.test(text)) refused.push(`${path}: ${text}`);
    }
    return refused;
  }

  /** All metrics, as text. */
  async metrics(): Promise<string> {
    return String((await this.#rest("GET", "/metrics")).body);
  }

  /** Asks it to end; answers its exit code. */
  async stop(): Promise<number | null> {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), PATIENCE_MS);
    await this.#exit;
    clearTimeout(timer);
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exit;
    this.limit.remove();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #daemonPid(): number | undefined {
    this.#pid ??= this.limit.pidOf(this.#child.pid);
    return this.#pid;
  }

  async #ready(): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (performance.now() < end && this.isAlive) {
      const line = this.log.split("\n").find((text) => text.includes('"msg":"ready"'));
      if (line !== undefined) {
        const { http, grpc } = Object(JSON.parse(line));
        this.#http = endpointOf(String(http).replace("https://", ""));
        this.#grpc = endpointOf(String(grpc));
        return;
      }
      await pause(POLL_MS);
    }
    throw new Error(`The daemon was not ready; its log was:\n${this.log}`);
  }

  async #fill(): Promise<void> {
    const spec = JSON.stringify({ size: String(OBJECT_BYTES) });
    const { status, body } = await this.#rest("POST", "/v1/devices/card0/objects", Buffer.from(spec));
    assert.equal(status, 200, String(body));
    this.#object = Object(JSON.parse(String(body))).name;
    const put = await this.#rest("PUT", `/v1/${this.#object}/content`, patternOf(1, OBJECT_BYTES));
    assert.equal(put.status, 200, String(put.body));
  }

  #rest(method: string, path: string, body?: Uint8Array): Promise<{ status: number; body: Buffer }> {
    const headers = { authorization: `Bearer ${this.#keeper}` };
    return new Promise((resolve, reject) => {
      const call = request(
        { ...this.http, method, path, headers, agent: false, rejectUnauthorized: false },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", reject);
          response.on("end", () =>
            resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }),
          );
        },
      );
      call.setTimeout(PATIENCE_MS, () => call.destroy(new Error(`${method} ${path} was not answered`)));
      call.on("error", reject);
      call.end(body);
    });
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}

function endpointOf(text: string): Endpoint {
  const [, host = "", port = ""] = /^(.*):(\d+)$/.exec(text) ?? [];
  return { host, port: Number(port) };
}

function hash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
