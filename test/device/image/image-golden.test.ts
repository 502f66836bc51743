/**
 * Hibernation images that earlier versions wrote: whatever the format becomes, these are read. Files are only added to
 * test/device/image/images, never written again.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { describeImage } from "../../../src/device/image/reader.ts";
import { bootFixture, FIXTURE_OBJECTS, FIXTURE_REGISTER } from "../../support/fixture-device.ts";
import { clientObject, DEVICE, readAll, type TestImage, write, zstd } from "../../support/image-fixture.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
import { fileOf } from "../../support/memory-image.ts";
import { hashOf, KIB, patternOf } from "../../support/test-device.ts";

const IMAGES = join(import.meta.dirname, "images");

/** Where the first pinned object of the device lay. */
const FIRST_EXTENT = 655_360;

/** What the images of version 1.0 hold: something of everything that the format has. */
const VERSION_1_0: TestImage = {
  device: DEVICE,
  hybrid: true,
  contexts: [
    {
      id: 3,
      engine: "bcs0",
      priority: "HIGH",
      hangs: 1,
      banned: true,
      seqno: 2 ** 33,
      placedBefore: true,
      imageObject: 4,
      ringObject: 5,
    },
  ],
  objects: [
    clientObject(1, patternOf(1, 4096), { label: "größe \u{1f600} \ud800", checksum: 0xffff_ffff }),
    clientObject(2, new Uint8Array(0), {
      sizeBytes: 8192,
      place: "LOCAL",
      region: 1,
      pinCount: 2,
      extents: [
        { offsetBytes: 0, lengthBytes: 4096 },
        { offsetBytes: 2 ** 33, lengthBytes: 4096 },
      ],
    }),
    clientObject(7, new Uint8Array(4096).fill(7), { place: "SWAP", dontNeed: true, checksum: 0 }),
    clientObject(8, new Uint8Array(65_536 + 4096)),
    clientObject(9, new Uint8Array(0), { sizeBytes: 4096, place: "NONE", state: 3, alignmentBytes: 65_536 }),
    clientObject(0, new Uint8Array(8192).fill(2), { kind: "BACKUP", owner: 1, label: "" }),
    clientObject(4, patternOf(4, 4096), { kind: "OWNED", createTimeNs: -1n }),
  ],
};

describe("an image that version 1.0 wrote", () => {
  test("of a whole device is resumed: objects, pins, places, bytes and registers are as they were", async () => {
    const images = new MemoryImageStore();
    const bytes = new Uint8Array(gunzipSync(readFileSync(join(IMAGES, "device-1.0.image.gz"))));
    images.images.set("card0-1", { device: "card0", bytes, state: "SEALED" });
    const gpu = await bootFixture(images, "card0-1");
    await gpu.execute({ type: "resume", verify: true });
    gpu.device.checkInvariants();
    for (const [at, { fill, sizeBytes, pins, label }] of FIXTURE_OBJECTS.entries()) {
      const object = String(at + 1);
      expect(await gpu.execute({ type: "getObject", object })).toMatchObject({ label, pinCount: pins });
      expect(hashOf(await gpu.download(object))).toBe(hashOf(new Uint8Array(sizeBytes).fill(fill)));
    }
    const [pinned] = (await gpu.execute({ type: "getObject", object: "1" })).extents;
    expect(pinned).toEqual({ offsetBytes: FIRST_EXTENT, lengthBytes: 128 * KIB });
    const commands = [{ op: "storeRegister", register: 3, object: "4", offsetBytes: 8 }] as const;
    await gpu.execute({ type: "submitWork", context: "1", commands, waitFences: [], waitMs: 1000 });
    expect(Buffer.from(await gpu.download("4")).readBigUInt64LE(8)).toBe(FIXTURE_REGISTER);
    expect(images.idsOf("CONSUMED")).toEqual(["card0-1"]);
  });

  test.each(["format-1.0-raw.image", "format-1.0-zstd.image"])(
    "is read as it was meant (%s)",
    async (name) => {
      const bytes = new Uint8Array(readFileSync(join(IMAGES, name)));
      expect(await readAll(bytes, zstd)).toEqual(VERSION_1_0);
      expect((await describeImage(fileOf(bytes))).formatVersion).toBe("1.0");
    },
  );

  test("is written today with the same bytes", async () => {
    const { draft } = await write(VERSION_1_0);
    expect(Buffer.compare(draft.bytes, readFileSync(join(IMAGES, "format-1.0-raw.image")))).toBe(0);
  });
});
