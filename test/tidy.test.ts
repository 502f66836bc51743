/** The style of the project, held by a test: layers, sizes, leftovers. */
import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";
import { functionsOf } from "./support/functions.ts";

const ROOT = join(import.meta.dirname, "..");
/** Files that are written by a program, not by hand. */
const GENERATED = /^src\/contract\/gen\/|microcode-binary\.ts$/;
const files = globSync(
  [
    "src/**/*.{ts,js}",
    "test/**/*.ts",
    "bench/**/*.ts",
    "scripts/**/*.ts",
    "packages/*/src/**/*.ts",
    "examples/**/*.ts",
  ],
  { cwd: ROOT },
)
  .filter((file) => !GENERATED.test(file))
  .map((file) => ({ file, text: readFileSync(join(ROOT, file), "utf8") }));

/** Layers of the device from the bottom up: a file imports from its own layer and from those before it. */
const LAYERS = ["leaf", "hardware", "image", "memory", "submission", "power", "device"];
/** Files beside the folders that put the layers together; every other file there is a leaf. */
const COMPOSITION = ["device", "make-hardware", "mod", "options"].map((name) => `src/device/${name}.ts`);

function layerOf(file: string): number {
  const folder = /^src\/device\/([a-z]+)\//.exec(file)?.[1];
  if (folder !== undefined) return LAYERS.indexOf(folder);
  return COMPOSITION.includes(file) ? LAYERS.indexOf("device") : 0;
}

function importsOf(file: string, text: string): string[] {
  return [...text.matchAll(/(?:from|import\() ?"(\.[^"]+)"/g)].map((match) =>
    normalize(join(dirname(file), match[1])),
  );
}

describe("src/device", () => {
  const device = files.filter(({ file }) => file.startsWith("src/device/"));

  test("imports go down the list of layers only", () => {
    const upward = device.flatMap(({ file, text }) =>
      importsOf(file, text)
        .filter((target) => layerOf(target) > layerOf(file))
        .map((target) => `${file} imports ${target}`),
    );
    expect(upward).toEqual([]);
  });

  test("knows the format of images without the device: only leaves and CRC-32C are below it", () => {
    const below = /^src\/device\/([^/]+|image\/.*|hardware\/crc32c)\.ts$/;
    const known = device
      .filter(({ file }) => file.startsWith("src/device/image/"))
      .flatMap(({ file, text }) => importsOf(file, text).filter((target) => !below.test(target)))
      .toSorted();
    expect(known).toEqual([]);
  });

  test("hands services to those who need them, and nobody above memory takes memory's", () => {
    const reaching = device
      .filter(({ file }) => !file.startsWith("src/device/memory/"))
      .filter(({ text }) => /emory\.services\b/.test(text))
      .map(({ file }) => file);
    expect(reaching).toEqual([]);
  });

  test("imports nothing of the outside world", () => {
    const foreign = device.flatMap(({ file, text }) =>
      [...text.matchAll(/from "([^.][^"]*)"/g)]
        .map((match) => match[1])
        .filter((name) => name !== "node:assert/strict" && name !== "node:worker_threads")
        .map((name) => `${file} imports ${name}`),
    );
    const escaped = device.flatMap(({ file, text }) =>
      importsOf(file, text).filter((target) => !target.startsWith("src/device/")),
    );
    expect([...foreign, ...escaped]).toEqual([]);
  });

  test("asks no clock, no random source and no environment that it was not handed", () => {
    const banned =
      /\b(Date\.now|new Date|performance\.now|Math\.random|process\.|setTimeout|setInterval|setImmediate)\b/;
    expect(device.filter(({ text }) => banned.test(withoutComments(text))).map(({ file }) => file)).toEqual(
      [],
    );
  });
});

/**
 * What others may import of the device: its door, and the leaves whose words everybody uses. None of them gives access to
 * a part of the device. Exempt are test/support, which takes devices apart for tests, and bench, which measures parts.
 */
const VOCABULARY = [
  "mod",
  "clock",
  "command",
  "errors",
  "events",
  "failpoints",
  "format",
  "limits",
  "policy",
  "resource",
  "sizes",
];

const KNOWN = VOCABULARY.map((name) => `src/device/${name}.ts`);

/** What files import of the device besides its door and its vocabulary, if it is not `allowed` to them. */
function reachingInto(
  which: RegExp,
  allowed: (target: string, file: string) => boolean = () => false,
): readonly string[] {
  return files
    .filter(({ file }) => which.test(file))
    .flatMap(({ file, text }) =>
      importsOf(file, text)
        .filter((target) => target.startsWith("src/device/") && !KNOWN.includes(target))
        .filter((target) => !allowed(target, file))
        .map((target) => `${file} imports ${target}`),
    );
}

