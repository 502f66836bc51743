import { describe, expect, it } from "vitest";
import { zstdCodec } from "../../../src/server/machine/zstd-codec.ts";
import { patternOf } from "../../support/test-device.ts";

describe("the zstd codec", () => {
  it("is number 1 in the header of an image", () => expect(zstdCodec.id).toBe(1));

  it.each([0, 1, 4096, 2 ** 20])(
    "gives %d bytes back, of memory that engines share too",
    async (lengthBytes) => {
      const shared = new Uint8Array(new SharedArrayBuffer(lengthBytes + 8), 8);
      shared.set(patternOf(1, lengthBytes));
      const packed = await zstdCodec.compress(shared);
      expect(Buffer.from(await zstdCodec.decompress(packed, lengthBytes))).toEqual(Buffer.from(shared));
    },
  );

  it("makes zeroes small", async () => {
    expect((await zstdCodec.compress(new Uint8Array(2 ** 20))).length).toBeLessThan(1024);
  });

  it.each([4095, 4097, 0])("refuses a frame of 4096 bytes that should have %d", async (lengthBytes) => {
    const packed = await zstdCodec.compress(patternOf(1, 4096));
    await expect(zstdCodec.decompress(packed, lengthBytes)).rejects.toThrow();
  });

  it("refuses what is no frame", async () => {
    await expect(zstdCodec.decompress(patternOf(1, 4096), 4096)).rejects.toThrow();
  });
});
