/**
 * The tables of an image as they were read: bytes, from which records are made on demand. A million objects
 * never become a million JavaScript objects.
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

  /** @param bytes the bytes of every section, with the lengths given in the header */
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

  /** Like all methods below, legal only after image-check.ts has accepted the tables. */
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

  /** The name of an object in messages: `object 7`, `object k1`, `the backup of object 7`. */
  objectName(index: number): string {
    const { kind, id, owner } = decodeObject(this.#views.OBJECTS, this.base("OBJECTS", index));
    if (kind === "BACKUP") return `the backup of ${this.objectName(owner)}`;
    return kind === "OWNED" ? `object k${id}` : `object ${id}`;
  }

  /** The name of a frame in messages: `frame 3 of object 7`, counted from 0. */
  frameName(frame: number): string {
    // Objects without frames come before the object that owns the frame they point to, so the last object
    // that begins early enough is the owner.
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
