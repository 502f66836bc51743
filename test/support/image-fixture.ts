/** Hibernation images for tests: a model with its bytes, written with real checksums and read back whole. */
import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import { crc32c } from "@node-rs/crc32";
import { type DeviceFailpoints, NO_FAILPOINTS } from "../../src/device/failpoints.ts";
import type {
  FrameSource,
  FrameTarget,
  ImageContext,
  ImageDevice,
  ImageObject,
  ImageSource,
  ImageTables,
} from "../../src/device/image/image-model.ts";
import { readImage } from "../../src/device/image/reader.ts";
import { type ImageSummary, writeImage } from "../../src/device/image/writer.ts";
import type { Clock, FrameCodec } from "../../src/device/mod.ts";
import { systemClock } from "../../src/server/machine/system-clock.ts";
import { fileOf, MemoryImage } from "./memory-image.ts";
import { sha256 } from "./test-device.ts";

export const FRAME_BYTES = 64 * 1024;
export const clock: Clock = systemClock;

export interface TestImage {
  readonly device: ImageDevice;
  readonly hybrid: boolean;
  readonly contexts: readonly ImageContext[];
  readonly objects: readonly TestObject[];
}

export interface TestObject {
  readonly object: ImageObject;
  /** Empty when they are not in the image. */
  readonly bytes: Uint8Array;
}

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

export const zstd: FrameCodec = {
  id: 1,
  compress: (bytes) => compress(bytes),
  decompress: (bytes, lengthBytes) => decompress(bytes, { maxOutputLength: lengthBytes }),
};

export const DEVICE: ImageDevice = {
  name: "card0",
  uid: "0f8fad5b-d9cb-469f-a165-70867728950e",
  model: "torpor-1",
  lmem: [{ sizeBytes: 2 ** 30, minPageBytes: 65_536, visibleBytes: 2 ** 28 }],
  smemBytes: 2 ** 32,
  stolenBytes: 2 ** 20,
  swapBytes: 2 ** 40,
  engines: ["rcs0", "bcs0"],
  suspendCount: 3,
  nextObjectId: 9,
  nextOwnedId: 5,
  nextContextId: 4,
  nextFenceId: 2 ** 40,
  nextTransitionId: 6,
};

/** An object of a client in system memory, with these bytes. */
export function clientObject(id: number, bytes: Uint8Array, more: Partial<ImageObject> = {}): TestObject {
  const object: ImageObject = {
    kind: "CLIENT",
    id,
    sizeBytes: bytes.length,
    flags: 1,
    regions: [1, 0],
    alignmentBytes: 0,
    label: `object ${id}`,
    createTimeNs: 1_700_000_000_000_000_000n,
    version: 2,
    state: 1,
    dontNeed: false,
    pinCount: 0,
    place: "SYSTEM",
    region: -1,
    extents: [],
    owner: -1,
    lru: id,
    checksum: undefined,
    ...more,
  };
  return { object, bytes };
}

export function sourceOf(image: TestImage): ImageSource {
  return {
    ...image,
    byShutdown: false,
    generation: 0,
    objectCount: image.objects.length,
    object: (index) => image.objects[index].object,
    *frames(index) {
      const { bytes } = image.objects[index];
      for (let at = 0; at < bytes.length; at += FRAME_BYTES)
        yield frameOf(bytes.subarray(at, at + FRAME_BYTES));
    },
  };
}

interface WriteOptions {
  readonly draft?: MemoryImage;
  readonly codec?: FrameCodec;
  readonly failpoints?: DeviceFailpoints;
  readonly check?: () => void;
  readonly onBytes?: (bytes: number) => void;
}

/** Writes an image and answers what came of it. */
export async function write(
  image: TestImage,
  options: WriteOptions = {},
): Promise<{ readonly draft: MemoryImage; readonly summary: ImageSummary }> {
  const draft = options.draft ?? new MemoryImage();
  const summary = await writeImage({
    source: sourceOf(image),
    createTimeNs: 123_456_789_012_345_678n,
    clock,
    sha256,
    failpoints: NO_FAILPOINTS,
    check: () => {},
    ...options,
    draft,
  });
  return { draft, summary };
}

export function read(
  bytes: Uint8Array,
  options: { readonly codec?: FrameCodec | undefined; readonly failpoints?: DeviceFailpoints } = {},
): Promise<ImageTables> {
  return readImage({ file: fileOf(bytes), clock, sha256, failpoints: NO_FAILPOINTS, ...options });
}

/** The bytes of one object, into memory that held something else before. */
export async function loadObject(tables: ImageTables, index: number): Promise<Uint8Array> {
  const { place, sizeBytes } = tables.object(index);
  const bytes = new Uint8Array(place === "SYSTEM" || place === "SWAP" ? sizeBytes : 0).fill(0xaa);
  const frames = Array.from({ length: Math.ceil(bytes.length / FRAME_BYTES) }, (_, at) =>
    frameOf(bytes.subarray(at * FRAME_BYTES, (at + 1) * FRAME_BYTES)),
  );
  await tables.load(index, frames);
  return bytes;
}

/** Everything that an image says and holds. */
export async function readAll(bytes: Uint8Array, codec?: FrameCodec): Promise<TestImage> {
  const tables = await read(bytes, { codec });
  const objects: TestObject[] = [];
  for (let index = 0; index < tables.objectCount; index++) {
    objects.push({ object: tables.object(index), bytes: await loadObject(tables, index) });
  }
  return { device: tables.device, hybrid: tables.hybrid, contexts: tables.contexts, objects };
}

function frameOf(bytes: Uint8Array): FrameSource & FrameTarget {
  return {
    lengthBytes: bytes.length,
    isZero: () => bytes.every((byte) => byte === 0),
    crc32c: () => crc32c(bytes),
    copyTo: (target) => target.set(bytes),
    copyFrom: (source) => bytes.set(source),
    fillZero: () => bytes.fill(0),
  };
}
