/**
 * The format of hibernation images: every constant and every layout. Byte by byte and with reasons it is in
 * docs/hibernation-image.md, which a test holds to this.
 *
 *   header (4 KiB) | data: frames without gaps | DEVICE | OBJECTS | EXTENTS | FRAMES | CONTEXTS | STRINGS
 *
 * Sections follow each other without gaps, so that no byte of a file is covered by no checksum. The header is
 * written last: a file whose writing was cut short has none.
 */
import assert from "node:assert/strict";
import type { ImageObjectKind, ImagePlace } from "./image-model.ts";
import { type Layout, layoutOf } from "./layout.ts";

/** Not text, and damaged by any conversion of line ends (PNG's trick). "TPIM" in between. */
export const IMAGE_MAGIC = Uint8Array.of(0x89, 0x54, 0x50, 0x49, 0x4d, 0x0d, 0x0a, 0x1a);

/** Readers refuse other major versions. */
export const FORMAT_MAJOR = 1;
/** A larger minor version may have longer records and more sections, which readers skip. */
export const FORMAT_MINOR = 0;

/** No codec: every frame is stored unchanged. */
export const CODEC_RAW = 0;

/**
 * Bits of the header's `flags`: the device also keeps its system memory; the daemon hibernated the device
 * when it ended.
 */
export const FLAG_HYBRID = 1;
export const FLAG_SHUTDOWN = 2;

export const HEADER_BYTES = 4096;
export const SECTIONS_MAX = 16;
/** The longest image id, in printable ASCII characters. */
export const IMAGE_ID_LENGTH_MAX = 128;

export const HEADER = layoutOf({
  magic: 8,
  major: "u16",
  minor: "u16",
  headerBytes: "u32",
  flags: "u32",
  incompatible: "u32",
  codec: "u32",
  frameBytes: "u32",
  createTimeNs: "u64",
  fileBytes: "u64",
  dataBytes: "u64",
  contentBytes: "u64",
  reserved0: "u32",
  sectionCount: "u32",
  id: IMAGE_ID_LENGTH_MAX,
  generation: "u64",
  reserved1: 48,
  sections: SECTIONS_MAX * 32,
  reserved2: 3260,
  digest: 64,
  crc32c: "u32",
});

/** One entry of the header's `sections`. */
export const SECTION = layoutOf({
  kind: "u32",
  recordBytes: "u32",
  offsetBytes: "u64",
  lengthBytes: "u64",
  crc32c: "u32",
  reserved: "u32",
});

/** Section DEVICE begins with this record. Regions and strings follow. */
export const DEVICE = layoutOf({
  smemBytes: "u64",
  stolenBytes: "u64",
  swapBytes: "u64",
  suspendCount: "u64",
  nextObjectId: "u64",
  nextOwnedId: "u64",
  nextContextId: "u64",
  nextFenceId: "u64",
  nextTransitionId: "u64",
  lmemCount: "u32",
  engineCount: "u32",
});

/** One region of local memory in section DEVICE. */
export const LMEM = layoutOf({ sizeBytes: "u64", minPageBytes: "u64", visibleBytes: "u64" });

/** How many regions, by index, an object may be allowed in. */
export const OBJECT_REGIONS_MAX = 8;

export const OBJECT = layoutOf({
  id: "u64",
  sizeBytes: "u64",
  createTimeNs: "u64",
  version: "u32",
  pinCount: "u32",
  lru: "u32",
  checksum: "u32",
  owner: "u32",
  firstFrame: "u32",
  frameCount: "u32",
  firstExtent: "u32",
  extentCount: "u32",
  label: "u32",
  labelLength: "u16",
  flags: "u16",
  kind: "u8",
  place: "u8",
  state: "u8",
  bits: "u8",
  region: "u8",
  alignment: "u8",
  regionCount: "u8",
  reserved: "u8",
  regions: OBJECT_REGIONS_MAX,
});

/** No owner, or no region. */
export const NO_OWNER = 0xffff_ffff;
export const NO_REGION = 0xff;
/** Bits of an object's `bits`. */
export const BIT_DONT_NEED = 1;
export const BIT_CHECKSUM = 2;

export const OBJECT_KINDS: readonly ImageObjectKind[] = ["CLIENT", "OWNED", "BACKUP"];
export const OBJECT_PLACES: readonly ImagePlace[] = ["NONE", "LOCAL", "SYSTEM", "SWAP"];

export const EXTENT = layoutOf({ offsetBytes: "u64", lengthBytes: "u64" });

export const FRAME = layoutOf({
  offsetBytes: "u64",
  storedBytes: "u32",
  rawBytes: "u32",
  rawCrc32c: "u32",
  storedCrc32c: "u32",
  form: "u32",
});

/** Forms of a frame: unchanged; all zeroes and not stored; compressed by the image's codec. */
export const FRAME_RAW = 0;
export const FRAME_ZERO = 1;
export const FRAME_COMPRESSED = 2;

export const CONTEXT = layoutOf({
  id: "u64",
  seqno: "u64",
  imageObject: "u64",
  ringObject: "u64",
  hangs: "u32",
  engine: "u16",
  priority: "u8",
  bits: "u8",
});

/** Bits of a context's `bits`. */
export const BIT_BANNED = 1;
export const BIT_PLACED_BEFORE = 2;

/** Every section in the order of the file. Its kind is its position plus one. */
export const SECTION_NAMES = ["DEVICE", "OBJECTS", "EXTENTS", "FRAMES", "CONTEXTS", "STRINGS"] as const;
export type SectionName = (typeof SECTION_NAMES)[number];

/** The size of one item in each section: bytes in DEVICE, UTF-16 code units in STRINGS. Unit: bytes. */
export const RECORD_BYTES: Readonly<Record<SectionName, number>> = {
  DEVICE: 1,
  OBJECTS: OBJECT.sizeBytes,
  EXTENTS: EXTENT.sizeBytes,
  FRAMES: FRAME.sizeBytes,
  CONTEXTS: CONTEXT.sizeBytes,
  STRINGS: 2,
};

/** The layouts by their names in the document. */
export const LAYOUTS: Readonly<Record<string, Layout<string>>> = {
  Header: HEADER,
  "Section entry": SECTION,
  "Section DEVICE": DEVICE,
  "Local memory": LMEM,
  "Section OBJECTS": OBJECT,
  "Section EXTENTS": EXTENT,
  "Section FRAMES": FRAME,
  "Section CONTEXTS": CONTEXT,
};

assert(HEADER.sizeBytes === HEADER_BYTES, "the header fills its page");
assert(
  HEADER.fields.sections.sizeBytes === SECTIONS_MAX * SECTION.sizeBytes,
  "the section table has its room",
);
