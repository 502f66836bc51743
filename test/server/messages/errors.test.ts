import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Code } from "../../../src/contract/gen/google/rpc/code.ts";
import { DeviceError, REASONS } from "../../../src/device/errors.ts";
import {
  KINDS,
  toFailure,
  WIRE_REASONS,
  WireError,
  type WireReason,
} from "../../../src/server/messages/wire-error.ts";

const SOURCE = fileURLToPath(new URL("../../../src/", import.meta.url));
/** Thrown before anything listens: nobody reads its metadata. */
const AT_START = "device/options.ts";
/** An error whose sentence has values in it, and that ends there. */
const WITHOUT_METADATA = /new (?:Device|Wire)Error\(\s*"\w+",\s*`[^`]*\$\{[^`]*`,?\s*\)/;

const table = { ...REASONS, ...WIRE_REASONS };

/** Rows of docs/errors.md: reason, kind, gRPC code, HTTP status, when, how to solve. */
const rows = readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

describe("the values of a sentence", () => {
  it("are in its metadata, or said to be text of others with {}", () => {
    const files = globSync("**/*.ts", { cwd: SOURCE, exclude: ["**/gen/**", AT_START] });
    expect(files.length).toBeGreaterThan(200);
    const found = files.filter((file) => WITHOUT_METADATA.test(readFileSync(`${SOURCE}${file}`, "utf8")));
    expect(found).toEqual([]);
  });
});

describe("docs/errors.md", () => {
  it("lists every reason that there is", () => {
    const documented = rows.map(([reason]) => reason?.replaceAll("`", ""));
    expect(Object.keys(table).filter((reason) => !documented.includes(reason))).toEqual([]);
  });

  it("lists no reason that there is not, and none twice", () => {
    const documented = rows.map(([reason = ""]) => reason.replaceAll("`", ""));
    expect(documented.filter((reason) => !(reason in table))).toEqual([]);
    expect(new Set(documented).size).toBe(documented.length);
  });

  it.each(rows)(
    "says of %s the kind, the code and the status that it has",
    (reason, kind, code, http, when, solve) => {
      const expected = table[reason?.replaceAll("`", "") as WireReason];
      expect({ kind, code, http: Number(http) }).toEqual({
        kind: expected,
        code: KINDS[expected].status,
        http: KINDS[expected].httpStatus,
      });
      expect(when).toMatch(/\.$/);
      expect(solve).toMatch(/\.$/);
    },
  );
});

describe("a failure", () => {
  it("of the device keeps its reason, sentence and metadata", () => {
    expect(toFailure(new DeviceError("REGION_FULL", "Region lmem0 is full.", { region: "lmem0" }))).toEqual({
      reason: "REGION_FULL",
      kind: "exhausted",
      status: "RESOURCE_EXHAUSTED",
      code: Code.RESOURCE_EXHAUSTED,
      httpStatus: 429,
      message: "Region lmem0 is full.",
      metadata: { region: "lmem0" },
    });
  });

  it("that nobody foresaw is INTERNAL", () => {
    expect(toFailure(new TypeError("x is undefined"))).toMatchObject({ reason: "INTERNAL", httpStatus: 500 });
    expect(toFailure("thrown text")).toMatchObject({ reason: "INTERNAL" });
  });

  it("fits a trailer whatever a caller sent", () => {
    const metadata = Object.fromEntries(
      Array.from({ length: 100 }, (_, at) => [`key${at}`, "v".repeat(100_000)]),
    );
    const failure = toFailure(new WireError("INVALID_REQUEST", "x".repeat(1_000_000), metadata));
    expect(JSON.stringify(failure).length).toBeLessThan(8192);
    expect(failure.message.endsWith("…")).toBe(true);
  });

  it("is text that a trailer can carry, whatever a caller sent and wherever it is cut", () => {
    for (const text of ["\ud800", `a${"\u{1f4a9}".repeat(5_000)}`, "\u{1f4a9}".repeat(5_000)]) {
      const { message, metadata } = toFailure(new WireError("INVALID_REQUEST", text, { text }));
      expect([message, metadata.text].map((said) => said?.isWellFormed())).toEqual([true, true]);
    }
  });

  it("fits a trailer also where each character takes many bytes, which gRPC writes as three times as many", () => {
    const { message, metadata } = toFailure(
      new WireError("INVALID_REQUEST", "語".repeat(10_000), { name: "語".repeat(10_000) }),
    );
    const inDetails = Buffer.byteLength(message + metadata.name);
    expect(encodeURI(message).length + (inDetails * 4) / 3).toBeLessThan(8192);
    expect(message).toMatch(/^語+…$/);
  });
});
