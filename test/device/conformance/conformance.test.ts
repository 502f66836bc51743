/** docs/conformance.md, held to the tests: what it names is there, and it leaves out no number. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const DOCS = join(import.meta.dirname, "../../../docs");
const text = readFileSync(join(DOCS, "conformance.md"), "utf8");

test("docs/conformance.md names no test that is not there", () => {
  const missing: string[] = [];
  let named = 0;
  for (const line of text.split("\n")) {
    // A title without a link belongs to the file that was linked before it.
    let file = "";
    for (const [, link, title] of line.matchAll(/\]\((\.\.\/[^)]+)\)|"([^"]+)"/g)) {
      if (link !== undefined) file = join(DOCS, link);
      if (title === undefined) continue;
      named++;
      if (!existsSync(file) || !readFileSync(file, "utf8").includes(title)) missing.push(`${file}: ${title}`);
    }
  }
  expect(missing).toEqual([]);
  expect(named).toBeGreaterThan(250);
});

describe("docs/conformance.md has a line for every", () => {
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at);
  // docs/conformance.md has no scenarios of these numbers.
  const unused = [20, 40, 73, 76, 85, 92, 99, 119, 124, 126, 127, 128, 137, 140, 145];

  test.each([
    ["invariant", /^Invariants: /, range(1, 80)],
    ["scenario", /^[A-H]\. /, range(1, 146).filter((number) => !unused.includes(number))],
  ])("%s", (_what, heading, expected) => {
    const sections = text.split(/^## /m).filter((section) => heading.test(section));
    const cells = sections.flatMap((section) =>
      [...section.matchAll(/^\| ([0-9, ]+) \|/gm)].map((match) => match[1]),
    );
    const numbers = cells.flatMap((cell) => cell.split(", ").map(Number));
    expect([...new Set(numbers)].sort((a, b) => a - b)).toEqual(expected);
  });

  test("invariant that code or a test cites", () => {
    const cited = [...sourcesOf("src"), ...sourcesOf("test")].flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(/\binvariants? (\d+)/gi)].map(([, number]) => Number(number)),
    );
    expect(cited.length).toBeGreaterThan(50);
    expect(cited.filter((number) => number < 1 || number > 80)).toEqual([]);
  });

  test("that does not apply a reason, and for every other a test or what it waits for", () => {
    const rows = text.split("\n").filter((line) => /^\| [0-9, ]+ \|/.test(line));
    const bare = rows.filter((row) => {
      const held = row.split("|").at(-2)?.trim() ?? "";
      return !held.includes("](") && !/^property|^Do(es)? not apply: |^Not held: |^There is no /.test(held);
    });
    expect(bare).toEqual([]);
  });
});

function sourcesOf(folder: string): readonly string[] {
  const path = join(DOCS, "..", folder);
  return readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(path, name));
}
