/**
 * `npm test`: the static checks, the tests of device and server, then those that need Prometheus, Chromium, Ceph and bare
 * Debian systems, then engine, base image and image, then the container tests. Everything runs even after a failure, so that one
 * run tells all. Arguments go to vitest and narrow the run: `npm test -- --project device`,
 * `npm test -- test/server/api/content.test.ts`.
 *
 * A test that fails in a whole run gets a second one, its file alone: two cores that are busy with everything else make
 * a daemon late. The end of the output names every test that failed, the first time or both times, with its message.
 *
 * The last line is `N passed, N failed`, which CI reads. Passed are tests; failed are tests and whatever else went
 * wrong (a check, a file that did not load, the image), so that it never says 0 failed when the command fails.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installPackages, onPath } from "./apt.ts";
import { ensureCeph } from "./ceph.ts";
import { ensureChromium } from "./chromium.ts";
import { ensureDebootstrap } from "./debootstrap.ts";
import { ensureEngine } from "./docker-engine.ts";
import { buildImage } from "./docker-image.ts";
import { ensurePrometheus } from "./prometheus.ts";
import { type Failure, failuresIn, linesOf, type VitestReport } from "./test-report.ts";

const ROOT = join(import.meta.dirname, "..");
const VITEST = join(ROOT, "node_modules/vitest/vitest.mjs");
const STATIC_CHECKS = [
  "generate:check",
  "contract:check",
  "openapi:check",
  "lint",
  "types",
  "unused",
] as const;
const FAST_PROJECTS = ["device", "server"] as const;
const MONITORING_PROJECT = "monitoring";
const BROWSER_PROJECT = "browser";
const STORE_PROJECT = "store";
const CONTAINER_PROJECT = "containers";
const FRESH_PROJECT = "fresh";
const PROJECTS = [
  ...FAST_PROJECTS,
  MONITORING_PROJECT,
  BROWSER_PROJECT,
  STORE_PROJECT,
  FRESH_PROJECT,
  CONTAINER_PROJECT,
] as const;
/** Takes half an hour, so that it runs when it is named only: `npm run test:fresh`. */
const WHOLE_MATRIX_PROJECT = "fresh-all";

/** Debian's packages of the same names, and the tests that run them. */
const TOOLS = [
  ["python3", "The program in Python of docs/other-languages.md"],
  ["curl", "The commands of the runbooks that call curl"],
] as const;

let passed = 0;
let failed = 0;
const summary: string[] = [];
const notRun: string[] = [];
const failures: Failure[] = [];
/** What failed among all others and passed when its file ran alone. */
const unsteady: Failure[] = [];

const { projects, rest } = splitArguments(process.argv.slice(2));
const wholeRun = projects === undefined && rest.length === 0;

if (wholeRun) runStaticChecks();
else
  notRun.push(
    `The static checks (${STATIC_CHECKS.join(", ")}) did not run, because arguments narrow the run.`,
  );

if (wholeRun) ensureTools();
runVitest(FAST_PROJECTS.filter(isSelected));
if (isSelected(MONITORING_PROJECT)) {
  runWith(MONITORING_PROJECT, "alert rules, dashboards against a real Prometheus", ensurePrometheus);
}
if (isSelected(BROWSER_PROJECT)) runWith(BROWSER_PROJECT, "pages in a real browser", ensureChromium);
if (isSelected(STORE_PROJECT)) runWith(STORE_PROJECT, "images in a real object store", ensureCeph);
if (isSelected(FRESH_PROJECT)) runWith(FRESH_PROJECT, "bare Debian systems", ensureDebootstrap);
if (projects?.includes(WHOLE_MATRIX_PROJECT)) {
  runWith(WHOLE_MATRIX_PROJECT, "every npm on bare Debian systems", ensureDebootstrap);
}
if (isSelected(CONTAINER_PROJECT)) await runContainerTests();

