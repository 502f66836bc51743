/** docs/conformance.md, held to the tests: what it names is there, and it leaves out no number. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const DOCS = join(import.meta.dirname, "../../docs");
const text = readFileSync(join(DOCS, "conformance.md"), "utf8");

test("docs/conformance.md names no test that is not there", () => {
  const missing: string[] = [];
  let named = 0;
  for (const line of text.split("\n")) {
    // A title without a link belongs to the file that was linked before it.
    let file = "";
    for (const [, link, title] of line.matchAll(/\]\((\.\.\/test\/[^)]+)\)|"([^"]+)"/g)) {
      if (link !== undefined) file = join(DOCS, link);
      if (title === undefined) continue;
      named++;
      if (!existsSync(file) || !readFileSync(file, "utf8").includes(title)) missing.push(`${file}: ${title}`);
    }
  }
  expect(missing).toEqual([]);
  expect(named).toBeGreaterThan(80);
});

test("docs/conformance.md has a line for every invariant and scenario that it is about", () => {
  const first = text.split("\n").map((line) => /^\| ([0-9, ]+) \|/.exec(line)?.[1] ?? "");
  const numbers = new Set(first.flatMap((cell) => cell.split(", ").filter(Boolean).map(Number)));
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at);
  // The reference has no scenarios of these numbers.
  const unused = [73, 76, 85, 92, 99];
  const expected = [...range(5, 8), ...range(54, 116)].filter((number) => !unused.includes(number));
  expect(expected.filter((number) => !numbers.has(number))).toEqual([]);
});
