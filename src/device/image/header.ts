/**
 * Converts the header of an image to and from bytes. Its contents are checked against the length of the file
 * before anybody uses them.
 */
import assert from "node:assert/strict";
import { formatBytes } from "../format.ts";
import { crc32cOf } from "../hardware/crc32c.ts";
import {
  CONTEXTS_MAX,
  IMAGE_DEVICE_BYTES_MAX,
  IMAGE_FRAME_BYTES,
  IMAGE_TABLES_BYTES_MAX,
  LABEL_LENGTH_MAX,
  OBJECTS_MAX,
} from "../limits.ts";
import { imageCorrupt, imageIncompatible } from "./image-error.ts";
import {
  FLAG_HYBRID,
  FLAG_SHUTDOWN,
  FORMAT_MAJOR,
  FORMAT_MINOR,
  HEADER,
  HEADER_BYTES,
  IMAGE_ID_LENGTH_MAX,
  IMAGE_MAGIC,
  RECORD_BYTES,
  SECTION,
  SECTION_NAMES,
  SECTIONS_MAX,
  type SectionName,
} from "./image-format.ts";
import { fieldBytes, getNumber, getTime, putNumber, putTime, viewOf } from "./layout.ts";

export interface ImageSection {
  readonly recordBytes: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly crc32c: number;
}

export interface ImageHeader {
  readonly major: number;
  readonly minor: number;
  readonly hybrid: boolean;
  /** Whether the daemon hibernated the device when it ended; false if a client did. */
  readonly byShutdown: boolean;
  /** Generation of the state that it holds; 0 in images of versions without generations. */
  readonly generation: number;
  readonly codec: number;
  readonly id: string;
  readonly createTimeNs: bigint;
  readonly fileBytes: number;
  readonly dataBytes: number;
  readonly contentBytes: number;
  /** In the order of SECTION_NAMES, followed by any sections that a larger minor version adds. */
  readonly sections: readonly ImageSection[];
}

/**
 * Writes the header of version FORMAT_MAJOR.FORMAT_MINOR.
 * @param digest the digest of everything after the data, then of the header without the digest
 */
export function encodeHeader(
  header: Omit<ImageHeader, "major" | "minor">,
  digest: (undigested: Uint8Array) => string,
): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = viewOf(bytes);
  const record = { view, at: 0 };
  const { fields } = HEADER;
  assert(isId(header.id), "the id of an image is short and printable");
  bytes.set(IMAGE_MAGIC);
  putNumber(record, fields.major, FORMAT_MAJOR);
  putNumber(record, fields.minor, FORMAT_MINOR);
  putNumber(record, fields.headerBytes, HEADER_BYTES);
  putNumber(record, fields.flags, flagsOf(header));
  putNumber(record, fields.codec, header.codec);
  putNumber(record, fields.frameBytes, IMAGE_FRAME_BYTES);
  putTime(record, fields.createTimeNs, header.createTimeNs);
  putNumber(record, fields.fileBytes, header.fileBytes);
  putNumber(record, fields.dataBytes, header.dataBytes);
  putNumber(record, fields.contentBytes, header.contentBytes);
  putNumber(record, fields.sectionCount, header.sections.length);
  putAscii(fieldBytes(bytes, fields.id), header.id);
  putNumber(record, fields.generation, header.generation);
  header.sections.forEach((section, at) => {
    const entry = { view, at: fields.sections.offsetBytes + at * SECTION.sizeBytes };
    putNumber(entry, SECTION.fields.kind, at + 1);
    putNumber(entry, SECTION.fields.recordBytes, section.recordBytes);
    putNumber(entry, SECTION.fields.offsetBytes, section.offsetBytes);
    putNumber(entry, SECTION.fields.lengthBytes, section.lengthBytes);
    putNumber(entry, SECTION.fields.crc32c, section.crc32c);
  });
  putAscii(fieldBytes(bytes, fields.digest), digest(bytes));
  putNumber(record, fields.crc32c, crc32cOf(bytes.subarray(0, fields.crc32c.offsetBytes)));
  return bytes;
}

