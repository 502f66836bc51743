/** What the JSON report of a run of vitest says about tests that failed. */
import { relative } from "node:path";

/** A test that failed, or a file that could not be loaded. */
export interface Failure {
  /** Path in the repository. */
  readonly file: string;
  /** File and full name of the test; the file alone where it could not be loaded. */
  readonly name: string;
  /** What was thrown, its stack cut off. */
  readonly message: string;
}

/** The fields used here of what vitest's JSON reporter writes. */
export interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName?: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}

const MESSAGE_LINES_MAX = 12;
const STACK_LINE = /^\s+at /;

/** @returns each failed test, and each file that failed without a test of its own that did */
export function failuresIn(report: VitestReport | undefined): readonly Failure[] {
  return (report?.testResults ?? []).flatMap((result) => {
    const file = relative(process.cwd(), result.name);
    const tests = result.assertionResults
      .filter(({ status }) => status === "failed")
      .map((test) => ({
        file,
        name: `${file} > ${test.fullName ?? ""}`,
        message: shortened((test.failureMessages ?? []).join("\n")),
      }));
    if (tests.length > 0 || result.status !== "failed") return tests;
    return [{ file, name: file, message: shortened(result.message ?? "") }];
  });
}

/** @returns lines under a heading; none where nothing failed */
export function linesOf(heading: string, failures: readonly Failure[]): readonly string[] {
  if (failures.length === 0) return [];
  return [
    `${heading}:`,
    ...failures.flatMap(({ name, message }) => [
      `  ${name}`,
      ...message.split("\n").map((line) => `      ${line}`),
    ]),
  ];
}

function shortened(message: string): string {
  const lines = message.split("\n").filter((line) => !STACK_LINE.test(line));
  return lines.slice(0, MESSAGE_LINES_MAX).join("\n");
}
