/** Sizes and times as people write and read them. */
import { describe, expect, it } from "vitest";
import { formatMs, formatSize, parseDuration, parseSize } from "../../src/cli/quantities.ts";

describe("sizes", () => {
  it.each([
    ["4096", 4096],
    ["13B", 13],
    ["64KiB", 65536],
    ["256 MiB", 2 ** 28],
    ["1.5GiB", 1.5 * 2 ** 30],
  ])("%s is read", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(["", "12x", "-1", "64KB", "0.3B", "99999999999999999999", "1e3"])("%s is refused", (text) => {
    expect(() => parseSize(text)).toThrow("Write a size");
  });

  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1 KiB"],
    [1536n, "1.5 KiB"],
    [2 ** 20 - 1, "1 MiB"],
    [20_000_000, "19.1 MiB"],
    [5 * 2 ** 40, "5 TiB"],
    [5000 * 2 ** 40, "5000 TiB"],
  ])("%d is written %s", (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});

describe("times", () => {
  it.each([
    ["500ms", 500],
    ["2s", 2000],
    ["1.5 s", 1500],
    ["5m", 300_000],
    ["1h", 3_600_000],
  ])("%s is read", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(["", "5", "2sec", "-1s"])("%s is refused", (text) => {
    expect(() => parseDuration(text)).toThrow("Write a time");
  });

  it.each([
    [0.004, "0 ms"],
    [0.4234, "0.42 ms"],
    [37.14, "37.1 ms"],
    [2540, "2.5 s"],
  ])("%d ms is written %s", (ms, text) => {
    expect(formatMs(ms)).toBe(text);
  });
});
