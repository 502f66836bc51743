/**
 * Checks whether the tables of an image make sense, before anybody relies on them. Digests detect accidental
 * changes. This detects files that were made on purpose to read out of bounds or to demand more than there
 * is.
 */

import { UNKNOWN } from "../backing-state.ts";
import type { Clock } from "../clock.ts";
import { IMAGE_FRAME_BYTES, LABEL_LENGTH_MAX } from "../limits.ts";
import { WorkSlices } from "../work-slices.ts";
import { imageCorrupt } from "./image-error.ts";
import {
  BIT_CHECKSUM,
  BIT_DONT_NEED,
  CODEC_RAW,
  FRAME,
  FRAME_COMPRESSED,
  FRAME_RAW,
  FRAME_ZERO,
  HEADER_BYTES,
  NO_OWNER,
  NO_REGION,
  OBJECT,
  OBJECT_KINDS,
  OBJECT_PLACES,
  OBJECT_REGIONS_MAX,
} from "./image-format.ts";
import type { ImageObject, ImagePlace } from "./image-model.ts";
import { type Field, getNumber } from "./layout.ts";
import { decodeContext, decodeExtent, type FrameRecord } from "./records.ts";
import { framesOf } from "./sections.ts";
import type { ImageTable } from "./table.ts";

/** The largest code of an alignment: 2^52. */
const ALIGNMENT_MAX = 53;

/** @throws DeviceError IMAGE_CORRUPT. */
export async function checkTables(table: ImageTable, clock: Clock): Promise<void> {
  const slices = new WorkSlices(clock);
  await checkFrames(table, slices);
  await checkExtents(table, slices);
  await checkObjects(table, slices);
  for (let index = 0; index < table.count("CONTEXTS"); index++) {
    const base = table.base("CONTEXTS", index);
    if (decodeContext(table.view("CONTEXTS"), base, table.device.engines) === undefined) {
      throw imageCorrupt(`context ${index} names an engine or a priority that does not exist`);
    }
  }
}

/** Stored frames follow each other from the header to the end of the data, without shared or unused bytes. */
async function checkFrames(table: ImageTable, slices: WorkSlices): Promise<void> {
  const { dataBytes, contentBytes, codec } = table.header;
  let end = HEADER_BYTES;
  let content = 0;
  for (let index = 0; index < table.count("FRAMES"); index++) {
    const frame = table.frame(index);
    if (!isFrame(frame, codec) || frame.offsetBytes !== end) {
      throw imageCorrupt(
        `frame ${index} (${frame.storedBytes} bytes at offset ${frame.offsetBytes}, form ` +
          `${frame.form}) is not one that could be written`,
      );
    }
    end += frame.storedBytes;
    content += frame.rawBytes;
    if (slices.spend(0)) await slices.rest();
  }
  if (end !== HEADER_BYTES + dataBytes || content !== contentBytes) {
    throw imageCorrupt(
      `its frames are ${content} bytes and end at ${end}, which is not what its header says`,
    );
  }
}

function isFrame(frame: FrameRecord, codec: number): boolean {
  const { storedBytes, rawBytes, rawCrc32c, storedCrc32c } = frame;
  if (rawBytes === 0 || rawBytes > IMAGE_FRAME_BYTES) return false;
  switch (frame.form) {
    case FRAME_RAW:
      return storedBytes === rawBytes && storedCrc32c === rawCrc32c;
    case FRAME_ZERO:
      return storedBytes === 0 && storedCrc32c === 0;
    case FRAME_COMPRESSED:
      return codec !== CODEC_RAW && storedBytes > 0 && storedBytes < rawBytes;
    default:
      return false;
  }
}

async function checkExtents(table: ImageTable, slices: WorkSlices): Promise<void> {
  for (let index = 0; index < table.count("EXTENTS"); index++) {
    const { offsetBytes, lengthBytes } = decodeExtent(table.view("EXTENTS"), table.base("EXTENTS", index));
    if (lengthBytes === 0 || !Number.isSafeInteger(offsetBytes + lengthBytes)) {
      throw imageCorrupt(`extent ${index} (${lengthBytes} bytes at offset ${offsetBytes}) cannot be`);
    }
    if (slices.spend(0)) await slices.rest();
  }
}

/** How much of the shared sections the objects so far have used. */
interface Taken {
  frames: number;
  extents: number;
  units: number;
  clientId: number;
}

