/** A data directory and the daemons that live and die on it, one after the other, each a real process. */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "@bufbuild/protobuf";
import { DaemonProcess } from "./daemon-process.ts";
import { callRest } from "./wires.ts";

/** Small memories boot fast, and system memory that is small needs swap. */
const MEMORIES = ["--lmem", "16MiB", "--smem", "6MiB", "--swap", "8MiB", "--engines", "rcs0,bcs0"];
/** What is swapped for S4 is swapped for hybrid sleep too: otherwise system memory would be too small for it. */
const POLICY = ["--policy", "swap-allowed=s3+s4"];
const PORTS = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"];

export class CrashRig implements AsyncDisposable {
  readonly dataDirectory = mkdtempSync(join(tmpdir(), "torpor-crash-"));
  readonly #daemons: DaemonProcess[] = [];

  /** Where daemons find each other's compiled modules: half of the time that a start takes. */
  readonly #compiled: string;

  /** @param like a rig of which this one gets every file; no daemon runs on them */
  constructor(compiled: string, like?: CrashRig) {
    this.#compiled = compiled;
    if (like !== undefined) cpSync(like.dataDirectory, this.dataDirectory, { recursive: true });
  }

  /** Starts a daemon on the files as they are; `failpoints` are armed before it boots. */
  start(failpoints = ""): DaemonProcess {
    const words = [...MEMORIES, ...POLICY, ...PORTS, "--data-dir", this.dataDirectory, "--enable-faults"];
    // It is a client that hibernates here, and whose device would stay asleep.
    words.push("--restore", "wake");
    const daemon = new DaemonProcess([...words, "--failpoints", failpoints], {
      NODE_COMPILE_CACHE: this.#compiled,
    });
    this.#daemons.push(daemon);
    return daemon;
  }

  /** How many images there are in each state, by the endings of their files. A claim ends with its daemon. */
  images(): { readonly partial: number; readonly sealed: number; readonly consumed: number } {
    const names = readdirSync(join(this.dataDirectory, "images"));
    const count = (ending: string): number => names.filter((name) => name.endsWith(ending)).length;
    const sealed = count(".image") + count(".claimed");
    const counts = { partial: count(".partial"), sealed, consumed: count(".consumed") };
    assert.equal(counts.partial + counts.sealed + counts.consumed, names.length, "there are only images");
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const daemon of this.#daemons) await daemon[Symbol.asyncDispose]();
    rmSync(this.dataDirectory, { recursive: true });
  }
}

/** Calls over REST of a daemon at `url`. */
export type Caller = ((method: string, request: JsonObject) => Promise<JsonObject>) & {
  readonly url: string;
};

/** Waits until the daemon is ready, and calls it. */
export async function callerOf(daemon: DaemonProcess): Promise<Caller> {
  const { http } = await daemon.ready();
  const url = `http://${http}`;
  const call = (method: string, request: JsonObject): Promise<JsonObject> => callRest(url, method, request);
  return Object.assign(call, { url });
}

/** Ends a process as a power cut does, and waits until it is gone. */
export async function killed(daemon: DaemonProcess): Promise<void> {
  daemon.kill("SIGKILL");
  await daemon.exit();
}

/** Jobs two at a time: each has a process of its own, and more of them would only wait for cores. */
export class Lanes {
  readonly #ends: Promise<unknown>[] = [Promise.resolve(), Promise.resolve()];
  #next = 0;

  run<T>(job: () => Promise<T>): Promise<T> {
    const lane = this.#next++ % this.#ends.length;
    const done = Promise.resolve(this.#ends[lane]).then(job);
    this.#ends[lane] = done.catch(() => {});
    return done;
  }
}
