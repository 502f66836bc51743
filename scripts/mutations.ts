/**
 * `npm run mutations [-- 'words of a defect'...]`: makes each defect of test/mutations.ts, one at a time, in a copy of the
 * tree, and runs the tests that must find it. Exit code 1 when one was not found. Takes some minutes.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MUTATIONS, type Mutation } from "../test/mutations.ts";

const ROOT = join(import.meta.dirname, "..");
/** A defect that makes the tests hang is found too. */
const RUN_TIMEOUT_MS = 300_000;

const wanted = process.argv.slice(2);
const chosen = MUTATIONS.filter(
  ({ defect }) => wanted.length === 0 || wanted.some((words) => defect.includes(words)),
);
const copy = mkdtempSync(join(tmpdir(), "torpor-mutations-"));
try {
  for (const name of ["src", "test", "package.json", "tsconfig.json", "vitest.config.ts"]) {
    cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  }
  symlinkSync(realpathSync(join(ROOT, "node_modules")), join(copy, "node_modules"));
  process.exitCode = run();
} finally {
  rmSync(copy, { recursive: true });
}

/** Answers the exit code. */
function run(): number {
  const sound = runTests([...new Set(chosen.flatMap(({ tests }) => tests))]);
  if (sound !== undefined) {
    console.log(`The tests do not pass without any mutation: ${sound}`);
    return 1;
  }
  const unfound = chosen.filter((mutation) => !isFound(mutation));
  console.log(`${chosen.length - unfound.length} defects found, ${unfound.length} not found`);
  return unfound.length === 0 ? 0 : 1;
}

function isFound({ defect, file, text, replacement, tests }: Mutation): boolean {
  const path = join(copy, file);
  const original = readFileSync(path, "utf8");
  // A function as replacement, because `$` means something in a string.
  writeFileSync(
    path,
    original.replace(text, () => replacement),
  );
  const finding = runTests(tests);
  writeFileSync(path, original);
  console.log(finding === undefined ? `NOT FOUND: ${defect}` : `found: ${defect}\n       by ${finding}`);
  return finding !== undefined;
}

/** What failed first; undefined when all passed. */
function runTests(tests: readonly string[]): string | undefined {
  const vitest = join(copy, "node_modules/vitest/vitest.mjs");
  const result = spawnSync(
    process.execPath,
    [vitest, "run", "--project", "device", "--bail", "1", "--reporter", "verbose", ...tests],
    { cwd: copy, encoding: "utf8", timeout: RUN_TIMEOUT_MS, env: { ...process.env, NO_COLOR: "1" } },
  );
  if (result.status === 0) return undefined;
  const failed = result.stdout.split("\n").find((line) => /^ *[×✗] /.test(line));
  return failed?.trim().slice(2) ?? "a test that did not end, or a file that did not load";
}
