/** Reads a hibernation image: the tables at once, the bytes of objects on demand. */
import assert from "node:assert/strict";
import type { DeviceFailpoints } from "../failpoints.ts";
import { crc32cOfZeroes } from "../hardware/crc32c.ts";
import { IMAGE_FRAME_OVERHEAD_BYTES } from "../limits.ts";
import type { SuspendCause } from "../resource.ts";
import { WorkSlices } from "../work-slices.ts";
import { recordCount, sectionOf } from "./header.ts";
import { imageCorrupt } from "./image-error.ts";
import { CODEC_RAW, FRAME_ZERO } from "./image-format.ts";
import type { FrameTarget, ImageContext, ImageTables } from "./image-model.ts";
import type { ImageFile } from "./image-store.ts";
import { ImageInput } from "./input.ts";
import { type OpenImageOptions, openImage, readHeaderAndDevice } from "./open.ts";
import { decodeContext, type FrameRecord } from "./records.ts";
import type { ImageTable } from "./table.ts";

export interface ReadImageOptions extends OpenImageOptions {
  readonly failpoints: DeviceFailpoints;
}

/**
 * Reads header and tables. The caller closes the file when nothing is being loaded any more. Objects must be
 * loaded one at a time.
 * @throws DeviceError IMAGE_CORRUPT with what and where; IMAGE_INCOMPATIBLE if its version or codec cannot be
 * read here; COPY_FAILED if the file cannot be read.
 */
export async function readImage(options: ReadImageOptions): Promise<ImageTables> {
  const table = await openImage(options);
  const { header, device } = table;
  const loader = new ObjectLoader(options, table);
  return {
    device,
    hybrid: header.hybrid,
    generation: header.generation,
    createTimeNs: header.createTimeNs,
    contexts: contextsOf(table),
    objectCount: table.count("OBJECTS"),
    object: (index) => table.object(index),
    place: (index) => table.place(index),
    load: (index, frames) => loader.load(index, frames),
  };
}

/** The description of an image in a listing. */
export interface ImageDescription {
  readonly id: string;
  /** `1.0`. */
  readonly formatVersion: string;
  readonly deviceName: string;
  /** Generation of the state that it holds. */
  readonly deviceUid: string;
  /** 0 if a version without this field wrote it. */
  readonly generation: number;
  /** Who requested the hibernation; undefined if it was written by a version that did not record this. */
  readonly cause: SuspendCause | undefined;
  /** The number of the device's next transition. */
  readonly nextTransitionId: number;
  readonly createTimeNs: bigint;
  readonly hybrid: boolean;
  /** How its frames were compressed: 0 not at all, 1 zstd. */
  readonly codec: number;
  readonly objects: number;
  readonly contentBytes: number;
  readonly fileBytes: number;
}

/**
 * Describes an image from header and section DEVICE alone. This is cheap, and does not prove that the rest is
 * intact.
 * @throws DeviceError like `readImage`, but never for a codec.
 */
export async function describeImage(file: Pick<ImageFile, "read" | "sizeBytes">): Promise<ImageDescription> {
  const { header, device } = await readHeaderAndDevice(file);
  return {
    id: header.id,
    formatVersion: `${header.major}.${header.minor}`,
    deviceName: device.name,
    deviceUid: device.uid,
    generation: header.generation,
    cause: header.generation === 0 ? undefined : header.byShutdown ? "shutdown" : "client",
    nextTransitionId: device.nextTransitionId,
    createTimeNs: header.createTimeNs,
    hybrid: header.hybrid,
    codec: header.codec,
    objects: recordCount(sectionOf(header, "OBJECTS")),
    contentBytes: header.contentBytes,
    fileBytes: header.fileBytes,
  };
}

class ObjectLoader {
  readonly #failpoints: DeviceFailpoints;
  readonly #table: ImageTable;
  readonly #input: ImageInput;
  readonly #slices: WorkSlices;
  #loading = false;

  constructor(options: ReadImageOptions, table: ImageTable) {
    const codec = table.header.codec === CODEC_RAW ? undefined : options.codec;
    this.#failpoints = options.failpoints;
    this.#table = table;
    this.#input = new ImageInput(options.file, table, codec);
    this.#slices = new WorkSlices(options.clock);
  }

  async load(index: number, frames: Iterable<FrameTarget | Promise<FrameTarget>>): Promise<void> {
    assert(!this.#loading, "objects are loaded one after the other");
    this.#loading = true;
    try {
      await this.#failpoints.pass("image.read");
      await this.#load(index, frames);
    } catch (error) {
      await this.#input.reset();
      throw error;
    } finally {
      this.#loading = false;
    }
  }

  async #load(index: number, frames: Iterable<FrameTarget | Promise<FrameTarget>>): Promise<void> {
    const { firstFrame, frameCount } = this.#table.references(index);
    let frame = firstFrame;
    for (const next of frames) {
      const target = next instanceof Promise ? await next : next;
      assert(frame < firstFrame + frameCount, "an object is loaded to as many frames as it has");
      const record = this.#table.frame(frame);
      assert(target.lengthBytes === record.rawBytes, "frames are loaded to frames of their length");
      if (record.form === FRAME_ZERO) target.fillZero();
      else target.copyFrom(await this.#input.take(frame, record));
      if (!isLoaded(target, record)) {
        throw imageCorrupt(`${this.#table.frameName(frame)} does not have the checksum that it had`);
      }
      frame++;
      if (this.#slices.spend(record.rawBytes + IMAGE_FRAME_OVERHEAD_BYTES)) await this.#slices.rest();
    }
    assert(frame === firstFrame + frameCount, "an object is loaded whole");
    if (frame === this.#table.count("FRAMES")) await this.#input.reset();
    if (frameCount === 0 && this.#slices.spend(0)) await this.#slices.rest();
  }
}

/** Whether the bytes match the checksum. Looking for zeroes is faster than computing their checksum. */
function isLoaded(target: FrameTarget, record: FrameRecord): boolean {
  if (record.form !== FRAME_ZERO) return target.crc32c() === record.rawCrc32c;
  return record.rawCrc32c === crc32cOfZeroes(record.rawBytes) && target.isZero();
}

function contextsOf(table: ImageTable): ImageContext[] {
  return Array.from({ length: table.count("CONTEXTS") }, (_, index) => {
    const base = table.base("CONTEXTS", index);
    const context = decodeContext(table.view("CONTEXTS"), base, table.device.engines);
    assert(context !== undefined, "contexts were checked before they are decoded");
    return context;
  });
}
