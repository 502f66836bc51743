/** The documents, held to the project: links, files, tests, limits and dependencies that they name are there. */
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import * as deviceLimits from "../src/device/limits.ts";
import * as daemonLimits from "../src/server/daemon-limits.ts";
import * as wireLimits from "../src/server/limits.ts";

const ROOT = join(import.meta.dirname, "..");
const DOCUMENTS = globSync(["*.md", "docs/**/*.md", "packages/*/*.md", "examples/*.md"], { cwd: ROOT });

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

function exists(path: string): boolean {
  return existsSync(join(ROOT, path));
}

/** Cells of the rows of the tables in a section, head and rule included. */
function rowsBelow(text: string, heading: string): string[][] {
  const section = text.split(/^## /m).find((part) => part.startsWith(heading)) ?? "";
  const rows = section.split("\n").map((line) => line.split("|").slice(1, -1));
  return rows.filter((cells) => cells.length > 0).map((cells) => cells.map((cell) => cell.trim()));
}

/** What stands between backticks, drawings left out. */
function quoted(text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, "");
  return [...prose.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]);
}

/** The anchor that a heading gets. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");
}

test.each(DOCUMENTS)("every link of %s leads somewhere", (document) => {
  const links = [...read(document).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]);
  const dead = links
    .filter((link) => !/^https?:/.test(link))
    .filter((link) => {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? document : join(dirname(document), path);
      if (!exists(target)) return true;
      const headings = anchor === undefined ? [] : [...read(target).matchAll(/^#+ (.+)$/gm)];
      return anchor !== undefined && !headings.some((match) => anchorOf(match[1]) === anchor);
    });
  expect(dead).toEqual([]);
});

describe("ARCHITECTURE.md", () => {
  const text = read("ARCHITECTURE.md");

  test("names no path that is not there", () => {
    const paths = quoted(text).filter((name) => /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]*)+$/.test(name));
    const roots = ["", "src/device/", "src/server/"];
    expect(paths.filter((path) => !roots.some((root) => exists(root + path)))).toEqual([]);
  });

  test("has a row for every room of src", () => {
    const folders = readdirSync(join(ROOT, "src"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.parentPath.slice(ROOT.length + 1))
      .filter((folder) => !/^src\/contract\/gen/.test(folder) && folder !== "src/device/power/image");
    const rooms = new Set(quoted(text));
    expect([...new Set(folders)].filter((folder) => !rooms.has(folder))).toEqual([]);
  });
});

describe("SPECIFICATION.md", () => {
  const text = read("SPECIFICATION.md");

  test("names no test that is not there", () => {
    const held = [...text.matchAll(/\]\((test\/[^)]+)\) "([^"]+)"/g)];
    expect(held.length).toBeGreaterThan(20);
    const missing = held.filter(([, file, title]) => !exists(file) || !read(file).includes(title));
    expect(missing.map(([, file, title]) => `${file}: ${title}`)).toEqual([]);
  });

  test("names a test for every promise, or says that it is pending", () => {
    const promises = ["Bytes", "Failure", "States and calls", "Wires"].flatMap((heading) =>
      rowsBelow(text, heading),
    );
    const unheld = promises.filter(
      ([, by = ""]) => !/\]\(test\/.+ ".+"$|^\*\*Pending\*\*|^held by$|^-+$/.test(by),
    );
    expect(unheld).toEqual([]);
  });

  test("gives the limits the values that they have", () => {
    const limits: Readonly<Record<string, unknown>> = {
      ...deviceLimits,
      ...wireLimits,
      ...daemonLimits,
    };
    const rows = rowsBelow(text, "Limits").filter(([, name = ""]) => name.includes("`"));
    expect(rows.length).toBeGreaterThan(10);
    const wrong = rows.flatMap(([, names = "", values = ""]) => {
      const said = values.split(", ").map(parseQuantity);
      return quoted(names).flatMap((name, at) =>
        limits[name] === said[at] ? [] : [`${name} is ${limits[name]}, not ${said[at]}`],
      );
    });
    expect(wrong).toEqual([]);
  });
});

test("docs/dependencies.md lists every dependency of package.json, and no other", () => {
  const manifest: Readonly<Record<string, unknown>> = JSON.parse(read("package.json"));
  const pinned = ["dependencies", "devDependencies", "optionalDependencies"].flatMap((kind) =>
    Object.keys(manifest[kind] ?? {}),
  );
  const listed = read("docs/dependencies.md")
    .split("\n")
    .flatMap((line) => /^\| `([^`]+)` +\|/.exec(line)?.[1] ?? []);
  expect(listed.toSorted()).toEqual(pinned.toSorted());
});

test.each(DOCUMENTS)(
  "%s tells nobody to install or run a name that is not ours in npm's registry",
  (document) => {
    const commands = [
      /\bnpm (?:i|install|add|exec)\b[^\n`]*\s@?torpor(?:d|ctl)?(?:\/\S+)?(?=[\s`@]|$)/gm,
      /\b(?:npx|yarn add|pnpm add|bunx?) (?:[^\n`]*\s)?@?torpor(?:d|ctl)?(?:\/\S+)?(?=[\s`@]|$)/gm,
    ];
    expect(commands.flatMap((command) => read(document).match(command) ?? [])).toEqual([]);
  },
);

/** `16 GiB` in bytes, `10 s` in milliseconds, a bare number as it is. */
function parseQuantity(text: string): number {
  const units: Readonly<Record<string, number>> = {
    KiB: 2 ** 10,
    MiB: 2 ** 20,
    GiB: 2 ** 30,
    ms: 1,
    s: 1000,
  };
  const [, number, unit = ""] = /^(\d+)(?: (\w+))?$/.exec(text) ?? [];
  return Number(number) * (units[unit] ?? 1);
}