describe("the device is known by its door and its vocabulary", () => {
  test("to all other code, and to tests of other code", () => {
    expect(reachingInto(/^(src\/(?!device\/)|packages\/|scripts\/|examples\/)/)).toEqual([]);
    expect(reachingInto(/^test\/(?!device\/|support\/)/)).toEqual([]);
  });

  test("to its own tests, which may also import the room that theirs mirrors, and the rooms below it", () => {
    const mayTest = (target: string, file: string) =>
      layerOf(target) <= layerTestedIn(/^test\/device\/([a-z]+)\//.exec(file)?.[1]);
    expect(reachingInto(/^test\/device\//, mayTest)).toEqual([]);
  });
});

/** Tests that mirror no room are of the whole device. */
function layerTestedIn(room: string | undefined): number {
  const layer = room === undefined ? -1 : LAYERS.indexOf(room);
  return layer === -1 ? LAYERS.indexOf("device") : layer;
}

describe("src/server", () => {
  /** Rooms from the bottom up. Those of one storey may import each other, but no file may be in a circle. */
  const STOREYS = [
    ["limits.ts", "daemon-limits.ts"],
    ["config", "machine"],
    ["store"],
    ["messages"],
    ["api"],
    ["events"],
    ["auth"],
    ["gate"],
    ["metrics", "tracing"],
    ["http", "grpc"],
    ["daemon"],
    ["torpord.ts", "main.js"],
  ];
  const server = files.filter(({ file }) => file.startsWith("src/server/"));
  const storeyOf = (file: string) => {
    const room = file.slice("src/server/".length).split("/")[0];
    return STOREYS.findIndex((rooms) => rooms.includes(room));
  };

  test("has no room and no loose file that has no storey", () => {
    expect(server.filter(({ file }) => storeyOf(file) < 0).map(({ file }) => file)).toEqual([]);
  });

  test("imports go down the storeys only, to the device and to the contract", () => {
    const upward = server.flatMap(({ file, text }) =>
      importsOf(file, text)
        .filter((target) => !/^src\/(contract|device)\//.test(target))
        .filter((target) => !target.startsWith("src/server/") || storeyOf(target) > storeyOf(file))
        .map((target) => `${file} imports ${target}`),
    );
    expect(upward).toEqual([]);
  });
});

describe("what speaks to daemons", () => {
  test.each([
    ["src/contract", (target: string) => target.startsWith("src/contract/")],
    ["src/client", (target: string) => /^src\/(client|contract)\//.test(target)],
    ["src/cli", (target: string) => /^src\/(cli|client|contract)\//.test(target)],
    ["packages", (target: string) => /^(packages|src\/client)\//.test(target)],
  ])("%s imports nothing of the daemon", (folder, allowed) => {
    const foreign = files
      .filter(({ file }) => file.startsWith(`${folder}/`))
      .flatMap(({ file, text }) =>
        importsOf(file, text)
          .filter((target) => !allowed(target))
          .map((target) => `${file} imports ${target}`),
      );
    expect(foreign).toEqual([]);
  });
});

test("no file is in a circle of imports, types included", () => {
  const imports = new Map(files.map(({ file, text }) => [file, importsOf(file, text)]));
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(" > "));
    if (done.has(file) || path.includes(file)) return;
    for (const target of imports.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  expect(circles).toEqual([]);
});

describe("every file", () => {
  test("is at most 400 lines long", () => {
    expect(files.filter(({ text }) => text.split("\n").length > 401).map(({ file }) => file)).toEqual([]);
  });

  test("has no leftovers", () => {
    const leftovers =
      /\b(TODO|FIXME|XXX)\b|\b(describe|it|test)[\w.]*\.(only|skip)\(|@ts-(ignore|expect-error)|\bas any\b/;
    const found = files.filter(({ file, text }) => file !== "test/tidy.test.ts" && leftovers.test(text));
    expect(found.map(({ file }) => file)).toEqual([]);
  });

  test("is named after an idea: kebab-case, and no utils or helpers", () => {
    const bad = files.filter(
      ({ file }) => !/^[a-z0-9./-]+$/.test(file) || /\/(utils?|helpers?|common|misc)\.ts$/.test(file),
    );
    expect(bad.map(({ file }) => file)).toEqual([]);
  });

  test("has a name that no other file of src has", () => {
    const shared = /\/(mod|limits)\.ts$|^src\/cli\/commands\//;
    const byName = Map.groupBy(
      files.map(({ file }) => file).filter((file) => file.startsWith("src/") && !shared.test(file)),
      (file) => basename(file),
    );
    expect([...byName.values()].filter((group) => group.length > 1).map((group) => group.join(", "))).toEqual(
      [],
    );
  });
});

/**
 * Where the operands of a copy go into a list, a ring or a descriptor. They stay apart: a record of them would be
 * made for each block that a suspend moves.
 */
const COPIES = [
  "src/device/hardware/control.ts",
  "src/device/hardware/ring.ts",
  "src/device/memory/copier.ts",
];

/** How much of what should not be there is still there. Who mends some lowers the bound; the aim is 0. */
describe("src has no more", () => {
  const source = files.filter(({ file }) => /^src\/.*\.ts$/.test(file) && !file.endsWith(".d.ts"));
  const functions = source.flatMap(({ file, text }) =>
    functionsOf(text).map((each) => ({ ...each, file, place: `${file}:${each.line}` })),
  );

  test.each([
    ["functions of more than 60 lines", 0, () => placesOf(functions.filter(({ lines }) => lines > 60))],
    [
      "functions with more than three parameters, those of COPIES apart",
      0,
      () =>
        placesOf(functions.filter(({ file, parameters = 0 }) => parameters > 3 && !COPIES.includes(file))),
    ],
    ["lines past 110 columns", 0, () => source.flatMap(longLinesOf)],
  ])("%s than %i", (_what, bound, find) => {
    const found = find();
    expect(found.length, found.join("\n")).toBeLessThanOrEqual(bound);
  });

  function placesOf(found: readonly { readonly place: string }[]): string[] {
    return found.map(({ place }) => place);
  }

  function longLinesOf({ file, text }: { readonly file: string; readonly text: string }): string[] {
    return text.split("\n").flatMap((line, at) => (line.length > 110 ? [`${file}:${at + 1}`] : []));
  }
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
}