/**
 * Reads a header from the first HEADER_BYTES of a file of `sizeBytes`.
 * @throws DeviceError IMAGE_CORRUPT; IMAGE_INCOMPATIBLE if it is intact but of a version that cannot be read.
 */
export function decodeHeader(bytes: Uint8Array, sizeBytes: number): ImageHeader {
  const view = viewOf(bytes);
  const { fields } = HEADER;
  checkWhole(bytes, view);
  checkVersion(view);
  const number = (name: keyof typeof fields): number => getNumber(view, 0, fields[name]);
  const header: ImageHeader = {
    major: number("major"),
    minor: number("minor"),
    hybrid: (number("flags") & FLAG_HYBRID) !== 0,
    byShutdown: (number("flags") & FLAG_SHUTDOWN) !== 0,
    generation: number("generation"),
    codec: number("codec"),
    id: asciiOf(fieldBytes(bytes, fields.id)),
    createTimeNs: getTime(view, 0, fields.createTimeNs),
    fileBytes: number("fileBytes"),
    dataBytes: number("dataBytes"),
    contentBytes: number("contentBytes"),
    sections: decodeSections(view, number("sectionCount")),
  };
  if (number("headerBytes") !== HEADER_BYTES || number("frameBytes") !== IMAGE_FRAME_BYTES) {
    throw imageCorrupt("its header names sizes of header and frames that no version has");
  }
  if (!isId(header.id)) throw imageCorrupt("its id is not printable");
  if (header.fileBytes !== sizeBytes) {
    throw imageCorrupt(`it is ${sizeBytes} bytes long, and its header says ${header.fileBytes}`);
  }
  checkSections(header);
  return header;
}

/** The digest in a header, and the bytes of the header that the digest covers. */
export function digestOf(bytes: Uint8Array): { readonly digest: string; readonly undigested: Uint8Array } {
  const undigested = bytes.slice();
  fieldBytes(undigested, HEADER.fields.digest).fill(0);
  fieldBytes(undigested, HEADER.fields.crc32c).fill(0);
  return { digest: asciiOf(fieldBytes(bytes, HEADER.fields.digest)), undigested };
}

/** The section with that name. Every decoded header has it. */
export function sectionOf(header: ImageHeader, name: SectionName): ImageSection {
  const section = header.sections[SECTION_NAMES.indexOf(name)];
  assert(section !== undefined, "a header that was decoded has every section");
  return section;
}

/** How many records a section has. */
export function recordCount(section: ImageSection): number {
  return section.lengthBytes / section.recordBytes;
}

function checkWhole(bytes: Uint8Array, view: DataView): void {
  if (IMAGE_MAGIC.some((byte, at) => bytes[at] !== byte)) {
    throw imageCorrupt(
      bytes.every((byte) => byte === 0)
        ? "it has no header, because its writing was cut short"
        : "it does not begin as a hibernation image does",
    );
  }
  const { crc32c } = HEADER.fields;
  const computed = crc32cOf(bytes.subarray(0, crc32c.offsetBytes));
  if (computed !== getNumber(view, 0, crc32c)) throw imageCorrupt("its header is torn or was changed");
}

function checkVersion(view: DataView): void {
  const { fields } = HEADER;
  const major = getNumber(view, 0, fields.major);
  const minor = getNumber(view, 0, fields.minor);
  const incompatible = getNumber(view, 0, fields.incompatible);
  if (major === FORMAT_MAJOR && incompatible === 0) return;
  if (major < FORMAT_MAJOR) {
    throw imageIncompatible(`it has format ${major}.${minor}, and only ${FORMAT_MAJOR}.x is read`);
  }
  const features = incompatible === 0 ? "" : ` with features 0x${incompatible.toString(16)}`;
  throw imageIncompatible(
    `it has format ${major}.${minor}${features}, which is newer than ${FORMAT_MAJOR}.${FORMAT_MINOR}`,
  );
}

