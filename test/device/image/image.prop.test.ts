/** Hibernation images of any device: what is written comes back, raw and compressed, within the size that was said. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Extent } from "../../../src/device/extent.ts";
import type {
  ImageContext,
  ImageDevice,
  ImageObject,
  ImagePlace,
} from "../../../src/device/image/image-model.ts";
import { describeImage } from "../../../src/device/image/reader.ts";
import { verifyImage } from "../../../src/device/image/verify-image.ts";
import { imageBytesMax } from "../../../src/device/image/writer.ts";
import {
  clock,
  FRAME_BYTES,
  readAll,
  type TestImage,
  type TestObject,
  write,
  zstd,
} from "../../support/image-fixture.ts";
import { fileOf } from "../../support/memory-image.ts";
import { hashOf, patternOf, sha256 } from "../../support/test-device.ts";

const PAGE_BYTES = 4096;

/** Any number that the format holds exactly, the largest and smallest often. */
const count = fc.oneof(fc.constantFrom(0, 1, 2 ** 32, 2 ** 53 - 1), fc.maxSafeNat());
const word = fc.oneof(fc.constantFrom(0, 2 ** 32 - 1), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
const timeNs = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
/** Whatever a JavaScript string may be, halves of characters included. */
const units = fc.array(fc.nat(0xffff), { maxLength: 256 }).map((codes) => String.fromCharCode(...codes));
const label = fc.oneof(units, fc.string({ unit: "grapheme", maxLength: 60 }), fc.constant(""));
const ENGINES = ["rcs0", "ccs0", "bcs0", "bcs1", "vcs0"];

const device: fc.Arbitrary<ImageDevice> = fc.record({
  name: label,
  uid: fc.uuid(),
  model: label,
  lmem: fc.array(fc.record({ sizeBytes: count, minPageBytes: count, visibleBytes: count }), { maxLength: 4 }),
  smemBytes: count,
  stolenBytes: count,
  swapBytes: count,
  engines: fc.shuffledSubarray(ENGINES, { minLength: 1 }),
  suspendCount: count,
  nextObjectId: count,
  nextOwnedId: count,
  nextContextId: count,
  nextFenceId: count,
  nextTransitionId: count,
});

const context: fc.Arbitrary<ImageContext> = fc.record({
  id: count,
  engine: fc.constantFrom(...ENGINES),
  priority: fc.constantFrom("LOW", "NORMAL", "HIGH"),
  hangs: word,
  banned: fc.boolean(),
  seqno: count,
  placedBefore: fc.boolean(),
  imageObject: count,
  ringObject: count,
});

const extent: fc.Arbitrary<Extent> = fc.record({
  offsetBytes: fc.maxSafeNat().map((value) => Math.floor(value / 2)),
  lengthBytes: fc.integer({ min: 1, max: 2 ** 40 }),
});

/** Frames of zeroes, of noise and of what compresses, and a last one of one page or more. */
const content = fc
  .tuple(
    fc.array(fc.constantFrom("zero", "noise", "text"), { minLength: 1, maxLength: 4 }),
    fc.integer({ min: 1, max: FRAME_BYTES / PAGE_BYTES }),
    fc.nat(),
  )
  .map(([frames, pages, seed]) => {
    const bytes = new Uint8Array((frames.length - 1) * FRAME_BYTES + pages * PAGE_BYTES);
    frames.forEach((form, at) => {
      const frame = bytes.subarray(at * FRAME_BYTES, (at + 1) * FRAME_BYTES);
      if (form === "noise") frame.set(patternOf(seed + at, frame.length));
      if (form === "text") frame.set(frame.map((_, index) => (index + seed) % 50));
    });
    return bytes;
  });

/** All of an object that does not follow from the others. */
const part = fc.record({
  kind: fc.constantFrom("CLIENT" as const, "OWNED" as const, "BACKUP" as const),
  place: fc.constantFrom<ImagePlace>("NONE", "LOCAL", "SYSTEM", "SWAP"),
  id: fc.integer({ min: 1, max: 2 ** 40 }),
  bytes: content,
  owner: fc.nat(),
  region: fc.nat(7),
  extents: fc.array(extent, { maxLength: 40 }),
  more: fc.record({
    flags: fc.nat(0xffff),
    regions: fc.array(fc.nat(255), { maxLength: 8 }),
    alignmentBytes: fc.oneof(
      fc.constant(0),
      fc.nat(52).map((log2) => 2 ** log2),
    ),
    label,
    createTimeNs: timeNs,
    version: word,
    state: fc.nat(4),
    dontNeed: fc.boolean(),
    pinCount: word,
    lru: word,
    checksum: fc.option(word, { nil: undefined }),
  }),
});

const image: fc.Arbitrary<TestImage> = fc
  .record({
    device,
    hybrid: fc.boolean(),
    contexts: fc.array(context, { maxLength: 5 }),
    parts: fc.array(part, { maxLength: 12 }),
  })
  .map(({ parts, device: made, contexts, hybrid }) => ({
    device: made,
    hybrid,
    contexts: contexts.filter(({ engine }) => made.engines.includes(engine)),
    objects: objectsOf(parts),
  }));

type Part = typeof part extends fc.Arbitrary<infer P> ? P : never;

/** Clients' ids rise, and backups stand behind their owners. */
function objectsOf(parts: readonly Part[]): TestObject[] {
  const objects: TestObject[] = [];
  let id = 0;
  for (const { kind, place, bytes, owner, region, extents, more, ...each } of parts) {
    const owners = objects.flatMap(({ object }, at) => (object.kind === "BACKUP" ? [] : [at]));
    const isBackup = kind === "BACKUP" && owners.length > 0;
    if (kind === "CLIENT") id += each.id;
    const stored = place === "SYSTEM" || place === "SWAP";
    const object: ImageObject = {
      ...more,
      kind: kind === "BACKUP" && !isBackup ? "OWNED" : kind,
      id: isBackup ? 0 : kind === "CLIENT" ? id : each.id,
      sizeBytes: bytes.length,
      place,
      region: place === "LOCAL" ? region : -1,
      extents: place === "LOCAL" ? extents : [],
      owner: isBackup ? owners[owner % owners.length] : -1,
    };
    objects.push({ object, bytes: stored ? bytes : new Uint8Array(0) });
  }
  return objects;
}

/** The image with hashes for bytes, which compare faster. */
function hashed(all: TestImage): unknown {
  return {
    ...all,
    objects: all.objects.map(({ object, bytes }) => ({ object, length: bytes.length, hash: hashOf(bytes) })),
  };
}

test("any image comes back as it was, and is no larger than was said", async () => {
  await fc.assert(
    fc.asyncProperty(image, fc.boolean(), async (written, compressed) => {
      const codec = compressed ? zstd : undefined;
      const { draft, summary } = await write(written, codec === undefined ? {} : { codec });
      const { storedBytes } = summary;
      await verifyImage({ file: draft, storedBytes, clock, sha256, codec, check: () => {} });
      expect(hashed(await readAll(draft.bytes, codec))).toEqual(hashed(written));
      expect(await describeImage(fileOf(draft.bytes))).toMatchObject({
        deviceName: written.device.name,
        hybrid: written.hybrid,
        objects: written.objects.length,
        contentBytes: summary.contentBytes,
        fileBytes: storedBytes,
      });
      expect(storedBytes).toBe(draft.bytes.length);
      expect(storedBytes).toBeLessThanOrEqual(
        imageBytesMax({
          objects: written.objects.length,
          contentBytes: summary.contentBytes,
          extents: written.objects.reduce((sum, { object }) => sum + object.extents.length, 0),
          contexts: written.contexts.length,
          labelLength: written.objects.reduce((sum, { object }) => sum + object.label.length, 0),
        }),
      );
    }),
    { numRuns: 100 },
  );
});

test("any bit that changes in any image is found", async () => {
  await fc.assert(
    fc.asyncProperty(
      image,
      fc.boolean(),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      async (written, compressed, where) => {
        const codec = compressed ? zstd : undefined;
        const { draft } = await write(written, codec === undefined ? {} : { codec });
        const bit = Math.floor(where * draft.bytes.length * 8);
        draft.bytes[bit >>> 3] ^= 1 << (bit & 7);
        await expect(readAll(draft.bytes, codec)).rejects.toMatchObject({ reason: "IMAGE_CORRUPT" });
      },
    ),
    { numRuns: 150 },
  );
});
