/** The list of mutations, held to the source: `npm run mutations` makes them and runs the tests. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { MUTATIONS } from "./mutations.ts";

const ROOT = join(import.meta.dirname, "..");

describe("the list of mutations", () => {
  test("names texts that are in their files once, and changes them", () => {
    const rotten = MUTATIONS.filter(({ file, text, replacement }) => {
      const parts = readFileSync(join(ROOT, file), "utf8").split(text);
      return parts.length !== 2 || text === replacement;
    });
    expect(rotten.map(({ defect }) => defect)).toEqual([]);
  });

  test("names tests that are there, and each defect once", () => {
    const missing = MUTATIONS.flatMap(({ tests }) => tests).filter((file) => !existsSync(join(ROOT, file)));
    expect(missing).toEqual([]);
    expect(new Set(MUTATIONS.map(({ defect }) => defect)).size).toBe(MUTATIONS.length);
  });
});
