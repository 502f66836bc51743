import { describe, expect, it } from "vitest";
import { formatSize, parseSize } from "../../../src/server/config/size.ts";

describe("sizes", () => {
  it.each([
    ["256MiB", 2 ** 28],
    ["1.5 GiB", 1.5 * 2 ** 30],
    ["4096", 4096],
    [65536, 65536],
    ["0", 0],
  ])("reads %s as %d bytes", (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each(["", "12 parsecs", "1GB", "-1", "1.5", "1e6", "9007199254740993", 1.5, -4, null, true, [], "MiB"])(
    "refuses %j",
    (text) => expect(parseSize(text)).toBeUndefined(),
  );

  it.each([1, 4096, 65536, 1536 * 2 ** 20, 2 ** 40, 12345])("writes %d so that it reads the same", (bytes) =>
    expect(parseSize(formatSize(bytes))).toBe(bytes),
  );
});
