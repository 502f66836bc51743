/**
 * Corrupt images by the thousand: cut short, flipped, torn, overwritten, shuffled and spliced, in each part of the file; and
 * forged, with every checksum right. Nothing crashes, nothing hangs, each is refused with a reason; and a device whose image
 * was refused is whole and can be made as new. TORPOR_FUZZ_RUNS=10000 makes it longer; the seed is in the title, and
 * TORPOR_FUZZ_SEED repeats it.
 */
import { zstdDecompressSync } from "node:zlib";
import { crc32c } from "@node-rs/crc32";
import { beforeAll, describe, expect, test } from "vitest";
import {
  CONTEXT,
  DEVICE as DEVICE_LAYOUT,
  EXTENT,
  FRAME,
  FRAME_COMPRESSED,
  HEADER,
  HEADER_BYTES,
  OBJECT,
  RECORD_BYTES,
  SECTION,
  SECTION_NAMES,
  type SectionName,
} from "../../../src/device/image/image-format.ts";
import { type Field, getNumber, putNumber } from "../../../src/device/image/layout.ts";
import { DeviceError } from "../../../src/device/mod.ts";
import { boot, populate } from "../../support/hibernation.ts";
import {
  clientObject,
  DEVICE,
  FRAME_BYTES,
  readAll,
  type TestImage,
  write,
  zstd,
} from "../../support/image-fixture.ts";
import { entryOf, forge, sectionAt } from "../../support/image-reseal.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
import { hashOf, KIB, patternOf, seededRandom } from "../../support/test-device.ts";

