/**
 * The tables of an image while it is written. They grow with every object and frame, and are written after
 * all data. They are kept in pieces, because copying a growing table as a whole would stop everything else.
 */
import assert from "node:assert/strict";
import {
  CONTEXTS_MAX,
  IMAGE_DEVICE_BYTES_MAX,
  IMAGE_FRAME_BYTES,
  IMAGE_WRITE_BYTES,
  KIB,
  OBJECTS_MAX,
} from "../limits.ts";
import { encodeDevice } from "./device-section.ts";
import { CONTEXT, EXTENT, FRAME, OBJECT, RECORD_BYTES, type SectionName } from "./image-format.ts";
import type { ImageContext, ImageDevice, ImageObject } from "./image-model.ts";
import { putText, textBytes, viewOf } from "./layout.ts";
import { encodeContext, encodeExtent, encodeFrame, encodeObject, type FrameRecord } from "./records.ts";

/** How many frames an object of this size has if its bytes are in the image. */
export function framesOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / IMAGE_FRAME_BYTES);
}

/** Whether the object's bytes are in the image. */
export function hasFrames(object: Pick<ImageObject, "place">): boolean {
  return object.place === "SYSTEM" || object.place === "SWAP";
}

export class ImageSections {
  readonly #sections: Readonly<Record<SectionName, Pieces>> = {
    DEVICE: new Pieces(),
    OBJECTS: new Pieces(),
    EXTENTS: new Pieces(),
    FRAMES: new Pieces(),
    CONTEXTS: new Pieces(),
    STRINGS: new Pieces(),
  };
  #framesPromised = 0;

  constructor(device: ImageDevice, contexts: readonly ImageContext[]) {
    assert(contexts.length <= CONTEXTS_MAX, "a device has few contexts");
    const bytes = encodeDevice(device);
    const { view, at } = this.#sections.DEVICE.append(bytes.length);
    new Uint8Array(view.buffer).set(bytes, at);
    for (const context of contexts) {
      const place = this.#sections.CONTEXTS.append(CONTEXT.sizeBytes);
      encodeContext(place, context, device.engines);
    }
  }

  /** Records an object. Its frames must follow in order, before the next object. */
  addObject(object: ImageObject): void {
    const { OBJECTS, EXTENTS, STRINGS } = this.#sections;
    assert(
      OBJECTS.lengthBytes < OBJECTS_MAX * OBJECT.sizeBytes,
      "a device has no more objects than its table",
    );
    const frameCount = hasFrames(object) ? framesOf(object.sizeBytes) : 0;
    const references = {
      firstFrame: this.#framesPromised,
      frameCount,
      firstExtent: EXTENTS.lengthBytes / EXTENT.sizeBytes,
      extentCount: object.extents.length,
      label: STRINGS.lengthBytes / RECORD_BYTES.STRINGS,
      labelLength: object.label.length,
    };
    encodeObject(OBJECTS.append(OBJECT.sizeBytes), object, references);
    for (const extent of object.extents) {
      encodeExtent(EXTENTS.append(EXTENT.sizeBytes), extent);
    }
    const text = STRINGS.append(textBytes(object.label));
    putText(text.view, text.at, object.label);
    this.#framesPromised += frameCount;
  }

  addFrame(frame: FrameRecord): void {
    encodeFrame(this.#sections.FRAMES.append(FRAME.sizeBytes), frame);
  }

  get frameCount(): number {
    return this.#sections.FRAMES.lengthBytes / FRAME.sizeBytes;
  }

  /** How many frames the recorded objects have. */
  get framesPromised(): number {
    return this.#framesPromised;
  }

  lengthBytes(name: SectionName): number {
    return this.#sections[name].lengthBytes;
  }

  /** The bytes of a section, in pieces of at most IMAGE_WRITE_BYTES. */
  pieces(name: SectionName): Generator<Uint8Array> {
    return this.#sections[name].pieces();
  }
}

/** Bytes that grow at the end. A single append is never split. */
class Pieces {
  readonly #full: Uint8Array[] = [];
  #view = EMPTY;
  #used = 0;
  lengthBytes = 0;

  /** Makes room for this many zero bytes, at `at` in `view`. */
  append(lengthBytes: number): { readonly view: DataView; readonly at: number } {
    assert(lengthBytes <= IMAGE_DEVICE_BYTES_MAX, "what is appended at once is smaller than a piece can be");
    if (this.#used + lengthBytes > this.#view.byteLength) {
      this.#close();
      // The first pieces are small, because most sections of most images are.
      const pieceBytes = Math.min(FIRST_BYTES * PIECE_GROWTH ** this.#full.length, IMAGE_WRITE_BYTES);
      this.#view = new DataView(new ArrayBuffer(Math.max(pieceBytes, lengthBytes)));
    }
    const at = this.#used;
    this.#used += lengthBytes;
    this.lengthBytes += lengthBytes;
    return { view: this.#view, at };
  }

  *pieces(): Generator<Uint8Array> {
    yield* this.#full;
    if (this.#used > 0) yield new Uint8Array(this.#view.buffer, 0, this.#used);
  }

  #close(): void {
    if (this.#used > 0) this.#full.push(new Uint8Array(this.#view.buffer, 0, this.#used));
    this.#used = 0;
  }
}

const FIRST_BYTES = 4 * KIB;
const PIECE_GROWTH = 8;
const EMPTY = viewOf(new Uint8Array(0));
