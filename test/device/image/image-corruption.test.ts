/** Hibernation images that are not what was written: cut short, changed by accident, or made on purpose. */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import {
  CONTEXT,
  DEVICE as DEVICE_LAYOUT,
  EXTENT,
  FRAME,
  HEADER,
  HEADER_BYTES,
  OBJECT,
  RECORD_BYTES,
  SECTION,
  SECTION_NAMES,
  type SectionName,
} from "../../../src/device/image/image-format.ts";
import { type Field, putNumber } from "../../../src/device/image/layout.ts";
import { describeImage } from "../../../src/device/image/reader.ts";
import { DeviceError } from "../../../src/device/mod.ts";
import {
  clientObject,
  DEVICE,
  FRAME_BYTES,
  loadObject,
  read,
  readAll,
  type TestImage,
  write,
  zstd,
} from "../../support/image-fixture.ts";
import { asNewerMinor, entryOf, forge, sectionAt } from "../../support/image-reseal.ts";
import { fileOf } from "../../support/memory-image.ts";
import { patternOf } from "../../support/test-device.ts";

const SOUND: TestImage = {
  device: DEVICE,
  hybrid: false,
  contexts: [
    {
      id: 1,
      engine: "rcs0",
      priority: "NORMAL",
      hangs: 0,
      banned: false,
      seqno: 7,
      placedBefore: true,
      imageObject: 4,
      ringObject: 5,
    },
  ],
  objects: [
    clientObject(
      1,
      new Uint8Array(FRAME_BYTES + 4096).map((_, at) => at >>> 6),
    ),
    clientObject(2, new Uint8Array(4096)),
    clientObject(3, new Uint8Array(0), {
      sizeBytes: 4096,
      place: "LOCAL",
      region: 1,
      extents: [{ offsetBytes: 4096, lengthBytes: 4096 }],
    }),
    clientObject(4, patternOf(4, 4096)),
    clientObject(0, patternOf(5, 4096), { kind: "BACKUP", owner: 2 }),
  ],
};

let raw: Uint8Array;
let compressed: Uint8Array;

beforeAll(async () => {
  raw = (await write(SOUND)).draft.bytes;
  compressed = (await write(SOUND, { codec: zstd })).draft.bytes;
});

/** What reading and loading everything ends with: undefined when it succeeds. */
async function outcome(bytes: Uint8Array): Promise<string | undefined> {
  try {
    await readAll(bytes, zstd);
    return undefined;
  } catch (error) {
    if (error instanceof DeviceError) return error.reason;
    throw error;
  }
}

describe("an image that was cut short", () => {
  test("is refused wherever it ends", async () => {
    const ends = SECTION_NAMES.flatMap((name) => {
      const { offsetBytes, lengthBytes } = sectionAt(raw, name);
      return [offsetBytes - 1, offsetBytes, offsetBytes + 1, offsetBytes + lengthBytes - 1];
    });
    for (const end of [0, 1, 4095, 4096, 4097, ...ends]) {
      expect(await outcome(raw.subarray(0, end))).toBe("IMAGE_CORRUPT");
    }
    await fc.assert(
      fc.asyncProperty(fc.nat(raw.length - 1), async (end) => {
        expect(await outcome(raw.subarray(0, end))).toBe("IMAGE_CORRUPT");
      }),
      { numRuns: 60 },
    );
  });

  test("is told from one that is no image at all", async () => {
    const unfinished = raw.slice().fill(0, 0, HEADER_BYTES);
    await expect(read(unfinished)).rejects.toThrow("its writing was cut short");
    await expect(read(new Uint8Array(8192).fill(65))).rejects.toThrow(
      "does not begin as a hibernation image",
    );
    await expect(read(new Uint8Array(100))).rejects.toThrow("100 bytes long");
  });

  test("is refused when bytes follow it", async () => {
    const longer = new Uint8Array(raw.length + 1);
    longer.set(raw);
    expect(await outcome(longer)).toBe("IMAGE_CORRUPT");
  });
});

