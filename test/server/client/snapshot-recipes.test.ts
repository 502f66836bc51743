/** The recipes of docs/ci.md for tests that begin in the same state, run by their runners against a daemon. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DaemonProcess } from "../../support/daemon-process.ts";

const ROOT = join(import.meta.dirname, "../../..");
const PAGE = readFileSync(join(ROOT, "docs/ci.md"), "utf8");
const hasPytest = spawnSync("python3", ["-m", "pytest", "--version"]).status === 0;

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "torpor-recipes-"));
  symlinkSync(join(ROOT, "node_modules"), join(directory, "node_modules"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The recipe in this language, as a file. */
function recipe(language: string, name: string): string {
  const [, text = ""] = new RegExp(`\`\`\`${language}\\n(import .*?)\`\`\``, "s").exec(PAGE) ?? [];
  expect(text).toContain(":restore");
  writeFileSync(join(directory, name), text);
  return name;
}

/** Runs it against a daemon of its own. Answers what the runner printed. */
async function run(
  command: string,
  args: readonly string[],
): Promise<{ status: number | null; text: string }> {
  // A process of its own, because the test waits for the runner without looking after anything else.
  await using daemon = new DaemonProcess([
    ...["--lmem", "64MiB", "--smem", "256MiB", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"],
  ]);
  const { http } = await daemon.ready();
  const env = { ...process.env, TORPOR_URL: `http://${http}`, NO_COLOR: "1", VITEST: undefined };
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: directory, env, encoding: "utf8" });
  return { status, text: stdout + stderr };
}

describe("the recipe", () => {
  it("for vitest passes, every test finding what the snapshot has", async () => {
    const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
    const ran = await run(process.execPath, [
      vitest,
      "run",
      "--root",
      directory,
      recipe("js", "seeded.test.js"),
    ]);
    expect(ran.text).toContain("2 passed");
    expect(ran.status).toBe(0);
  });

  it.skipIf(!hasPytest)("for pytest does", async () => {
    const ran = await run("python3", ["-m", "pytest", "-q", recipe("python", "test_seeded.py")]);
    expect(ran.text).toContain("2 passed");
    expect(ran.status).toBe(0);
  });
});
