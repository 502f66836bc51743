/** Hibernation images as files: what is written, what comes back, and the document that says so. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type FailpointName, Failpoints, NO_FAILPOINTS } from "../../../src/device/failpoints.ts";
import {
  HEADER_BYTES,
  LAYOUTS,
  RECORD_BYTES,
  SECTION_NAMES,
} from "../../../src/device/image/image-format.ts";
import { describeImage, readImage } from "../../../src/device/image/reader.ts";
import { verifyImage } from "../../../src/device/image/verify-image.ts";
import { imageBytesMax } from "../../../src/device/image/writer.ts";
import { IMAGE_WRITE_BUFFERS } from "../../../src/device/limits.ts";
import { DeviceError } from "../../../src/device/mod.ts";
import {
  clientObject,
  clock,
  DEVICE,
  FRAME_BYTES,
  loadObject,
  read,
  readAll,
  type TestImage,
  write,
  zstd,
} from "../../support/image-fixture.ts";
import { fileOf, MemoryImage } from "../../support/memory-image.ts";
import { MIB, patternOf, sha256 } from "../../support/test-device.ts";

const DOCUMENT = readFileSync(join(import.meta.dirname, "../../../docs/hibernation-image.md"), "utf8");

/** Repetitive enough that zstd makes it smaller. */
function text(lengthBytes: number): Uint8Array {
  return new Uint8Array(lengthBytes).map((_, at) => ((at * at) >>> 5) & 15);
}

const MIXED: TestImage = {
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
      sizeBytes: 2 * MIB,
      place: "LOCAL",
      region: 1,
      pinCount: 2,
      extents: [
        { offsetBytes: 0, lengthBytes: MIB },
        { offsetBytes: 2 ** 33, lengthBytes: MIB },
      ],
    }),
    clientObject(3, patternOf(3, 2 * FRAME_BYTES + 4096), { place: "SWAP", dontNeed: true, checksum: 0 }),
    clientObject(4, new Uint8Array(FRAME_BYTES + 8192)),
    clientObject(5, new Uint8Array(0), { sizeBytes: 4096, place: "NONE", state: 3, alignmentBytes: MIB }),
    clientObject(0, text(3 * FRAME_BYTES), { kind: "BACKUP", owner: 1, label: "" }),
    clientObject(6, text(4096), { kind: "OWNED", createTimeNs: -1n }),
  ],
};

const EMPTY: TestImage = {
  device: { ...DEVICE, lmem: [], engines: [] },
  hybrid: false,
  contexts: [],
  objects: [],
};

/** Failpoints of which one is armed as said. */
function armed(name: FailpointName, after = 0, count = 1): Failpoints {
  const failpoints = new Failpoints({
    clock,
    crash: () => {
      throw new Error("crashed");
    },
  });
  failpoints.arm(name, {
    action: "ERROR",
    device: "",
    reason: "COPY_FAILED",
    delayMs: 0,
    probability: 1,
    count,
    after,
    seed: 1,
  });
  return failpoints;
}

function verify(draft: MemoryImage, storedBytes: number, codec = zstd): Promise<void> {
  return verifyImage({ file: draft, storedBytes, clock, sha256, codec, check: () => {} });
}

