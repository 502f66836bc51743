/**
 * Whatever stands in file, environment and flags, what comes of it is a configuration that can be written down and read
 * back, or an error that names the place and the key: never another exception, and nothing that takes for ever. The seed is
 * in the title; TORPOR_FUZZ_SEED repeats a run, TORPOR_FUZZ_RUNS makes it longer.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { failpointNames } from "../../../src/device/mod.ts";
import { type LoadedConfig, loadConfig } from "../../../src/server/config/config.ts";
import { ConfigError } from "../../../src/server/config/config-error.ts";
import type { Environment } from "../../../src/server/config/environment.ts";
import { parseCommandLine } from "../../../src/server/config/flags.ts";
import { CONFIG_KEYS } from "../../../src/server/config/schema.ts";
import { environmentName, flagName } from "../../../src/server/config/setting-names.ts";
import { hostileText } from "../../support/fuzz-messages.ts";

const RUNS = Number(process.env.TORPOR_FUZZ_RUNS ?? 400);
const SEED = Number(process.env.TORPOR_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** A message is for people: what it quotes may be long, and nothing else of it is. */
const LINES_MAX = 400;

const directory = mkdtempSync(join(tmpdir(), "torpor-config-fuzz-"));
const file = join(directory, "torpor.yaml");
const again = join(directory, "again.yaml");
afterAll(() => rmSync(directory, { recursive: true }));

/** Loads what words, environment and file say; undefined for an error that is one of ours and names a place. */
function load(
  words: readonly string[],
  environment: Environment,
  places: readonly string[],
): LoadedConfig | undefined {
  try {
    const line = parseCommandLine(words, "1.2.3");
    return "flags" in line ? loadConfig(line, environment) : undefined;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { message } = error;
    expect(message).not.toMatch(/\n {4}at |Maximum call stack/);
    expect(message.split("\n").length).toBeLessThan(LINES_MAX);
    expect(places.some((place) => message.includes(place))).toBe(true);
    expect(message).toMatch(/[.!?]$/);
    return undefined;
  }
}

/** What is printed is a file that says the same. */
function expectPrintable(loaded: LoadedConfig | undefined): void {
  if (loaded === undefined) return;
  writeFileSync(again, loaded.printed);
  expect(loadConfig({ configFile: again, flags: {} }, {}).config).toEqual(loaded.config);
}

const key = fc.constantFrom(...CONFIG_KEYS);
/** Values that some setting takes, and values that nearly are. */
const sane = fc.oneof(
  fc.constantFrom(
    "256MiB",
    "64KiB",
    "1GiB",
    "0",
    "all",
    "on",
    "off",
    "true",
    "false",
    "none",
    "auto",
    "500ms",
  ),
  fc.constantFrom(
    "127.0.0.1:0",
    "[::1]:8585",
    "unix:/tmp/x",
    "localhost:1",
    "rcs0,bcs0",
    "card0,card1",
    "zstd",
  ),
  fc.constantFrom(
    "failure=continue",
    "swap-allowed=s3+s4",
    "blitter=200MiB/s",
    "debug",
    "7",
    "hibernate",
    "1e9",
  ),
  fc
    .tuple(
      fc.constantFrom(...failpointNames()),
      fc.constantFrom("error", "delay(5ms)", "crash", "hang(X)@2*1", "delay"),
    )
    .map(([name, action]) => `${name}=${action}`),
  fc.constantFrom<unknown>(
    0,
    1,
    -1,
    4096,
    2 ** 53,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    true,
    false,
    null,
  ),
);
const value = fc.oneof(
  { weight: 6, arbitrary: sane },
  { weight: 2, arbitrary: fc.array(sane, { maxLength: 12 }) },
  { weight: 1, arbitrary: hostileText },
  { weight: 1, arbitrary: fc.anything({ maxDepth: 3, withNullPrototype: false }) },
);
const settings = fc.dictionary(fc.oneof({ weight: 30, arbitrary: key }, hostileText), value, { maxKeys: 6 });

/** Pieces of YAML, put together as nobody would. */
const piece = fc.oneof(
  { weight: 3, arbitrary: key.map((name) => `${name}: `) },
  { weight: 3, arbitrary: sane.map(String) },
  fc.constantFrom(
    "\n",
    "\n  ",
    "\n- ",
    "- ",
    "? ",
    ": ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "&a ",
    "*a",
    "*b",
    "<<: ",
    "|\n",
    ">",
  ),
  fc.constantFrom(
    "---\n",
    "...\n",
    "%YAML 1.1\n---\n",
    "!!binary ",
    "!!set ",
    "!!omap ",
    "!x ",
    '"',
    "'",
    "#",
    "\t",
  ),
  fc.constantFrom("\u0000", "\ufeff", "\r", "~", "2001-01-01", ".nan", "0x7fffffffffffffff", "0o7", "1_000"),
);
const yaml = fc.oneof(
  settings.map((each) => printed(each)),
  fc.array(piece, { maxLength: 25 }).map((parts) => parts.join("")),
  fc.tuple(settings, fc.nat(500), piece).map(([each, at, part]) => {
    const text = printed(each);
    return text.slice(0, at) + part + text.slice(at);
  }),
  fc.string({ unit: "binary", maxLength: 200 }),
);