const RUNS = Number(process.env.TORPOR_FUZZ_RUNS ?? 200);
const SEED = Number(process.env.TORPOR_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const random = seededRandom(SEED);

type Form = "raw" | "compressed" | "hybrid";
const FORMS: readonly Form[] = ["raw", "compressed", "hybrid"];
const images = new Map<Form, Uint8Array>();
const others = new Map<Form, Uint8Array>();
/** What a resume from an image that was tampered with may end in. */
const REFUSED = [
  "IMAGE_CORRUPT",
  "IMAGE_INCOMPATIBLE",
  "CHECKSUM_MISMATCH",
  "SYSTEM_MEMORY_EXHAUSTED",
  "REGION_FULL",
];
/** A number in a record, when somebody wants to see what gives way. */
const NUMBERS = [0, 1, 2, 255, 2 ** 16 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 40, 2 ** 53 - 1];
const FIELDS: Readonly<Record<SectionName, readonly Field[]>> = {
  DEVICE: Object.values(DEVICE_LAYOUT.fields),
  OBJECTS: Object.values(OBJECT.fields),
  EXTENTS: Object.values(EXTENT.fields),
  FRAMES: Object.values(FRAME.fields),
  CONTEXTS: Object.values(CONTEXT.fields),
  STRINGS: [],
};

beforeAll(async () => {
  for (const form of FORMS) {
    images.set(form, await written(form, 1));
    others.set(form, await written(form, 2));
  }
});

/** Two frames of an object, one of zeroes, text that compresses, a place in local memory, a context. */
async function written(form: Form, seed: number): Promise<Uint8Array> {
  const text = new Uint8Array(FRAME_BYTES + 8 * KIB).map((_, at) => (at >>> 6) * seed);
  const image: TestImage = {
    device: DEVICE,
    hybrid: form === "hybrid",
    contexts: [
      {
        id: 1,
        engine: "rcs0",
        priority: "NORMAL",
        hangs: seed,
        banned: false,
        seqno: 7,
        placedBefore: true,
        imageObject: 4,
        ringObject: 5,
      },
    ],
    objects: [
      clientObject(1, text),
      clientObject(2, new Uint8Array(8 * KIB)),
      clientObject(3, new Uint8Array(0), {
        sizeBytes: 4 * KIB,
        place: "LOCAL",
        region: 1,
        extents: [{ offsetBytes: 4 * KIB, lengthBytes: 4 * KIB }],
      }),
      clientObject(4, patternOf(seed, 8 * KIB)),
      clientObject(0, patternOf(seed + 2, 4 * KIB), { kind: "BACKUP", owner: 2 }),
    ],
  };
  return (await write(image, form === "compressed" ? { codec: zstd } : {})).draft.bytes;
}

function below(limit: number): number {
  return Math.floor(random() * limit);
}

function pick<T>(from: readonly T[]): T {
  return from[below(from.length)];
}

function imageOf(form: Form, from = images): Uint8Array {
  const bytes = from.get(form);
  if (bytes === undefined) throw new Error(`there is an image ${form}`);
  return bytes;
}

/** Where each part of an image lies. */
function partOf(bytes: Uint8Array, part: Part): readonly [number, number] {
  if (part === "header") return [0, HEADER_BYTES];
  const { offsetBytes, lengthBytes } = sectionAt(bytes, part === "data" ? "DEVICE" : part);
  return part === "data" ? [HEADER_BYTES, offsetBytes] : [offsetBytes, offsetBytes + lengthBytes];
}

type Part = "header" | "data" | SectionName;
const PARTS: readonly Part[] = ["header", "data", ...SECTION_NAMES];

/** Changes an image as accidents do: nobody makes the checksums right. */
const ACCIDENTS: Readonly<Record<string, (bytes: Uint8Array, form: Form) => Uint8Array>> = {
  "cut short": (bytes) => bytes.subarray(0, below(bytes.length)),
  "of which a few bits are flipped": (bytes) => {
    for (let bits = 1 + below(4); bits > 0; bits--) bytes[below(bytes.length)] ^= 1 << below(8);
    return bytes;
  },
  "of which a stretch is random": (bytes) => {
    const start = below(bytes.length);
    const end = Math.min(bytes.length, start + 1 + below(5000));
    for (let at = start; at < end; at++) bytes[at] = below(256);
    return bytes;
  },
  "of which a page was never written": (bytes) => {
    const start = below(Math.ceil(bytes.length / 4096)) * 4096;
    return bytes.fill(0, start, start + 4096);
  },
  "of which a page is that of an older image": (bytes, form) => {
    const start = below(Math.ceil(bytes.length / 4096)) * 4096;
    bytes.set(
      imageOf(form, others)
        .subarray(start, start + 4096)
        .subarray(0, bytes.length - start),
      start,
    );
    return bytes;
  },
  "of which two stretches changed places": (bytes) => {
    const length = 1 + below(2048);
    const [a, b] = [below(bytes.length - length), below(bytes.length - length)];
    const first = bytes.slice(a, a + length);
    bytes.copyWithin(a, b, b + length);
    bytes.set(first, b);
    return bytes;
  },
  "that begins as one and ends as another": (bytes, form) => {
    const other = imageOf(form, others);
    // Cut before the first byte in which they differ, it would be the other image, and as good as this one.
    const apart = 1 + bytes.findIndex((byte, at) => byte !== other[at]);
    const at = apart + below(bytes.length - apart);
    return Uint8Array.from([...bytes.subarray(0, at), ...other.subarray(at)]);
  },
  "that goes on behind its end": (bytes) =>
    Uint8Array.from([...bytes, ...bytes.subarray(0, 1 + below(5000))]),
};

/** Of what Zstandard makes of a frame; undefined where that is nothing. */
function plainHash(stored: Uint8Array): string | undefined {
  try {
    return hashOf(zstdDecompressSync(stored, { maxOutputLength: 1024 * KIB }));
  } catch {
    return undefined;
  }
}

async function outcome(bytes: Uint8Array): Promise<string | undefined> {
  try {
    await readAll(bytes, zstd);
    return undefined;
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    expect(error.message).toMatch(/^[A-Z].*\.$/s);
    return error.reason;
  }
}

describe(`an image, by accident (seed ${SEED}),`, { timeout: 600_000 }, () => {
  test.each(Object.entries(ACCIDENTS))("%s is refused", async (_, damage) => {
    for (let run = 0; run < RUNS; run++) {
      const form = pick(FORMS);
      const sound = imageOf(form);
      const changed = damage(sound.slice(), form);
      const expected = Buffer.compare(changed, sound) === 0 ? undefined : "IMAGE_CORRUPT";
      expect(await outcome(changed)).toBe(expected);
    }
  });

  test.each(PARTS)("with a bit flipped in its %s is refused", async (part) => {
    for (let run = 0; run < RUNS; run++) {
      const bytes = imageOf(pick(FORMS)).slice();
      const [start, end] = partOf(bytes, part);
      bytes[start + below(end - start)] ^= 1 << below(8);
      expect(await outcome(bytes)).toBe("IMAGE_CORRUPT");
    }
  });
});

describe(`an image that was forged, with all checksums right (seed ${SEED}),`, { timeout: 600_000 }, () => {
  const sane = [undefined, "IMAGE_CORRUPT", "IMAGE_INCOMPATIBLE"];

  test("with any number in any field ends in a reason, or is taken", async () => {
    for (let run = 0; run < RUNS * 3; run++) {
      const bytes = imageOf(pick(FORMS));
      expect(sane).toContain(await outcome(forge(bytes, (view) => putAnyNumber(bytes, view))));
    }
  });

  test("with any number in its header or its list of sections ends in a reason, or is taken", async () => {
    const fields = Object.values(HEADER.fields).filter(isNumber);
    const entries = Object.values(SECTION.fields).filter(isNumber);
    for (let run = 0; run < RUNS; run++) {
      const forged = forge(imageOf(pick(FORMS)), (view) => {
        const inHeader = random() < 0.5;
        putOne(view, inHeader ? 0 : entryOf(pick(SECTION_NAMES)), pick(inHeader ? fields : entries));
      });
      expect(sane).toContain(await outcome(forged));
    }
  });

  test.each(["OBJECTS", "FRAMES", "EXTENTS", "CONTEXTS"] as const)(
    "with its %s in another order ends in a reason, or is taken",
    async (name) => {
      for (let run = 0; run < RUNS / 4; run++) {
        const bytes = imageOf(pick(FORMS));
        const { offsetBytes, lengthBytes } = sectionAt(bytes, name);
        const size = RECORD_BYTES[name];
        const forged = forge(bytes, (view) => {
          const records = new Uint8Array(view.buffer, offsetBytes, lengthBytes);
          const [a, b] = [below(lengthBytes / size) * size, below(lengthBytes / size) * size];
          const first = records.slice(a, a + size);
          records.copyWithin(a, b, b + size);
          records.set(first, b);
        });
        const isSame = Buffer.compare(forged, bytes) === 0;
        // The order of frames says whose bytes they are, and each object knows where its own begin.
        const wanted = isSame ? [undefined] : name === "FRAMES" ? ["IMAGE_CORRUPT"] : sane;
        expect(wanted).toContain(await outcome(forged));
      }
    },
  );

  test("with a compressed frame that is none, or is another, is refused", async () => {
    const bytes = imageOf("compressed");
    const { offsetBytes, lengthBytes } = sectionAt(bytes, "FRAMES");
    const frames = Array.from(
      { length: lengthBytes / FRAME.sizeBytes },
      (_, at) => offsetBytes + at * FRAME.sizeBytes,
    );
    for (let run = 0; run < RUNS; run++) {
      let isKept = false;
      const forged = forge(bytes, (view) => {
        const compressed = frames.filter(
          (base) => getNumber(view, base, FRAME.fields.form) === FRAME_COMPRESSED,
        );
        const base = pick(compressed);
        const start = getNumber(view, base, FRAME.fields.offsetBytes);
        const stored = new Uint8Array(view.buffer, start, getNumber(view, base, FRAME.fields.storedBytes));
        const before = stored.slice();
        while (Buffer.compare(stored, before) === 0) stored[below(stored.length)] = below(256);
        putNumber({ view, at: base }, FRAME.fields.storedCrc32c, crc32c(stored));
        if (plainHash(stored) === plainHash(before)) isKept = true;
      });
      // Some bits of Zstandard say nothing: what comes out is what went in, and the checksum of that is right.
      expect(await outcome(forged)).toBe(isKept ? undefined : "IMAGE_CORRUPT");
    }
  });
});

describe(`a device whose image was forged (seed ${SEED})`, { timeout: 600_000 }, () => {
  test("refuses it or is whole with it, and can be made as new", async () => {
    const { gpu, images: store } = await boot();
    await populate(gpu);
    await gpu.execute({ type: "suspend", state: "S4" });
    const [id] = store.idsOf("SEALED");
    const sound = store.images.get(id)?.bytes ?? new Uint8Array(0);
    const seen = new Map<string, number>();
    for (let run = 0; run < RUNS / 4; run++) {
      const forged = forge(sound, (view) => {
        for (let numbers = 1 + below(2); numbers > 0; numbers--) putAnyNumber(sound, view);
      });
      const ended = await resumeFrom(forged, id);
      seen.set(ended, (seen.get(ended) ?? 0) + 1);
    }
    expect([...seen.keys()].filter((ended) => ended !== "none" && !REFUSED.includes(ended))).toEqual([]);
  });
});

/** Boots a device from an image, resumes it, and makes it as new. Answers the reason with which the resume ended. */
async function resumeFrom(bytes: Uint8Array, id: string): Promise<string> {
  const store = new MemoryImageStore();
  store.images.set(id, { device: "card0", bytes, state: "SEALED" });
  const { gpu } = await boot({ images: store, resumeFrom: store.sealed(id) });
  let ended = "none";
  try {
    await gpu.execute({ type: "resume" });
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    ended = error.reason;
  }
  gpu.device.checkInvariants();
  const { powerState } = await gpu.execute({ type: "getDevice" });
  expect(powerState === "ACTIVE").toBe(ended === "none");
  expect(["ACTIVE", "SUSPENDED", "FAILED"]).toContain(powerState);
  await gpu.execute({ type: "resetDevice", scope: "FACTORY" });
  const data = patternOf(1, 64 * KIB);
  expect(hashOf(await gpu.download(await gpu.upload(data)))).toBe(hashOf(data));
  gpu.device.checkInvariants();
  return ended;
}

/** Writes any number into any field of any record. */
function putAnyNumber(bytes: Uint8Array, view: DataView): void {
  const name = pick(SECTION_NAMES.filter((each) => FIELDS[each].length > 0));
  const { offsetBytes, lengthBytes } = sectionAt(bytes, name);
  const count = name === "DEVICE" ? 1 : lengthBytes / RECORD_BYTES[name];
  if (count === 0) return;
  putOne(view, offsetBytes + below(count) * RECORD_BYTES[name], pick(FIELDS[name].filter(isNumber)));
}

function putOne(view: DataView, base: number, field: Field): void {
  const fits = NUMBERS.filter((value) => field.sizeBytes === 8 || value < 2 ** (8 * field.sizeBytes));
  putNumber(
    { view, at: base },
    field,
    random() < 0.7 ? pick(fits) : below(Math.min(2 ** 32, 2 ** (8 * field.sizeBytes))),
  );
}

/** Some fields are bytes: the digest, the regions of an object. */
function isNumber({ name, sizeBytes }: Field): boolean {
  return [1, 2, 4, 8].includes(sizeBytes) && name !== "regions";
}
