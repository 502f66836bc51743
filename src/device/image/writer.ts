/**
 * Writes a hibernation image to a draft: frames as they come, then tables, then the header. The result is
 * durable but not yet sealed. The caller verifies it before sealing (verify-image.ts).
 */
import assert from "node:assert/strict";
import type { Clock } from "../clock.ts";
import type { DeviceFailpoints } from "../failpoints.ts";
import { crc32cOf } from "../hardware/crc32c.ts";
import { IMAGE_DEVICE_BYTES_MAX, IMAGE_FRAME_BYTES, IMAGE_FRAME_OVERHEAD_BYTES } from "../limits.ts";
import type { HashFactory } from "../services.ts";
import { WorkSlices } from "../work-slices.ts";
import { ImageFrames } from "./frames.ts";
import { encodeHeader, type ImageSection } from "./header.ts";
import {
  CODEC_RAW,
  CONTEXT,
  EXTENT,
  FRAME,
  HEADER_BYTES,
  OBJECT,
  RECORD_BYTES,
  SECTION_NAMES,
} from "./image-format.ts";
import type { ImageSource } from "./image-model.ts";
import type { FrameCodec, ImageDraft } from "./image-store.ts";
import { textBytes } from "./layout.ts";
import { ImageOutput } from "./output.ts";
import { hasFrames, ImageSections } from "./sections.ts";

export interface WriteImageOptions {
  readonly source: ImageSource;
  readonly draft: ImageDraft;
  /**
   * Its id in the header: at most IMAGE_ID_LENGTH_MAX printable ASCII characters.
   * @default the draft's
   */
  readonly id?: string;
  readonly createTimeNs: bigint;
  readonly clock: Clock;
  readonly sha256: HashFactory;
  /** @default every frame is written unchanged */
  readonly codec?: FrameCodec;
  readonly failpoints: DeviceFailpoints;
  /** Called before each write and each pause. Throws to stop the writing. */
  readonly check: () => void;
  /** Called with the number of bytes of each accepted frame; they add up to `contentBytes`. */
  readonly onBytes?: (bytes: number) => void;
}

export interface ImageSummary {
  readonly objects: number;
  /** Bytes of all frames, before any was elided or compressed. */
  readonly contentBytes: number;
  /** Size of the file. */
  readonly storedBytes: number;
  readonly frames: number;
  /** How many were elided. */
  readonly zeroFrames: number;
}

/**
 * Writes an image and makes it durable. When this settles, no write to the draft is in progress, whatever the
 * result.
 * @throws DeviceError IMAGE_STORE_FULL or COPY_FAILED from the draft; the errors of `check`.
 */
export async function writeImage(options: WriteImageOptions): Promise<ImageSummary> {
  const { source, draft, failpoints, check } = options;
  const output = new ImageOutput({ draft, failpoints, check, startBytes: HEADER_BYTES });
  const sections = new ImageSections(source.device, source.contexts);
  const frames = new ImageFrames(output, sections, options.codec);
  try {
    await writeFrames(options, sections, frames);
    const dataBytes = output.positionBytes - HEADER_BYTES;
    const sha256 = options.sha256();
    const table = await writeSections(sections, output, { sha256, slices: new WorkSlices(options.clock) });
    await output.finish();
    const header = encodeHeader(
      {
        hybrid: source.hybrid,
        byShutdown: source.byShutdown,
        generation: source.generation,
        codec: options.codec?.id ?? CODEC_RAW,
        id: options.id ?? draft.id,
        createTimeNs: options.createTimeNs,
        fileBytes: output.positionBytes,
        dataBytes,
        contentBytes: frames.contentBytes,
        sections: table,
      },
      (undigested) => {
        sha256.update(undigested);
        return sha256.digestHex();
      },
    );
    await output.writeAt(0, header);
  } finally {
    await frames.settle();
    await output.settle();
  }
  await failpoints.pass("image.fsync");
  await draft.sync();
  return {
    objects: source.objectCount,
    contentBytes: frames.contentBytes,
    storedBytes: output.positionBytes,
    frames: sections.frameCount,
    zeroFrames: frames.zeroFrames,
  };
}

/** The sums over an image's contents. */
export interface ImageAmounts {
  readonly objects: number;
  /** Sizes of the objects whose bytes are in the image. */
  readonly contentBytes: number;
  /** Extents of the objects that are in local memory. */
  readonly extents: number;
  readonly contexts: number;
  /** Length of all labels. Unit: UTF-16 code units. */
  readonly labelLength: number;
}

/** The largest possible size of such an image, if no frame is zero or compressed. */
export function imageBytesMax(amounts: ImageAmounts): number {
  // Each object may have one partial frame.
  const frames = amounts.objects + Math.ceil(amounts.contentBytes / IMAGE_FRAME_BYTES);
  return (
    HEADER_BYTES +
    amounts.contentBytes +
    IMAGE_DEVICE_BYTES_MAX +
    amounts.objects * OBJECT.sizeBytes +
    amounts.extents * EXTENT.sizeBytes +
    frames * FRAME.sizeBytes +
    amounts.contexts * CONTEXT.sizeBytes +
    amounts.labelLength * RECORD_BYTES.STRINGS
  );
}

async function writeFrames(
  options: WriteImageOptions,
  sections: ImageSections,
  frames: ImageFrames,
): Promise<void> {
  const { source, check, onBytes } = options;
  const slices = new WorkSlices(options.clock);
  const pause = async (): Promise<void> => {
    check();
    await slices.rest();
  };
  for (let index = 0; index < source.objectCount; index++) {
    const object = source.object(index);
    sections.addObject(object);
    if (slices.spend(textBytes(object.label))) await pause();
    if (!hasFrames(object)) continue;
    const before = frames.contentBytes;
    for (const next of source.frames(index)) {
      const frame = next instanceof Promise ? await next : next;
      const { lengthBytes } = frame;
      const taken = frames.add(frame);
      if (taken !== undefined) await taken;
      onBytes?.(lengthBytes);
      // Zeroes are only detected; none of their bytes are copied.
      const workedBytes = taken === undefined ? 0 : lengthBytes;
      if (slices.spend(workedBytes + IMAGE_FRAME_OVERHEAD_BYTES)) await pause();
    }
    assert(frames.contentBytes - before === object.sizeBytes, "the frames of an object are its bytes");
  }
  await frames.flush();
  assert(sections.frameCount === sections.framesPromised, "every frame is full but the last of an object");
}

async function writeSections(
  sections: ImageSections,
  output: ImageOutput,
  { sha256, slices }: { readonly sha256: ReturnType<HashFactory>; readonly slices: WorkSlices },
): Promise<ImageSection[]> {
  const table: ImageSection[] = [];
  for (const name of SECTION_NAMES) {
    const offsetBytes = output.positionBytes;
    let crc32c = 0;
    for (const piece of sections.pieces(name)) {
      await output.append(piece.length, (into) => into.set(piece));
      crc32c = crc32cOf(piece, crc32c);
      sha256.update(piece);
      if (slices.spend(piece.length)) await slices.rest();
    }
    table.push({
      recordBytes: RECORD_BYTES[name],
      offsetBytes,
      lengthBytes: output.positionBytes - offsetBytes,
      crc32c,
    });
  }
  return table;
}
