/** torporctl as a process of its own: its environment, outputs that cannot be written, and that it ends. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit-codes.ts";
import { startTestDaemon, type TestDaemon } from "../support/daemon.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

let daemon: TestDaemon;

beforeAll(async () => {
  daemon = await startTestDaemon();
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

interface ProcessOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** A file in place of the pipe. */
  readonly stdout?: number;
}

async function torporctl(line: string, { environment = {}, stdout }: ProcessOptions = {}) {
  const child = spawn(process.execPath, [MAIN, ...line.split(" ")], {
    env: { ...process.env, TORPORCTL_SERVER: daemon.grpc, ...environment },
    stdio: ["ignore", stdout ?? "pipe", "pipe"],
  });
  const [printed, stderr] = await Promise.all(
    [child.stdout, child.stderr].map((stream) => (stream === null ? "" : text(stream))),
  );
  if (child.exitCode === null) await once(child, "exit");
  return { code: child.exitCode, stdout: printed, stderr };
}

describe("a variable of torporctl", () => {
  it.each(["OUTPUT", "TLS", "TLS_CA", "TOKEN", "TIMEOUT", "DEVICE"])(
    "that is empty counts as unset: %s",
    async (name) => {
      const environment = { [`TORPORCTL_${name}`]: "" };
      const result = await torporctl("device list", { environment });
      expect(result).toMatchObject({ code: EXIT.OK, stderr: "" });
      expect(result.stdout).toContain("card0");
    },
  );

  it.each(["0", "false"])("that says %s does not switch TLS on", async (word) => {
    expect(await torporctl("device list", { environment: { TORPORCTL_TLS: word } })).toMatchObject({
      code: EXIT.OK,
    });
  });

  it("that switches TLS on leads to a sentence where the daemon has none", async () => {
    expect(await torporctl("device list", { environment: { TORPORCTL_TLS: "1" } })).toMatchObject({
      code: EXIT.UNAVAILABLE,
      stderr: expect.stringContaining("what listens there does not speak TLS. (UNREACHABLE)\n"),
    });
  });
});

describe("a download", () => {
  it("to a file that cannot be made ends at once, although the daemon has more", async () => {
    const { stdout: made } = await torporctl("object create 8MiB -o json");
    const { name } = JSON.parse(made);
    const result = await torporctl(`object download ${name} /nowhere/back.bin`);
    expect(result).toMatchObject({ code: EXIT.FAILED, stdout: "" });
    expect(result.stderr).toBe(
      "torporctl: The file /nowhere/back.bin cannot be used: no such file or directory. (ENOENT)\n",
    );
  });
});

describe("output that cannot be written", () => {
  it.skipIf(process.platform !== "linux")(
    "because the disk is full is a failure with a sentence",
    async () => {
      const result = await torporctl("device list", { stdout: openSync("/dev/full", "w") });
      expect(result).toMatchObject({ code: EXIT.FAILED });
      expect(result.stderr).toBe(
        "torporctl: The output cannot be written: no space left on device. (ENOSPC)\n",
      );
    },
  );

  it("because nobody reads it any more is none, whichever stream it is", async () => {
    const child = spawn(process.execPath, [MAIN, "-s", daemon.grpc, "object", "get", "999"]);
    child.stdout.destroy();
    child.stderr.destroy();
    const [code] = await once(child, "exit");
    expect(code).toBe(EXIT.NOT_FOUND);
  });
});