describe("docs/hibernation-image.md", () => {
  test.each(Object.entries(LAYOUTS))("says where each field of %s is", (title, layout) => {
    const section = DOCUMENT.split(/^##+ /m).find((part) => part.startsWith(`${title}\n`)) ?? "";
    const rows = [...section.matchAll(/^\| `(\w+)` +\| (\d+) +\| (\d+) +\|/gm)].map(
      ([, name, at, bytes]) => ({
        name,
        offsetBytes: Number(at),
        sizeBytes: Number(bytes),
      }),
    );
    expect(rows).toEqual(Object.values(layout.fields));
  });

  test("names the sections in their order, with the length of their records", () => {
    const rows = [...DOCUMENT.matchAll(/^\| (\d) +\| ([A-Z]+) +\| (\d+) +\|/gm)];
    const said = rows.map(([, kind, name, bytes]) => [Number(kind), name, Number(bytes)]);
    expect(said).toEqual(SECTION_NAMES.map((name, at) => [at + 1, name, RECORD_BYTES[name]]));
  });
});

describe("an image", () => {
  test.each([
    ["of an empty device", EMPTY, undefined],
    ["of everything", MIXED, undefined],
    ["of an empty device with zstd", EMPTY, zstd],
    ["of everything with zstd", MIXED, zstd],
  ])("%s comes back as it was", async (_, image, codec) => {
    const { draft, summary } = await write(image, codec === undefined ? {} : { codec });
    await verify(draft, summary.storedBytes);
    expect(await readAll(draft.bytes, codec)).toEqual(image);
    expect(draft.synced).toBe(true);
    expect(draft.bytes.length).toBe(summary.storedBytes);
  });

  test("elides frames of zeroes and keeps raw what a codec makes no smaller", async () => {
    const { summary } = await write(MIXED);
    const compressed = await write(MIXED, { codec: zstd });
    expect(summary).toMatchObject({ objects: 7, frames: 10, zeroFrames: 2 });
    const zeroes = FRAME_BYTES + 8192;
    const contentBytes = MIXED.objects.reduce((sum, { bytes }) => sum + bytes.length, 0);
    expect(summary.contentBytes).toBe(contentBytes);
    expect(summary.storedBytes - (contentBytes - zeroes)).toBeGreaterThan(HEADER_BYTES);
    expect(compressed.summary.storedBytes).toBeLessThan(summary.storedBytes - 2 * FRAME_BYTES);
    const grows = { ...zstd, compress: async (bytes: Uint8Array) => new Uint8Array(bytes.length + 1) };
    expect((await write(MIXED, { codec: grows })).summary.storedBytes).toBe(summary.storedBytes);
  });

  test("is described by its header and its device alone", async () => {
    const { draft, summary } = await write(MIXED, { codec: zstd });
    draft.bytes.fill(0xff, HEADER_BYTES, HEADER_BYTES + 4096);
    expect(await describeImage(fileOf(draft.bytes))).toEqual({
      id: "img-1",
      formatVersion: "1.0",
      deviceName: "card0",
      deviceUid: DEVICE.uid,
      generation: 0,
      cause: undefined,
      nextTransitionId: DEVICE.nextTransitionId,
      createTimeNs: 123_456_789_012_345_678n,
      hybrid: true,
      codec: 1,
      objects: 7,
      contentBytes: summary.contentBytes,
      fileBytes: summary.storedBytes,
    });
  });

  test.each([EMPTY, MIXED])("takes no more than is said before it is written", async (image) => {
    const { summary } = await write(image);
    const most = imageBytesMax({
      objects: image.objects.length,
      contentBytes: summary.contentBytes,
      extents: image.objects.reduce((sum, { object }) => sum + object.extents.length, 0),
      contexts: image.contexts.length,
      labelLength: image.objects.reduce((sum, { object }) => sum + object.label.length, 0),
    });
    expect(most).toBeGreaterThanOrEqual(summary.storedBytes);
  });

  test("is loaded in any order, more than once", async () => {
    const objects = Array.from({ length: 40 }, (_, at) =>
      clientObject(at + 1, patternOf(at, 3 * FRAME_BYTES)),
    );
    const { draft } = await write({ ...EMPTY, objects });
    const tables = await read(draft.bytes);
    for (const index of [39, 0, 20, 21, 0, 38, 39, 5]) {
      expect(await loadObject(tables, index)).toEqual(objects[index].bytes);
    }
  });

  test("of ten thousand small objects comes back as it was", async () => {
    const objects = Array.from({ length: 10_000 }, (_, at) => clientObject(at + 1, text(64)));
    const { draft } = await write({ ...EMPTY, objects });
    expect((await readAll(draft.bytes)).objects).toEqual(objects);
  });
});

describe("writing", () => {
  const large: TestImage = {
    ...MIXED,
    objects: Array.from({ length: 8 }, (_, at) => clientObject(at + 1, patternOf(at, MIB))),
  };

  test("puts the header last, in few large writes of which few are on their way", async () => {
    const draft = new MemoryImage();
    draft.writeTurns = 100;
    await write(large, { draft });
    expect(draft.writes.at(-1)).toEqual({ offsetBytes: 0, lengthBytes: HEADER_BYTES });
    expect(draft.writes.slice(0, 8).every(({ lengthBytes }) => lengthBytes === MIB)).toBe(true);
    expect(draft.writes.length).toBe(10);
    expect(draft.inFlightMost).toBe(IMAGE_WRITE_BUFFERS);
    const ends = [HEADER_BYTES, ...draft.writes.map((each) => each.offsetBytes + each.lengthBytes)];
    expect(draft.writes.slice(0, -1).map(({ offsetBytes }) => offsetBytes)).toEqual(ends.slice(0, -2));
  });

  test("says of every byte that it was taken", async () => {
    let bytes = 0;
    const { summary } = await write(MIXED, { codec: zstd, onBytes: (more) => (bytes += more) });
    expect(bytes).toBe(summary.contentBytes);
  });

  test.each([1, 2, 5, 8, 9, 10])(
    "fails with the store's reason when write %i finds no room",
    async (fullAt) => {
      const draft = new MemoryImage();
      draft.fullAt = fullAt;
      await expect(write(large, { draft })).rejects.toMatchObject({ reason: "IMAGE_STORE_FULL" });
      expect(draft.inFlight).toBe(0);
      await expect(read(draft.bytes)).rejects.toMatchObject({ reason: "IMAGE_CORRUPT" });
    },
  );

  test("ends when it is cancelled, and nothing is on its way any more", async () => {
    const draft = new MemoryImage();
    const cancelled = new DeviceError("TRANSITION_CANCELLED", "The transition was cancelled.");
    const check = () => {
      if (draft.writes.length === 4) throw cancelled;
    };
    await expect(write(large, { draft, check, codec: zstd })).rejects.toBe(cancelled);
    expect(draft.writes.length).toBe(4);
    expect(draft.inFlight).toBe(0);
  });

  test("fails when the codec does", async () => {
    const codec = { ...zstd, compress: () => Promise.reject(new Error("no memory")) };
    await expect(write(MIXED, { codec })).rejects.toMatchObject({ reason: "COPY_FAILED" });
  });

  test.each([0, 3, 9])("passes image.write before each write (after %i)", async (after) => {
    const draft = new MemoryImage();
    const failpoints = armed("image.write", after).forDevice("card0");
    await expect(write(large, { draft, failpoints })).rejects.toMatchObject({ reason: "COPY_FAILED" });
    expect(draft.writes.length).toBe(after);
  });

  test("passes image.fsync before it makes the image durable", async () => {
    const draft = new MemoryImage();
    const failpoints = armed("image.fsync").forDevice("card0");
    await expect(write(large, { draft, failpoints })).rejects.toMatchObject({ reason: "COPY_FAILED" });
    expect(draft.writes.length).toBe(10);
    expect(draft.synced).toBe(false);
  });
});

describe("reading back", () => {
  const large = {
    ...MIXED,
    objects: Array.from({ length: 4 }, (_, at) => clientObject(at + 1, patternOf(at, MIB))),
  };

  test.each([0, 1, 2, 3, 4, 5])("finds the write that lost its second half (after %i)", async (after) => {
    const failpoints = armed("image.short", after);
    const { draft, summary } = await write(large, { failpoints: failpoints.forDevice("card0") });
    expect(failpoints.get("image.short").hits).toBe(1);
    await expect(verify(draft, summary.storedBytes)).rejects.toMatchObject({ reason: "IMAGE_CORRUPT" });
  });

  test("names the frame that changed, and its object", async () => {
    const { draft, summary } = await write(large);
    draft.bytes[HEADER_BYTES + MIB + 3 * FRAME_BYTES + 17] ^= 1;
    await expect(verify(draft, summary.storedBytes)).rejects.toThrow(/frame 3 of object 2 /);
    const tables = await read(draft.bytes);
    expect(await loadObject(tables, 0)).toEqual(large.objects[0].bytes);
    await expect(loadObject(tables, 1)).rejects.toThrow(/frame 3 of object 2 /);
    expect(await loadObject(tables, 2)).toEqual(large.objects[2].bytes);
  });

  test("ends when it is cancelled", async () => {
    const { draft, summary } = await write(large);
    const cancelled = new DeviceError("TRANSITION_CANCELLED", "The transition was cancelled.");
    const check = () => {
      throw cancelled;
    };
    const { storedBytes } = summary;
    await expect(verifyImage({ file: draft, storedBytes, clock, sha256, check })).rejects.toBe(cancelled);
  });

  test("reads again what could not be read", async () => {
    const { draft } = await write(large);
    const file = fileOf(draft.bytes);
    let broken = false;
    const flaky = {
      ...file,
      read: (offsetBytes: number, into: Uint8Array) =>
        broken
          ? Promise.reject(new DeviceError("COPY_FAILED", "The disk does not answer."))
          : file.read(offsetBytes, into),
    };
    const tables = await readImage({ file: flaky, clock, sha256, failpoints: NO_FAILPOINTS });
    broken = true;
    await expect(loadObject(tables, 0)).rejects.toMatchObject({ reason: "COPY_FAILED" });
    broken = false;
    expect(await loadObject(tables, 0)).toEqual(large.objects[0].bytes);
  });

  test("passes image.read before each object is loaded", async () => {
    const { draft } = await write(large);
    const tables = await read(draft.bytes, { failpoints: armed("image.read", 2).forDevice("card0") });
    await loadObject(tables, 0);
    await loadObject(tables, 1);
    await expect(loadObject(tables, 2)).rejects.toMatchObject({ reason: "COPY_FAILED" });
    expect(await loadObject(tables, 2)).toEqual(large.objects[2].bytes);
  });
});
