/**
 * A daemon with default flags under a memory limit, made with real control groups of version 1 or 2: it answers that
 * there is no memory before the kernel acts, and sleeps and wakes with every byte. Needs to be root.
 */
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { RestClient } from "../support/containers-rest.ts";
import { DaemonProcess } from "../support/daemon-process.ts";
import { hashOf, MIB, patternOf } from "../support/test-device.ts";

/** Each object has a pattern of its own, repeated: making 64 MiB of random bytes takes longer than sending them. */
const OBJECT_BYTES = 16 * MIB;

/** A control group with a limit; processes are put into it by a shell that becomes them. */
class Group implements Disposable {
  readonly #directory: string;
  readonly under: readonly string[];

  constructor(limitBytes: number) {
    const root = "/sys/fs/cgroup";
    const isFirst = existsSync(join(root, "memory"));
    this.#directory = join(root, isFirst ? "memory" : "", `torpor-test-${process.pid}-${limitBytes}`);
    mkdirSync(this.#directory);
    writeFileSync(
      join(this.#directory, isFirst ? "memory.limit_in_bytes" : "memory.max"),
      String(limitBytes),
    );
    const enter = `echo $$ > ${this.#directory}/cgroup.procs && exec "$@"`;
    this.under = ["sh", "-c", enter, "sh"];
  }

  [Symbol.dispose](): void {
    rmdirSync(this.#directory);
  }
}

const CHOSEN = ["--lmem", "300MiB", "--smem", "400MiB"];

test.each([
  [512, []],
  [700, []],
  [700, CHOSEN],
  [1100, []],
  [3072, []],
])(
  "in %i MB with %j it fills, sleeps and wakes, and is not killed",
  async (mib, sizes) => {
    using group = new Group(mib * MIB);
    const directory = mkdtempSync(join(tmpdir(), "torpor-memory-"));
    try {
      const words = [
        "--http",
        "127.0.0.1:0",
        "--grpc",
        "127.0.0.1:0",
        "--data-dir",
        join(directory, "d"),
        ...sizes,
      ];
      await using daemon = new DaemonProcess(words, {}, group.under);
      const http = `http://${(await daemon.ready()).http}`;
      const rest = new RestClient(http);
      const contents = new Map<string, string>();
      await fill(rest, contents);
      const mostObjects = contents.size;
      await sleepAndWake(http, rest, contents, "S3");
      await fill(rest, contents);
      expect(contents.size, "as much fits as before").toBeGreaterThan(mostObjects - 3);
      await sleepAndWake(http, rest, contents, "S4");
      await fill(rest, contents);
      await sleepAndWake(http, rest, contents, "S3");
      daemon.kill("SIGTERM");
      expect(await daemon.exit()).toEqual({ code: 0, signal: null });
    } finally {
      rmSync(directory, { recursive: true });
      // The kernel takes a moment to see that a group is empty.
      await setTimeout(200);
    }
  },
  900_000,
);

/** Uploads until the daemon says that there is no more room. */
async function fill(rest: RestClient, contents: Map<string, string>): Promise<void> {
  for (let at = 0; at < 1000; at++) {
    const { name } = await rest.post<{ name: string }>("devices/card0/objects", { size: OBJECT_BYTES });
    const bytes = repeated(contents.size + at * 1000);
    try {
      await rest.upload(name, bytes);
    } catch (error) {
      expect(String(error)).toMatch(/answered 429.*(MACHINE_MEMORY|SYSTEM_MEMORY)_EXHAUSTED/s);
      await rest.delete(name);
      return;
    }
    contents.set(name, hashOf(bytes));
  }
  throw new Error("the daemon takes everything");
}

function repeated(seed: number): Uint8Array<ArrayBuffer> {
  const pattern = patternOf(seed, MIB);
  const bytes = new Uint8Array(OBJECT_BYTES);
  for (let at = 0; at < OBJECT_BYTES; at += MIB) bytes.set(pattern, at);
  return bytes;
}

/**
 * Suspends, and frees objects for as long as that is refused; then resumes, and reads everything. What a plan says is
 * feasible is done. What it says is not may be a moment later, because the kernel has more to give by then.
 */
async function sleepAndWake(
  http: string,
  rest: RestClient,
  contents: Map<string, string>,
  state: "S3" | "S4",
): Promise<void> {
  for (;;) {
    const plan = await rest.post<{ feasible?: boolean }>("devices/card0:planSuspend", { state });
    const refusal = await rest.post("devices/card0:suspend", { state }).then(
      () => undefined,
      (error: unknown) => String(error),
    );
    if (refusal === undefined) break;
    expect([plan.feasible, refusal]).toEqual([
      false,
      expect.stringMatching(/answered 429.*(MACHINE_MEMORY|SYSTEM_MEMORY)_EXHAUSTED/s),
    ]);
    const [name] = contents.keys();
    if (name === undefined) throw new Error("an empty device cannot be suspended");
    await rest.delete(name);
    contents.delete(name);
  }
  expect((await fetch(`${http}/readyz`)).status).toBe(200);
  const resumed = await rest.post<{ state: string }>("devices/card0:resume");
  expect(resumed.state).toBe("SUCCEEDED");
  for (const [name, sha256] of contents)
    expect(await rest.downloadSha256(name, OBJECT_BYTES), name).toBe(sha256);
}