const leftOut = PROJECTS.filter((project) => !isSelected(project));
if (leftOut.length > 0) notRun.push(`Not selected by --project: ${leftOut.join(", ")}.`);

console.log(["", "Summary", ...[...summary, ...notRun].map((line) => `  ${line}`)].join("\n"));
console.log(
  [
    ...linesOf("Failed at first and passed when its file ran alone: mend its wait", unsteady),
    ...linesOf("Failed", failures),
  ].join("\n"),
);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

function runStaticChecks(): void {
  for (const check of STATIC_CHECKS) {
    heading(`npm run ${check}`);
    const run = spawnSync("npm", ["run", "--silent", check], { cwd: ROOT, stdio: "inherit" });
    if (run.status === 0) {
      summary.push(`${check}: clean.`);
    } else {
      failed += 1;
      summary.push(`${check}: FAILED.`);
    }
  }
}

/** Some tests run programs that a user of the API would; vitest skips those whose program is missing. */
function ensureTools(): void {
  for (const [tool, tests] of TOOLS) {
    const obstacle = onPath(tool) ? undefined : installPackages([tool], tool);
    if (obstacle === undefined) continue;
    notRun.push(`${tests} did not run. ${obstacle}`);
    if (isTrue(process.env.CI)) {
      failed += 1;
      summary.push(`${tool}: FAILED, because CI is set and it is missing.`);
    }
  }
}

/** Runs a project that needs a program of Debian's. @param ensure answers why it cannot be had */
function runWith(project: string, what: string, ensure: () => string | undefined): void {
  if (rest.length > 0 && !selectsFiles(project)) {
    notRun.push(`The ${project} tests did not run, because the arguments select none of their files.`);
    return;
  }
  const obstacle = ensure();
  if (obstacle === undefined) {
    runVitest([project]);
    return;
  }
  notRun.push(`The ${project} tests (${what}) did not run. ${obstacle}`);
  if (isTrue(process.env.CI)) {
    failed += 1;
    summary.push(`${project}: FAILED, because CI is set and what it needs is missing.`);
  }
}

async function runContainerTests(): Promise<void> {
  if (rest.length > 0 && !selectsFiles(CONTAINER_PROJECT)) {
    notRun.push("The container tests did not run, because the arguments select none of their files.");
    return;
  }
  heading("Docker engine and image");
  const engine = await ensureEngine();
  if (!engine.available) {
    notRun.push(`The container tests did not run. ${engine.reason}`);
    // A laptop may lack an engine; a machine that vouches for a commit may not.
    if (isTrue(process.env.CI)) {
      failed += 1;
      summary.push("containers: FAILED, because CI is set and there is no Docker engine.");
    }
    return;
  }
  const obstacle = buildImage();
  if (obstacle !== undefined) {
    failed += 1;
    summary.push("image: FAILED.");
    notRun.push(`The container tests did not run. ${obstacle}`);
    return;
  }
  runVitest([CONTAINER_PROJECT]);
}

/** Runs projects of vitest in one go, then what failed once more, and adds what its JSON reporter counted. */
function runVitest(names: readonly string[]): void {
  if (names.length === 0) return;
  heading(`vitest: ${names.join(", ")}`);
  let { report, succeeded } = vitestOnce(names, rest);
  if (wholeRun && !succeeded && failuresIn(report).length === 0) {
    const message = "It failed outside of any test, such as in its set-up.";
    unsteady.push({ file: "", name: names.join(" and "), message });
    heading(`vitest: ${names.join(", ")}, once more`);
    ({ report, succeeded } = vitestOnce(names, rest));
  }
  const found = failuresIn(report);
  const lasting = wholeRun && found.length > 0 ? withoutUnsteady(names, found) : found;
  count(names.join(" and "), report, {
    failedTests: lasting,
    // Errors outside any test leave no trace in the report but the exit code.
    others: found.length === 0 && !succeeded ? 1 : 0,
    second: found.length - lasting.length,
  });
}

