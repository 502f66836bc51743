/** Images that were changed on purpose: every checksum and the digest are made right again, as a forger would. */
import { createHash } from "node:crypto";
import { crc32c } from "@node-rs/crc32";
import {
  HEADER,
  HEADER_BYTES,
  RECORD_BYTES,
  SECTION,
  SECTION_NAMES,
  type SectionName,
} from "../../src/device/image/image-format.ts";
import { type Field, getNumber, putNumber } from "../../src/device/image/layout.ts";

/** Where a section of an image is, by its header. */
export function sectionAt(
  bytes: Uint8Array,
  name: SectionName,
): { readonly offsetBytes: number; readonly lengthBytes: number } {
  return placeOf(viewOf(bytes), SECTION_NAMES.indexOf(name));
}

/** Where the header describes that section. */
export function entryOf(name: SectionName): number {
  return entryBase(SECTION_NAMES.indexOf(name));
}

/** A copy of the image in which `change` changed something, and all checksums fit again. */
export function forge(bytes: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const forged = bytes.slice();
  const view = viewOf(forged);
  change(view);
  const hash = createHash("sha256");
  const count = getNumber(view, 0, HEADER.fields.sectionCount);
  for (let at = 0; at < Math.min(count, 16); at++) {
    const { offsetBytes, lengthBytes } = placeOf(view, at);
    const section = forged.subarray(offsetBytes, offsetBytes + lengthBytes);
    putNumber({ view, at: entryBase(at) }, SECTION.fields.crc32c, crc32c(section));
    hash.update(section);
  }
  const { digest, crc32c: checksum } = HEADER.fields;
  forged.fill(0, digest.offsetBytes, HEADER_BYTES);
  hash.update(forged.subarray(0, HEADER_BYTES));
  forged.set(new TextEncoder().encode(hash.digest("hex")), digest.offsetBytes);
  putNumber({ view, at: 0 }, checksum, crc32c(forged.subarray(0, checksum.offsetBytes)));
  return forged;
}

/** The image as a next minor version could write it: longer records of objects, and one section more. */
export function asNewerMinor(bytes: Uint8Array): Uint8Array {
  const sections = SECTION_NAMES.map((name) => {
    const { offsetBytes, lengthBytes } = sectionAt(bytes, name);
    const section = bytes.subarray(offsetBytes, offsetBytes + lengthBytes);
    return name === "OBJECTS" ? widened(section, RECORD_BYTES.OBJECTS, 16) : section;
  });
  sections.push(new Uint8Array(100).fill(7));
  const data = bytes.subarray(0, sectionAt(bytes, "DEVICE").offsetBytes);
  const newer = new Uint8Array([data, ...sections].reduce((sum, part) => sum + part.length, 0));
  newer.set(data);
  const view = viewOf(newer);
  const put = (field: Field, value: number): void => putNumber({ view, at: 0 }, field, value);
  put(HEADER.fields.minor, 1);
  put(HEADER.fields.fileBytes, newer.length);
  put(HEADER.fields.sectionCount, sections.length);
  let end = data.length;
  sections.forEach((section, at) => {
    const base = entryBase(at);
    const name = SECTION_NAMES[at];
    const recordBytes = name === undefined ? 10 : RECORD_BYTES[name] + (name === "OBJECTS" ? 16 : 0);
    newer.set(section, end);
    putNumber({ view, at: base }, SECTION.fields.kind, at + 1);
    putNumber({ view, at: base }, SECTION.fields.recordBytes, recordBytes);
    putNumber({ view, at: base }, SECTION.fields.offsetBytes, end);
    putNumber({ view, at: base }, SECTION.fields.lengthBytes, section.length);
    end += section.length;
  });
  return forge(newer, () => {});
}

/** Records with `moreBytes` of something at the end of each. */
function widened(records: Uint8Array, recordBytes: number, moreBytes: number): Uint8Array {
  const count = records.length / recordBytes;
  const wide = new Uint8Array(count * (recordBytes + moreBytes)).fill(0xee);
  for (let at = 0; at < count; at++) {
    wide.set(records.subarray(at * recordBytes, (at + 1) * recordBytes), at * (recordBytes + moreBytes));
  }
  return wide;
}

function placeOf(view: DataView, at: number): { readonly offsetBytes: number; readonly lengthBytes: number } {
  const number = (field: Field): number => {
    const base = entryBase(at) + field.offsetBytes;
    return Number(view.getBigUint64(base, true));
  };
  return {
    offsetBytes: number(SECTION.fields.offsetBytes),
    lengthBytes: number(SECTION.fields.lengthBytes),
  };
}

function entryBase(at: number): number {
  return HEADER.fields.sections.offsetBytes + at * SECTION.sizeBytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