describe("an image of which one bit changed", () => {
  test.each(["raw", "compressed"])("is refused, wherever the bit is (%s)", async (form) => {
    const bytes = form === "raw" ? raw : compressed;
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length * 8 - 1), async (bit) => {
        const changed = bytes.slice();
        changed[bit >>> 3] ^= 1 << (bit & 7);
        expect(await outcome(changed)).toBe("IMAGE_CORRUPT");
      }),
      { numRuns: 400 },
    );
  });

  test("is refused for every byte of header and tables", async () => {
    const data = sectionAt(compressed, "DEVICE").offsetBytes;
    for (let at = 0; at < compressed.length; at = at === HEADER_BYTES - 1 ? data : at + 1) {
      const changed = compressed.slice();
      changed[at] ^= 1 << (at & 7);
      await expect(read(changed, { codec: zstd })).rejects.toMatchObject({ reason: "IMAGE_CORRUPT" });
    }
  });

  test("is not described when its header or its device changed", async () => {
    for (const at of [9, 60, 4095, sectionAt(raw, "DEVICE").offsetBytes + 3]) {
      const changed = raw.slice();
      changed[at] ^= 4;
      await expect(describeImage(fileOf(changed))).rejects.toMatchObject({ reason: "IMAGE_CORRUPT" });
    }
  });
});

describe("an image of another version", () => {
  const { major, minor, incompatible } = HEADER.fields;

  test.each([
    ["a larger major", major, 2],
    ["a smaller major", major, 0],
    ["a feature that a reader must know", incompatible, 1],
    ["a feature of later", incompatible, 0x8000_0000],
  ])("with %s is refused as incompatible", async (_, field, value) => {
    const forged = forge(raw, (view) => {
      putNumber({ view, at: 0 }, minor, 1);
      putNumber({ view, at: 0 }, field, value);
    });
    expect(await outcome(forged)).toBe("IMAGE_INCOMPATIBLE");
    await expect(describeImage(fileOf(forged))).rejects.toMatchObject({ reason: "IMAGE_INCOMPATIBLE" });
  });

  test("with a larger minor is read, with longer records and sections that it does not know", async () => {
    const newer = asNewerMinor(raw);
    expect(await readAll(newer)).toEqual(SOUND);
    expect(await describeImage(fileOf(newer))).toMatchObject({ formatVersion: "1.1", objects: 5 });
    expect(await outcome(forge(newer, (view) => putNumber({ view, at: 0 }, minor, 0)))).toBe("IMAGE_CORRUPT");
  });

  test("whose frames need a codec that was not given is refused as incompatible", async () => {
    await expect(read(compressed)).rejects.toMatchObject({ reason: "IMAGE_INCOMPATIBLE" });
    await expect(read(compressed, { codec: { ...zstd, id: 2 } })).rejects.toThrow("codec 1");
    expect((await describeImage(fileOf(compressed))).codec).toBe(1);
  });
});