function printed(any: unknown): string {
  try {
    return stringify(any) ?? "";
  } catch {
    // Not everything has a form in YAML.
    return "?";
  }
}

describe(`a configuration, whatever it says (seed ${SEED}),`, () => {
  test("in a file: is one, or an error with file, line and column", () => {
    fc.assert(
      fc.property(yaml, (text) => {
        writeFileSync(file, text);
        expectPrintable(load(["--config", file], {}, [`${file}:`, "The default of "]));
      }),
      { numRuns: RUNS * 2, seed: SEED },
    );
  });

  test("in the environment: is one, or an error with the variable", () => {
    const variables = fc.dictionary(key.map(environmentName), value.map(textOf), { maxKeys: 6 });
    fc.assert(
      fc.property(variables, (environment) => {
        expectPrintable(load([], environment, [...Object.keys(environment), "The default of "]));
      }),
      { numRuns: RUNS * 2, seed: SEED },
    );
  });

  test("on the command line: is one, or an error with the flag", () => {
    const flag = fc.oneof(
      { weight: 12, arbitrary: key.map(flagName) },
      fc.constantFrom(
        "--print-config",
        "--version",
        "--help",
        "-x",
        "--",
        "-",
        "--no-such",
        "token",
        "healthcheck",
      ),
      hostileText,
    );
    const words = fc.array(
      fc.tuple(flag, fc.constantFrom(" ", "=", ""), value.map(textOf)).map(([name, joint, text]) => {
        if (joint === " ") return [name, text];
        return joint === "=" ? [`${name}=${text}`] : [name];
      }),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(words, (parts) => {
        const line = parts.flat();
        // Any word that is no flag is taken for a command, and named.
        expectPrintable(
          load(line, {}, ["--", "ommand", "ption", "The default of ", "The configuration file "]),
        );
      }),
      { numRuns: RUNS * 2, seed: SEED },
    );
  });

  test("in all three at once: is one, or an error with one of their places", () => {
    const sources = fc.tuple(settings, fc.dictionary(key, value.map(textOf), { maxKeys: 3 }));
    fc.assert(
      fc.property(sources, key, value.map(textOf), ([inFile, inEnvironment], name, text) => {
        writeFileSync(file, printed(inFile));
        const environment = Object.fromEntries(
          Object.entries(inEnvironment).map(([each, found]) => [`TORPOR_${each.toUpperCase()}`, found]),
        );
        const places = [`${file}:`, "TORPOR_", "--", "The default of ", "ption"];
        expectPrintable(load(["--config", file, `${flagName(name)}=${text}`], environment, places));
      }),
      { numRuns: RUNS, seed: SEED },
    );
  });

  test.each([
    ["an alias without an anchor", "lmem: *x\n", ":1:7: Alias *x has no anchor before it."],
    ["an alias as a key inside", "lmem: {? *x : 1}\n", ":1:10: Alias *x has no anchor before it."],
    [
      "a list that holds itself",
      "lmem: &a [1GiB, *a]\n",
      ":1:17: Alias *a stands inside of what it stands for.",
    ],
    ["a map that holds itself", "lmem: &a {b: *a}\n", ":1:14: Alias *a stands inside of what it stands for."],
    ["brackets in brackets in brackets", `lmem: ${"[".repeat(50_000)}\n`, ":1:"],
    ["dashes behind dashes", `lmem:\n  ${"- ".repeat(40)}1GiB\n`, ":2:"],
    ["another document", "lmem: 1GiB\n---\nsmem: 1GiB\n", ":2:1: "],
    [
      "aliases of aliases that would grow beyond all bounds",
      `device: [&a [x,x,x,x,x,x,x,x,x], &b [*a,*a,*a,*a,*a,*a,*a,*a,*a], &c [*b,*b,*b,*b,*b,*b,*b,*b,*b], *c, *c, *c]\n`,
      ":1:",
    ],
  ])("refuses %s at its place", (_, text, message) => {
    writeFileSync(file, text);
    expect(() => loadConfig({ configFile: file, flags: {} }, {})).toThrow(ConfigError);
    expect(() => loadConfig({ configFile: file, flags: {} }, {})).toThrow(`${file}${message}`);
    load(["--config", file], {}, [`${file}:`]);
  });

  test.skipIf(process.platform !== "linux")("does not read for ever what has no end", () => {
    expect(() => loadConfig({ configFile: "/dev/zero", flags: {} }, {})).toThrow(
      "The configuration file /dev/zero is larger than 262144 bytes.",
    );
  });
});

function textOf(any: unknown): string {
  // Neither environment nor command line can hold a zero byte.
  return (Array.isArray(any) ? any.map(printed).join(",") : printed(any).trim()).replaceAll("\0", "0");
}