function vitestOnce(
  names: readonly string[],
  filters: readonly string[],
): { readonly report: VitestReport | undefined; readonly succeeded: boolean } {
  const folder = mkdtempSync(join(tmpdir(), "torpor-test-"));
  const reportFile = join(folder, "report.json");
  const run = spawnSync(
    process.execPath,
    [
      ...[VITEST, "run", "--reporter=default", "--reporter=json"],
      `--outputFile.json=${reportFile}`,
      ...names.map((name) => `--project=${name}`),
      // A file filter may well leave a project without files; without one that would be a mistake.
      ...(filters.length > 0 ? ["--passWithNoTests", ...filters] : []),
    ],
    { cwd: ROOT, stdio: "inherit" },
  );
  const report = existsSync(reportFile)
    ? (JSON.parse(readFileSync(reportFile, "utf8")) as VitestReport)
    : undefined;
  rmSync(folder, { recursive: true });
  return { report, succeeded: run.status === 0 };
}

/** Runs the files of what failed alone. @returns what failed again; what did not is noted as unsteady */
function withoutUnsteady(names: readonly string[], found: readonly Failure[]): readonly Failure[] {
  const files = [...new Set(found.map(({ file }) => file))];
  heading(`vitest: ${files.length} files in which tests failed, once more and alone`);
  const { report, succeeded } = vitestOnce(names, files);
  const again = failuresIn(report);
  // Without a report, or with an error outside any test, nothing is known to have passed.
  if (report === undefined || (!succeeded && again.length === 0)) return found;
  unsteady.push(...found.filter((failure) => !again.some(({ name }) => name === failure.name)));
  return again;
}

function count(
  name: string,
  report: VitestReport | undefined,
  outcome: {
    readonly failedTests: readonly Failure[];
    readonly others: number;
    readonly second: number;
  },
): void {
  const failedHere = outcome.failedTests.length + outcome.others;
  const passedHere = (report?.numPassedTests ?? 0) + Math.max(0, outcome.second);
  passed += passedHere;
  failed += failedHere;
  failures.push(...outcome.failedTests);
  const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
  const alone = outcome.second > 0 ? ` (${outcome.second} when run alone)` : "";
  summary.push(
    `${name}: ${passedHere} passed${alone}, ${failedHere} failed${failedHere > 0 ? " (FAILED)" : ""}.`,
  );
  if (skipped > 0) notRun.push(`Of ${name}, ${skipped} tests were skipped.`);
  if (report !== undefined && report.testResults.length === 0) {
    notRun.push(`Of ${name}, no test file was selected.`);
  }
}

/** Whether the arguments other than --project leave files of a project: spares an image build that nothing uses. */
function selectsFiles(project: string): boolean {
  const list = spawnSync(
    process.execPath,
    [VITEST, "list", "--filesOnly", "--passWithNoTests", `--project=${project}`, ...rest],
    { cwd: ROOT, encoding: "utf8" },
  );
  return list.status !== 0 || list.stdout.includes(".test.ts");
}

function isSelected(project: string): boolean {
  return projects === undefined || projects.includes(project);
}

function splitArguments(args: readonly string[]): {
  readonly projects: readonly string[] | undefined;
  readonly rest: readonly string[];
} {
  const known: readonly string[] = [...PROJECTS, WHOLE_MATRIX_PROJECT];
  const named: string[] = [];
  const others: string[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const argument = args[index] ?? "";
    if (argument === "--project") {
      index += 1;
      named.push(args[index] ?? "");
    } else if (argument.startsWith("--project=")) {
      named.push(argument.slice("--project=".length));
    } else {
      others.push(argument);
    }
  }
  for (const name of named) {
    if (known.includes(name)) continue;
    console.error(`There is no test project "${name}": the projects are ${known.join(", ")}.`);
    process.exit(2);
  }
  return { projects: named.length > 0 ? named : undefined, rest: others };
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && value !== "" && value !== "0" && value !== "false";
}

function heading(text: string): void {
  console.log(`\n> ${text}`);
}