describe("an image that was made on purpose", () => {
  const { fields: header } = HEADER;
  const { fields: section } = SECTION;
  const { fields: device } = DEVICE_LAYOUT;
  const { fields: object } = OBJECT;
  const { fields: frame } = FRAME;
  const HUGE = 2 ** 53 - 1;

  /** What is written where: in the header, in its entry for a section, or in a record of the section. */
  test.each<[string, SectionName | undefined, number, Field, number]>([
    ["a file length", undefined, 0, header.fileBytes, HUGE],
    ["a data length", undefined, 0, header.dataBytes, HUGE],
    ["a content length", undefined, 0, header.contentBytes, HUGE],
    ["another size of frames", undefined, 0, header.frameBytes, 2 ** 31],
    ["no section", undefined, 0, header.sectionCount, 0],
    ["very many sections", undefined, 0, header.sectionCount, 2 ** 32 - 1],
    ["a section of another kind", undefined, entryOf("FRAMES"), section.kind, 5],
    ["a section that begins elsewhere", undefined, entryOf("FRAMES"), section.offsetBytes, 0],
    ["a section without end", undefined, entryOf("STRINGS"), section.lengthBytes, HUGE - 1],
    ["records of no length", undefined, entryOf("OBJECTS"), section.recordBytes, 0],
    ["records that are too short", undefined, entryOf("OBJECTS"), section.recordBytes, 8],
    ["very many regions", "DEVICE", 0, device.lmemCount, 2 ** 32 - 1],
    ["very many engines", "DEVICE", 0, device.engineCount, 2 ** 32 - 1],
    ["fewer engines", "DEVICE", 0, device.engineCount, 0],
    ["an object of a huge size", "OBJECTS", 0, object.sizeBytes, HUGE],
    ["an object without a size", "OBJECTS", 0, object.sizeBytes, 0],
    ["an id twice", "OBJECTS", 1, object.id, 1],
    ["very many frames of an object", "OBJECTS", 0, object.frameCount, 2 ** 32 - 1],
    ["frames that another object has", "OBJECTS", 1, object.firstFrame, 0],
    ["very many extents", "OBJECTS", 2, object.extentCount, 2 ** 32 - 1],
    ["extents that are not there", "OBJECTS", 2, object.firstExtent, 9],
    ["extents of an object in system memory", "OBJECTS", 0, object.extentCount, 1],
    ["a label that is not there", "OBJECTS", 4, object.label, 2 ** 32 - 1],
    ["a long label", "OBJECTS", 0, object.labelLength, 0xffff],
    ["an unknown kind", "OBJECTS", 0, object.kind, 3],
    ["an unknown place", "OBJECTS", 0, object.place, 4],
    ["an unknown state", "OBJECTS", 0, object.state, 5],
    ["unknown bits", "OBJECTS", 0, object.bits, 0x80],
    ["a region of an object in system memory", "OBJECTS", 0, object.region, 1],
    ["too many allowed regions", "OBJECTS", 0, object.regionCount, 9],
    ["an alignment beyond numbers", "OBJECTS", 0, object.alignment, 64],
    ["an owner of what is no backup", "OBJECTS", 0, object.owner, 0],
    ["a backup of itself", "OBJECTS", 4, object.owner, 4],
    ["a backup of nothing", "OBJECTS", 4, object.owner, 2 ** 32 - 1],
    ["an extent of no length", "EXTENTS", 0, EXTENT.fields.lengthBytes, 0],
    ["an extent beyond numbers", "EXTENTS", 0, EXTENT.fields.lengthBytes, HUGE],
    ["a frame elsewhere", "FRAMES", 1, frame.offsetBytes, 0],
    ["a frame beyond the file", "FRAMES", 1, frame.offsetBytes, HUGE],
    ["a frame of a huge size", "FRAMES", 0, frame.rawBytes, 2 ** 32 - 1],
    ["a frame of no size", "FRAMES", 0, frame.rawBytes, 0],
    ["a frame that is stored longer", "FRAMES", 0, frame.storedBytes, 2 ** 32 - 1],
    ["an unknown form of frame", "FRAMES", 0, frame.form, 3],
    ["a compressed frame without a codec", "FRAMES", 0, frame.form, 2],
    ["a zero frame that is stored", "FRAMES", 0, frame.form, 1],
    ["another checksum of a frame", "FRAMES", 0, frame.rawCrc32c, 1],
    ["another checksum of a zero frame", "FRAMES", 2, frame.rawCrc32c, 1],
    ["an unknown engine", "CONTEXTS", 0, CONTEXT.fields.engine, 2],
    ["an unknown priority", "CONTEXTS", 0, CONTEXT.fields.priority, 3],
  ])("with %s is refused", async (_, name, at, field, value) => {
    const base = name === undefined ? at : sectionAt(raw, name).offsetBytes + at * RECORD_BYTES[name];
    const forged = forge(raw, (view) => putNumber({ view, at: base }, field, value));
    expect(await outcome(forged)).toBe("IMAGE_CORRUPT");
  });

  test("with a number of 2^53 or more is refused", async () => {
    const base = sectionAt(raw, "OBJECTS").offsetBytes;
    const forged = forge(raw, (view) => view.setBigUint64(base, 2n ** 53n, true));
    await expect(read(forged)).rejects.toThrow("field id holds a number of 2^53 or more");
  });

  test.each([
    ["too long", 16],
    ["too short", -16],
  ])("whose frame decompresses to what is %s is refused", async (_, moreBytes) => {
    const decompress = async (bytes: Uint8Array, lengthBytes: number): Promise<Uint8Array> => {
      const sound = await zstd.decompress(bytes, lengthBytes);
      const other = new Uint8Array(lengthBytes + moreBytes);
      other.set(sound.subarray(0, other.length));
      return other;
    };
    const tables = await read(compressed, { codec: { ...zstd, decompress } });
    await expect(loadObject(tables, 0)).rejects.toThrow(
      /frame 0 of object 1 does not decompress to its 65536 bytes/,
    );
  });

  test("ends in a reason of its own, whatever is changed", async () => {
    const { offsetBytes } = sectionAt(compressed, "DEVICE");
    const places = fc.oneof(
      fc.nat(HEADER_BYTES - 1),
      fc.integer({ min: offsetBytes, max: compressed.length - 1 }),
    );
    const changes = fc.array(fc.tuple(places, fc.nat(255)), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(changes, async (list) => {
        const forged = forge(compressed, (view) => {
          for (const [at, byte] of list) view.setUint8(at, byte);
        });
        expect([undefined, "IMAGE_CORRUPT", "IMAGE_INCOMPATIBLE"]).toContain(await outcome(forged));
      }),
      { numRuns: 600 },
    );
  });
});