function decodeSections(view: DataView, count: number): ImageSection[] {
  if (count < SECTION_NAMES.length || count > SECTIONS_MAX) throw imageCorrupt(`it has ${count} sections`);
  return Array.from({ length: count }, (_, at) => {
    const base = HEADER.fields.sections.offsetBytes + at * SECTION.sizeBytes;
    const number = (name: keyof typeof SECTION.fields): number => getNumber(view, base, SECTION.fields[name]);
    if (number("kind") !== at + 1) throw imageCorrupt(`section ${at + 1} of its header has another kind`);
    return {
      recordBytes: number("recordBytes"),
      offsetBytes: number("offsetBytes"),
      lengthBytes: number("lengthBytes"),
      crc32c: number("crc32c"),
    };
  });
}

/**
 * Sections follow the data and each other without gaps, up to the end. None is larger than a device can need.
 */
function checkSections(header: ImageHeader): void {
  const newer = header.minor > FORMAT_MINOR;
  if (!newer && header.sections.length !== SECTION_NAMES.length) {
    throw imageCorrupt(`it has ${header.sections.length} sections`);
  }
  let end = HEADER_BYTES + header.dataBytes;
  header.sections.forEach(({ recordBytes, offsetBytes, lengthBytes }, at) => {
    const known = SECTION_NAMES[at];
    const name = known ?? `number ${at + 1}`;
    const knownBytes = known === undefined ? 1 : RECORD_BYTES[known];
    const mayGrow = newer && known !== "DEVICE" && known !== "STRINGS";
    if (mayGrow ? recordBytes < knownBytes : recordBytes !== knownBytes) {
      throw imageCorrupt(`records of section ${name} have ${recordBytes} bytes`);
    }
    if (offsetBytes !== end || lengthBytes % recordBytes !== 0 || lengthBytes > header.fileBytes - end) {
      throw imageCorrupt(
        `section ${name} (${lengthBytes} bytes at offset ${offsetBytes}) is not where it should be`,
      );
    }
    end += lengthBytes;
  });
  if (end !== header.fileBytes) throw imageCorrupt(`its sections end at ${end} of ${header.fileBytes} bytes`);
  checkSizes(header);
}

function checkSizes(header: ImageHeader): void {
  const tablesBytes = header.fileBytes - HEADER_BYTES - header.dataBytes;
  if (tablesBytes > IMAGE_TABLES_BYTES_MAX) {
    throw imageCorrupt(`its tables take ${formatBytes(tablesBytes)}, more than any device needs`);
  }
  const count = (name: SectionName): number => recordCount(sectionOf(header, name));
  const objects = count("OBJECTS");
  if (objects > OBJECTS_MAX) throw imageCorrupt(`it has ${objects} objects, more than any device`);
  if (count("CONTEXTS") > CONTEXTS_MAX) throw imageCorrupt(`it has ${count("CONTEXTS")} contexts`);
  if (count("DEVICE") > IMAGE_DEVICE_BYTES_MAX) throw imageCorrupt("its section DEVICE is too long");
  if (count("STRINGS") > objects * LABEL_LENGTH_MAX) throw imageCorrupt("its section STRINGS is too long");
}

function flagsOf({ hybrid, byShutdown }: Pick<ImageHeader, "hybrid" | "byShutdown">): number {
  return (hybrid ? FLAG_HYBRID : 0) | (byShutdown ? FLAG_SHUTDOWN : 0);
}

function isId(id: string): boolean {
  return id.length <= IMAGE_ID_LENGTH_MAX && /^[\x21-\x7e]*$/.test(id);
}

function putAscii(into: Uint8Array, text: string): void {
  assert(text.length <= into.length, "a text fits its field");
  for (let at = 0; at < text.length; at++) into[at] = text.charCodeAt(at);
}

/** Up to the first zero byte. */
function asciiOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end === -1 ? bytes.length : end));
}
