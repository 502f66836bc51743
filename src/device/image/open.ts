/** Reads header and tables of an image, and trusts them only if every checksum, digest and bound is right. */
import type { Clock } from "../clock.ts";
import { crc32cOf } from "../hardware/crc32c.ts";
import { IMAGE_WRITE_BYTES } from "../limits.ts";
import type { HashFactory } from "../services.ts";
import { WorkSlices } from "../work-slices.ts";
import { decodeDevice } from "./device-section.ts";
import { decodeHeader, digestOf, type ImageHeader, type ImageSection, sectionOf } from "./header.ts";
import { checkTables } from "./image-check.ts";
import { imageCorrupt, imageIncompatible } from "./image-error.ts";
import { CODEC_RAW, FORMAT_MINOR, HEADER_BYTES, SECTION_NAMES, type SectionName } from "./image-format.ts";
import type { ImageDevice } from "./image-model.ts";
import type { FrameCodec, ImageFile } from "./image-store.ts";
import { bySection, ImageTable } from "./table.ts";

export interface OpenImageOptions {
  readonly file: Pick<ImageFile, "read" | "sizeBytes">;
  readonly clock: Clock;
  readonly sha256: HashFactory;
  /** @default only uncompressed images are readable */
  readonly codec?: FrameCodec | undefined;
}

/** @throws DeviceError IMAGE_CORRUPT, IMAGE_INCOMPATIBLE, COPY_FAILED. */
export async function openImage(options: OpenImageOptions): Promise<ImageTable> {
  const { file, clock, codec } = options;
  const { header, bytes } = await readHeader(file);
  if (header.codec !== CODEC_RAW && header.codec !== codec?.id) {
    throw imageIncompatible(
      `its frames were compressed by codec ${header.codec}, which this device was not given`,
    );
  }
  const sections = await readSections(options, header, bytes);
  const device = decodeDevice(sections.DEVICE, header.minor > FORMAT_MINOR);
  const table = new ImageTable(header, device, sections);
  await checkTables(table, clock);
  return table;
}

/** Only header and section DEVICE, checked by their own checksums. @throws like `openImage`. */
export async function readHeaderAndDevice(
  file: Pick<ImageFile, "read" | "sizeBytes">,
): Promise<{ readonly header: ImageHeader; readonly device: ImageDevice }> {
  const { header } = await readHeader(file);
  const section = sectionOf(header, "DEVICE");
  const bytes = new Uint8Array(section.lengthBytes);
  await file.read(section.offsetBytes, bytes);
  checkSection("DEVICE", section, crc32cOf(bytes));
  return { header, device: decodeDevice(bytes, header.minor > FORMAT_MINOR) };
}

async function readHeader(
  file: Pick<ImageFile, "read" | "sizeBytes">,
): Promise<{ readonly header: ImageHeader; readonly bytes: Uint8Array }> {
  if (file.sizeBytes < HEADER_BYTES) {
    throw imageCorrupt(`it is ${file.sizeBytes} bytes long, less than a header of ${HEADER_BYTES}`);
  }
  const bytes = new Uint8Array(HEADER_BYTES);
  await file.read(0, bytes);
  return { header: decodeHeader(bytes, file.sizeBytes), bytes };
}

async function readSections(
  options: OpenImageOptions,
  header: ImageHeader,
  headerBytes: Uint8Array,
): Promise<Readonly<Record<SectionName, Uint8Array>>> {
  const { file, sha256, clock } = options;
  const slices = new WorkSlices(clock);
  const hash = sha256();
  const sections = bySection((name) => new Uint8Array(sectionOf(header, name).lengthBytes));
  for (const [at, section] of header.sections.entries()) {
    const name = SECTION_NAMES[at];
    // Data added by a larger minor version is read only for the digest.
    const into = name === undefined ? new Uint8Array(section.lengthBytes) : sections[name];
    let crc32c = 0;
    for (let done = 0; done < into.length; done += IMAGE_WRITE_BYTES) {
      const piece = into.subarray(done, done + IMAGE_WRITE_BYTES);
      await file.read(section.offsetBytes + done, piece);
      crc32c = crc32cOf(piece, crc32c);
      hash.update(piece);
      if (slices.spend(piece.length)) await slices.rest();
    }
    checkSection(name ?? `number ${at + 1}`, section, crc32c);
  }
  const { digest, undigested } = digestOf(headerBytes);
  hash.update(undigested);
  if (hash.digestHex() !== digest)
    throw imageCorrupt("its tables do not have the digest that its header says");
  return sections;
}

function checkSection(name: string, section: ImageSection, crc32c: number): void {
  if (crc32c !== section.crc32c) {
    throw imageCorrupt(
      `section ${name} (${section.lengthBytes} bytes at offset ${section.offsetBytes}) does not have ` +
        `the checksum that it had`,
    );
  }
}
