import { crc32c } from "@node-rs/crc32";
import { expect, test } from "vitest";
import { crc32cOf } from "../../../src/device/hardware/crc32c.ts";
import { patternOf } from "../../support/test-device.ts";

test("takes the checksum of the standard's example", () => {
  expect(crc32cOf(new TextEncoder().encode("123456789"))).toBe(0xe306_9283);
  expect(crc32cOf(new Uint8Array(0))).toBe(0);
});

test("agrees with another implementation, at every length around its own pieces", () => {
  const bytes = patternOf(7, 200_001);
  for (const length of [1, 15, 64, 4095, 65_535, 65_536, 65_537, 131_072, 200_001]) {
    expect(crc32cOf(bytes.subarray(0, length))).toBe(crc32c(bytes.subarray(0, length)));
  }
});

test("goes on from the checksum of the bytes before", () => {
  const bytes = patternOf(8, 100_000);
  expect(crc32cOf(bytes.subarray(70_001), crc32cOf(bytes.subarray(0, 70_001)))).toBe(crc32cOf(bytes));
});
