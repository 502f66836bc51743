/**
 * The tables of an image as they were read: bytes, of which records are made when they are asked for. A
 * million objects are never a million JavaScript objects.
 */
import assert from "node:assert/strict";
import { type ImageHeader, recordCount, sectionOf } from "./header.ts";
import { RECORD_BYTES, SECTION_NAMES, type SectionName } from "./image-format.ts";
import type { ImageDevice, ImageObject, ImagePlace } from "./image-model.ts";
import { getText, viewOf } from "./layout.ts";
import {
  decodeExtent,
  decodeFrame,
  decodeObject,
  decodePlace,
  decodeReferences,
  type FrameRecord,
  type ObjectReferences,
} from "./records.ts";

export class ImageTable {
  readonly header: ImageHeader;
  readonly device: ImageDevice;
  readonly #views: Readonly<Record<SectionName, DataView>>;
  readonly #recordBytes: Readonly<Record<SectionName, number>>;
  readonly #counts: Readonly<Record<SectionName, number>>;

  /** @param bytes of every section, of the lengths that the header says */
  constructor(header: ImageHeader, device: ImageDevice, bytes: Readonly<Record<SectionName, Uint8Array>>) {
    this.header = header;
    this.device = device;
    this.#views = bySection((name) => viewOf(bytes[name]));
    this.#recordBytes = bySection((name) => sectionOf(header, name).recordBytes);
    this.#counts = bySection((name) => recordCount(sectionOf(header, name)));
  }

  count(name: SectionName): number {
    return this.#counts[name];
  }

  view(name: SectionName): DataView {
    return this.#views[name];
  }

  /** Where the record at `index` begins in the view of its section. */
  base(name: SectionName, index: number): number {
    assert(index >= 0 && index < this.count(name), "only records that are there are read");
    return index * this.#recordBytes[name];
  }

  /** Legal, as all that follow, once check.ts has found the tables sound. */
  object(index: number): ImageObject {
    const { firstExtent, extentCount, label, labelLength } = this.references(index);
    return {
      ...decodeObject(this.#views.OBJECTS, this.base("OBJECTS", index)),
      label: getText(this.#views.STRINGS, label * RECORD_BYTES.STRINGS, labelLength),
      extents: Array.from({ length: extentCount }, (_, at) =>
        decodeExtent(this.#views.EXTENTS, this.base("EXTENTS", firstExtent + at)),
      ),
    };
  }

  place(index: number): ImagePlace {
    return decodePlace(this.#views.OBJECTS, this.base("OBJECTS", index));
  }

  references(index: number): ObjectReferences {
    return decodeReferences(this.#views.OBJECTS, this.base("OBJECTS", index));
  }

  frame(index: number): FrameRecord {
    return decodeFrame(this.#views.FRAMES, this.base("FRAMES", index));
  }

  /** What messages call an object: `object 7`, `object k1`, `the backup of object 7`. */
  objectName(index: number): string {
    const { kind, id, owner } = decodeObject(this.#views.OBJECTS, this.base("OBJECTS", index));
    if (kind === "BACKUP") return `the backup of ${this.objectName(owner)}`;
    return kind === "OWNED" ? `object k${id}` : `object ${id}`;
  }

  /** What messages call a frame: `frame 3 of object 7`, from 0. */
  frameName(frame: number): string {
    // Objects without frames stand before those whose first frame they name: the last one that begins in time
    // has it.
    let low = 0;
    let high = this.count("OBJECTS");
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.references(middle).firstFrame <= frame) low = middle;
      else high = middle;
    }
    return `frame ${frame - this.references(low).firstFrame} of ${this.objectName(low)}`;
  }
}

/** One of something for each section. */
export function bySection<T>(make: (name: SectionName) => T): Readonly<Record<SectionName, T>> {
  return Object.fromEntries(SECTION_NAMES.map((name) => [name, make(name)])) as Record<SectionName, T>;
}
