/** docs/rehearsals.md: its commands, run in one shell in their order, print what stands under them. */
import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestDaemon, type TestDaemon } from "../support/daemon.ts";

const PAGE = readFileSync(new URL("../../docs/rehearsals.md", import.meta.url), "utf8");
const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const MIB = 2 ** 20;
const BETWEEN = "=== the next\n";

/** A block of commands, the heading that it stands under, and what is shown below it. */
const REHEARSALS = [...PAGE.matchAll(/```sh\n(.*?)```\n\n```text\n(.*?)```/gs)].map((match) => ({
  heading:
    PAGE.slice(0, match.index)
      .match(/^## .*/gm)
      ?.at(-1) ?? "",
  commands: match[1] ?? "",
  shown: match[2] ?? "",
}));

let folder: string;
let daemon: TestDaemon;
let printed: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "torpor-rehearsals-"));
  daemon = await startTestDaemon({
    enableFaults: true,
    lmemSizesBytes: [128 * MIB],
    smemBytes: 96 * MIB,
    engines: ["rcs0", "ccs0", "bcs0", "vcs0"],
  });
  const program = join(folder, "torporctl");
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
  chmodSync(program, 0o755);
  const script = REHEARSALS.map(({ commands }) => commands).join(`printf '${BETWEEN.trim()}\\n'\n`);
  const { stdout } = await promisify(execFile)("sh", ["-c", `exec 2>&1\n${script}`], {
    cwd: folder,
    env: { ...process.env, TORPORCTL_SERVER: daemon.grpc, PATH: `${folder}:${process.env.PATH}` },
  });
  printed = stdout.split(BETWEEN);
}, 120_000);

afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe("a rehearsal", () => {
  it("is under every heading that promises one", () => {
    const headings = new Set(REHEARSALS.map(({ heading }) => heading));
    const promised = PAGE.match(/^## .*/gm) ?? [];
    // A power cut needs a daemon that ends: test/server/daemon/crash-matrix.test.ts has these.
    expect(promised.filter((heading) => !headings.has(heading))).toEqual(["## A machine that loses power"]);
  });

  it.each(REHEARSALS.map((rehearsal, at) => ({ ...rehearsal, at })))(
    "$at, of $heading, prints what stands there",
    ({ shown, at }) => {
      expect(printed[at]).toBe(shown);
    },
  );
});
