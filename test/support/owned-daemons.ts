/** Daemons on data directories of their own, and what tests of ownership do with them: over REST, and with files. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { DaemonProcess } from "./daemon-process.ts";
import { hashOf, patternOf } from "./test-device.ts";

const SMALL = ["--lmem", "16MiB", "--smem", "32MiB", "--engines", "bcs0"];
const PORTS = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"];
const BYTES = 256 * 1024;
/** Longer than the machine is busy with anything. */
const ATTEMPTS_MAX = 100;
const ATTEMPT_PAUSE_MS = 100;

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** A data directory, and the daemons that run on it one after the other. */
export class OwnedDirectory implements AsyncDisposable {
  readonly path = mkdtempSync(join(tmpdir(), "torpor-owned-"));
  readonly #daemons: DaemonProcess[] = [];

  /** Starts a daemon with a small device and waits until it is ready. */
  start(...words: string[]): Promise<OwnedDaemon> {
    return this.startAs(...SMALL, ...words);
  }

  /** Starts a daemon with no words but these. */
  startAs(...words: string[]): Promise<OwnedDaemon> {
    return this.startWithin([], words);
  }

  protected async startWithin(within: readonly string[], words: readonly string[]): Promise<OwnedDaemon> {
    const common = [...PORTS, "--data-dir", this.path, "--enable-faults"];
    const daemon = new DaemonProcess([...common, ...words], {}, within);
    this.#daemons.push(daemon);
    return new OwnedDaemon(daemon, await daemon.ready());
  }

  /** Names of the image files. */
  files(): readonly string[] {
    return readdirSync(join(this.path, "images")).sort();
  }

  /** Moves an image file elsewhere, as an operator would; `keep` leaves it here too. */
  give(name: string, to: OwnedDirectory, keep = false): void {
    const [from, target] = [join(this.path, "images", name), join(to.path, "images", name)];
    if (keep) cpSync(from, target);
    else renameSync(from, target);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const daemon of this.#daemons) await daemon[Symbol.asyncDispose]();
    rmSync(this.path, { recursive: true, force: true });
  }
}

/**
 * A directory that a test can make read-only under a daemon: a file system of its own, which only the daemon sees. Needs
 * root.
 */
export class RemountedDirectory extends OwnedDirectory {
  override async startAs(...words: string[]): Promise<OwnedDaemon> {
    const images = join(this.path, "images");
    // Not the whole directory: the lock is a file that stays open.
    const mount = `mkdir -p ${images} && mount -t tmpfs -o size=256m none ${images} && exec "$@"`;
    return this.startWithin(["unshare", "--mount", "sh", "-c", mount, "sh"], words);
  }

  remount(daemon: OwnedDaemon, how: "ro" | "rw"): void {
    const mount = ["mount", "-o", `remount,${how}`, join(this.path, "images")];
    execFileSync("nsenter", ["--target", String(daemon.process.pid), "--mount", ...mount]);
  }
}

/** Whether this process may mount file systems in a namespace of its own. */
export function canMount(): boolean {
  try {
    execFileSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", tmpdir()], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

export class OwnedDaemon {
  readonly process: DaemonProcess;
  /** `HOST:PORT` of gRPC. */
  readonly grpc: string;
  readonly #url: string;

  constructor(process: DaemonProcess, { http, grpc }: { readonly http: string; readonly grpc: string }) {
    this.process = process;
    this.grpc = grpc;
    this.#url = `http://${http}`;
  }

  /** Calls, and calls again while the daemon says that the machine is too busy. */
  async call(method: string, path: string, body?: string | Uint8Array): Promise<Answer> {
    const init = body === undefined ? { method } : { method, body: Buffer.from(body) };
    for (let attempt = 1; ; attempt++) {
      const response = await fetch(`${this.#url}/v1/${path}`, init);
      const answer = (await response.json()) as Record<string, unknown>;
      const isBusy = response.status === 503 && JSON.stringify(answer).includes('"OVERLOADED"');
      if (!isBusy || attempt === ATTEMPTS_MAX) return { status: response.status, body: answer };
      await pause(ATTEMPT_PAUSE_MS);
    }
  }

  /** What a call is refused with; "none" when it is not. */
  async reasonOf(method: string, path: string, body?: string): Promise<string> {
    const { status, body: answer } = await this.call(method, path, body);
    if (status < 400) return "none";
    const { error } = answer as { error: { details: readonly { reason?: string }[] } };
    return error.details[0]?.reason ?? "no reason";
  }

  async device(name = "card0"): Promise<Record<string, unknown>> {
    return (await this.call("GET", `devices/${name}`)).body;
  }

  /** Makes an object whose content follows from `seed`. Answers its resource name. */
  async put(seed: number, device = "card0"): Promise<string> {
    const { body } = await this.call(
      "POST",
      `devices/${device}/objects`,
      JSON.stringify({ size: String(BYTES) }),
    );
    const name = String(body.name);
    const { status } = await this.call("PUT", `${name}/content`, patternOf(seed, BYTES));
    if (status !== 200) throw new Error(`${name} was not written: ${status}`);
    return name;
  }

  /** Whether an object has the content of `seed`. */
  async has(name: string, seed: number): Promise<boolean> {
    const response = await fetch(`${this.#url}/v1/${name}/content`);
    return hashOf(new Uint8Array(await response.arrayBuffer())) === hashOf(patternOf(seed, BYTES));
  }

  /** Suspends to S4. Answers the id of the image. */
  async hibernate(device = "card0"): Promise<string> {
    const reason = await this.reasonOf("POST", `devices/${device}:suspend`, '{"state":"S4"}');
    if (reason !== "none") throw new Error(`${device} was not hibernated: ${reason}`);
    return String((await this.device(device)).image).replace("images/", "");
  }

  /** Resumes. Answers the reason of a refusal, or "none". */
  resume(device = "card0", image = ""): Promise<string> {
    const body =
      image === "" ? "{}" : JSON.stringify({ image: `images/${image}`, allowDifferences: ["DEVICE_NAME"] });
    return this.reasonOf("POST", `devices/${device}:resume`, body);
  }

  async image(id: string): Promise<Record<string, unknown>> {
    return (await this.call("GET", `images/${id}`)).body;
  }

  /** Ends as a power cut does. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.exit();
  }

  async stop(): Promise<void> {
    this.process.kill("SIGTERM");
    await this.process.exit();
  }

  arm(failpoint: string, arming: Record<string, unknown>): Promise<Answer> {
    return this.call("PUT", `failpoints/${failpoint}`, JSON.stringify(arming));
  }

  async hitsOf(failpoint: string): Promise<number> {
    const { body } = await this.call("GET", "failpoints");
    const failpoints = body.failpoints as readonly { readonly name: string; readonly hits: string }[];
    return Number(failpoints.find(({ name }) => name === `failpoints/${failpoint}`)?.hits);
  }

  disarm(): Promise<Answer> {
    return this.call("POST", "failpoints:reset");
  }
}