async function checkObjects(table: ImageTable, slices: WorkSlices): Promise<void> {
  const taken: Taken = { frames: 0, extents: 0, units: 0, clientId: 0 };
  for (let index = 0; index < table.count("OBJECTS"); index++) {
    const why = faultOf(table, index, taken);
    if (why !== undefined) throw imageCorrupt(`entry ${index} of its objects ${why}`);
    if (slices.spend(0)) await slices.rest();
  }
  const { frames, extents, units } = taken;
  if (
    frames !== table.count("FRAMES") ||
    extents !== table.count("EXTENTS") ||
    units !== table.count("STRINGS")
  ) {
    throw imageCorrupt("it has frames, extents or strings that belong to no object");
  }
}

/** The fault of the object at `index`; undefined if there is none. */
function faultOf(table: ImageTable, index: number, taken: Taken): string | undefined {
  const view = table.view("OBJECTS");
  const base = table.base("OBJECTS", index);
  const { fields } = OBJECT;
  const number = (field: Field): number => getNumber(view, base, field);
  const kind = OBJECT_KINDS[number(fields.kind)];
  const place = OBJECT_PLACES[number(fields.place)];
  if (kind === undefined) return `has kind ${number(fields.kind)}`;
  if (place === undefined) return `has place ${number(fields.place)}`;
  if (number(fields.state) > UNKNOWN) return `has state ${number(fields.state)}`;
  if (number(fields.bits) > (BIT_DONT_NEED | BIT_CHECKSUM))
    return `has bits 0x${number(fields.bits).toString(16)}`;
  if (number(fields.alignment) > ALIGNMENT_MAX) return `has alignment code ${number(fields.alignment)}`;
  if (number(fields.regionCount) > OBJECT_REGIONS_MAX)
    return `is allowed in ${number(fields.regionCount)} regions`;
  if ((place === "LOCAL") !== (number(fields.region) !== NO_REGION))
    return "is in local memory and in no region, or not";
  if (!ownerFits(table, index, { kind, owner: number(fields.owner) }))
    return `has owner ${number(fields.owner)}`;
  if (kind === "CLIENT") {
    const id = number(fields.id);
    if (id <= taken.clientId) return `has id ${id} after ${taken.clientId}`;
    taken.clientId = id;
  }
  return referencesFault(table, { index, place, sizeBytes: number(fields.sizeBytes) }, taken);
}

function ownerFits(
  table: ImageTable,
  index: number,
  { kind, owner }: { readonly kind: ImageObject["kind"]; readonly owner: number },
): boolean {
  if (kind !== "BACKUP") return owner === NO_OWNER;
  if (owner >= index) return false;
  const itsKind = getNumber(table.view("OBJECTS"), table.base("OBJECTS", owner), OBJECT.fields.kind);
  return OBJECT_KINDS[itsKind] !== "BACKUP";
}

interface PlacedObject {
  readonly index: number;
  readonly place: ImagePlace;
  readonly sizeBytes: number;
}

/** Objects use frames, extents and strings in order, without sharing or skipping any. */
function referencesFault(
  table: ImageTable,
  { index, place, sizeBytes }: PlacedObject,
  taken: Taken,
): string | undefined {
  const { firstFrame, frameCount, firstExtent, extentCount, label, labelLength } = table.references(index);
  const stored = place === "SYSTEM" || place === "SWAP";
  if (firstFrame !== taken.frames || frameCount !== (stored ? framesOf(sizeBytes) : 0)) {
    return `of ${sizeBytes} bytes has ${frameCount} frames from ${firstFrame} on`;
  }
  taken.frames += frameCount;
  if (taken.frames > table.count("FRAMES")) return "has frames that are not there";
  for (let at = 0; at < frameCount; at++) {
    const rawBytes = getNumber(
      table.view("FRAMES"),
      table.base("FRAMES", firstFrame + at),
      FRAME.fields.rawBytes,
    );
    if (rawBytes !== Math.min(IMAGE_FRAME_BYTES, sizeBytes - at * IMAGE_FRAME_BYTES)) {
      return `of ${sizeBytes} bytes has ${rawBytes} bytes in its frame ${at}`;
    }
  }
  taken.extents += extentCount;
  if (firstExtent !== taken.extents - extentCount || taken.extents > table.count("EXTENTS")) {
    return `has ${extentCount} extents from ${firstExtent} on`;
  }
  if (extentCount > 0 && place !== "LOCAL") return "has extents and is not in local memory";
  taken.units += labelLength;
  const labelEnd = taken.units <= table.count("STRINGS");
  if (label !== taken.units - labelLength || !labelEnd || labelLength > LABEL_LENGTH_MAX) {
    return `has a label of ${labelLength} characters at ${label}`;
  }
  return undefined;
}
