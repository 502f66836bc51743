/** Buffers of images: one is never in two hands, and what was given back is taken again. */
import { expect, test } from "vitest";
import { giveBuffer, takeBuffer } from "../../../src/device/image/buffers.ts";
import { IMAGE_BUFFERS_KEPT, IMAGE_WRITE_BYTES } from "../../../src/device/limits.ts";

test("gives each who asks a buffer of their own", () => {
  const taken = Array.from({ length: 2 * IMAGE_BUFFERS_KEPT }, takeBuffer);
  expect(new Set(taken).size).toBe(taken.length);
  expect(taken.every(({ length }) => length === IMAGE_WRITE_BYTES)).toBe(true);
  for (const buffer of taken) giveBuffer(buffer);
  const again = Array.from({ length: 2 * IMAGE_BUFFERS_KEPT }, takeBuffer);
  expect(new Set(again).size).toBe(again.length);
});

test("gives again what came back, and keeps no more than one reader uses", () => {
  const taken = Array.from({ length: 2 * IMAGE_BUFFERS_KEPT }, takeBuffer);
  for (const buffer of taken) giveBuffer(buffer);
  const again = Array.from({ length: 2 * IMAGE_BUFFERS_KEPT }, takeBuffer);
  expect(again.filter((buffer) => taken.includes(buffer))).toHaveLength(IMAGE_BUFFERS_KEPT);
});
