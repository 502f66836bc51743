/**
 * Converts records of objects, extents, frames and contexts to and from bytes. image-check.ts has accepted
 * everything that is decoded here.
 */
import assert from "node:assert/strict";
import type { Extent } from "../extent.ts";
import type { ContextPriority } from "../resource.ts";
import {
  BIT_BANNED,
  BIT_CHECKSUM,
  BIT_DONT_NEED,
  BIT_PLACED_BEFORE,
  CONTEXT,
  EXTENT,
  FRAME,
  NO_OWNER,
  NO_REGION,
  OBJECT,
  OBJECT_KINDS,
  OBJECT_PLACES,
  OBJECT_REGIONS_MAX,
} from "./image-format.ts";
import type { ImageContext, ImageObject, ImagePlace } from "./image-model.ts";
import { type Field, getNumber, getTime, putNumber, putTime, type RecordPlace } from "./layout.ts";

/** References in the record of an object: where its frames, extents and label are. */
export interface ObjectReferences {
  readonly firstFrame: number;
  readonly frameCount: number;
  readonly firstExtent: number;
  readonly extentCount: number;
  /** Position of its label in STRINGS, and its length, in UTF-16 code units. */
  readonly label: number;
  readonly labelLength: number;
}

export interface FrameRecord {
  /** Offset in the file; for frames that are not stored, where the next stored frame begins. */
  readonly offsetBytes: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
  readonly rawCrc32c: number;
  readonly storedCrc32c: number;
  /** FRAME_RAW, FRAME_ZERO or FRAME_COMPRESSED. */
  readonly form: number;
}

const PRIORITIES: readonly ContextPriority[] = ["LOW", "NORMAL", "HIGH"];

export function encodeObject(record: RecordPlace, object: ImageObject, references: ObjectReferences): void {
  const { fields } = OBJECT;
  const { regions, checksum } = object;
  assert(regions.length <= OBJECT_REGIONS_MAX, "an object is allowed in few regions");
  const put = (field: Field, value: number): void => putNumber(record, field, value);
  put(fields.id, object.id);
  put(fields.sizeBytes, object.sizeBytes);
  putTime(record, fields.createTimeNs, object.createTimeNs);
  put(fields.version, object.version);
  put(fields.pinCount, object.pinCount);
  put(fields.lru, object.lru);
  put(fields.checksum, checksum ?? 0);
  put(fields.owner, object.owner === -1 ? NO_OWNER : object.owner);
  put(fields.firstFrame, references.firstFrame);
  put(fields.frameCount, references.frameCount);
  put(fields.firstExtent, references.firstExtent);
  put(fields.extentCount, references.extentCount);
  put(fields.label, references.label);
  put(fields.labelLength, references.labelLength);
  put(fields.flags, object.flags);
  put(fields.kind, OBJECT_KINDS.indexOf(object.kind));
  put(fields.place, OBJECT_PLACES.indexOf(object.place));
  put(fields.state, object.state);
  put(fields.bits, (object.dontNeed ? BIT_DONT_NEED : 0) | (checksum === undefined ? 0 : BIT_CHECKSUM));
  put(fields.region, object.region === -1 ? NO_REGION : object.region);
  put(fields.alignment, alignmentCode(object.alignmentBytes));
  put(fields.regionCount, regions.length);
  regions.forEach((region, at) => {
    record.view.setUint8(record.at + fields.regions.offsetBytes + at, region);
  });
}

/** Everything about an object except what it refers to. */
export function decodeObject(view: DataView, base: number): Omit<ImageObject, "label" | "extents"> {
  const { fields } = OBJECT;
  const number = (field: Field): number => getNumber(view, base, field);
  const kind = OBJECT_KINDS[number(fields.kind)];
  assert(kind !== undefined, "records were checked before they are decoded");
  const [owner, region, alignment, bits] = [
    number(fields.owner),
    number(fields.region),
    number(fields.alignment),
    number(fields.bits),
  ];
  return {
    kind,
    id: number(fields.id),
    sizeBytes: number(fields.sizeBytes),
    flags: number(fields.flags),
    regions: Array.from({ length: number(fields.regionCount) }, (_, at) =>
      view.getUint8(base + fields.regions.offsetBytes + at),
    ),
    alignmentBytes: alignment === 0 ? 0 : 2 ** (alignment - 1),
    createTimeNs: getTime(view, base, fields.createTimeNs),
    version: number(fields.version),
    state: number(fields.state),
    dontNeed: (bits & BIT_DONT_NEED) !== 0,
    pinCount: number(fields.pinCount),
    place: decodePlace(view, base),
    region: region === NO_REGION ? -1 : region,
    owner: owner === NO_OWNER ? -1 : owner,
    lru: number(fields.lru),
    checksum: (bits & BIT_CHECKSUM) === 0 ? undefined : number(fields.checksum),
  };
}

/** Only where the bytes of an object are. */
export function decodePlace(view: DataView, base: number): ImagePlace {
  const place = OBJECT_PLACES[getNumber(view, base, OBJECT.fields.place)];
  assert(place !== undefined, "records were checked before they are decoded");
  return place;
}

export function decodeReferences(view: DataView, base: number): ObjectReferences {
  const { fields } = OBJECT;
  const number = (field: Field): number => getNumber(view, base, field);
  return {
    firstFrame: number(fields.firstFrame),
    frameCount: number(fields.frameCount),
    firstExtent: number(fields.firstExtent),
    extentCount: number(fields.extentCount),
    label: number(fields.label),
    labelLength: number(fields.labelLength),
  };
}

export function encodeExtent(record: RecordPlace, extent: Extent): void {
  putNumber(record, EXTENT.fields.offsetBytes, extent.offsetBytes);
  putNumber(record, EXTENT.fields.lengthBytes, extent.lengthBytes);
}

export function decodeExtent(view: DataView, base: number): Extent {
  return {
    offsetBytes: getNumber(view, base, EXTENT.fields.offsetBytes),
    lengthBytes: getNumber(view, base, EXTENT.fields.lengthBytes),
  };
}

export function encodeFrame(record: RecordPlace, frame: FrameRecord): void {
  const { fields } = FRAME;
  putNumber(record, fields.offsetBytes, frame.offsetBytes);
  putNumber(record, fields.storedBytes, frame.storedBytes);
  putNumber(record, fields.rawBytes, frame.rawBytes);
  putNumber(record, fields.rawCrc32c, frame.rawCrc32c);
  putNumber(record, fields.storedCrc32c, frame.storedCrc32c);
  putNumber(record, fields.form, frame.form);
}

export function decodeFrame(view: DataView, base: number): FrameRecord {
  const { fields } = FRAME;
  return {
    offsetBytes: getNumber(view, base, fields.offsetBytes),
    storedBytes: getNumber(view, base, fields.storedBytes),
    rawBytes: getNumber(view, base, fields.rawBytes),
    rawCrc32c: getNumber(view, base, fields.rawCrc32c),
    storedCrc32c: getNumber(view, base, fields.storedCrc32c),
    form: getNumber(view, base, fields.form),
  };
}

export function encodeContext(record: RecordPlace, context: ImageContext, engines: readonly string[]): void {
  const { fields } = CONTEXT;
  const put = (field: Field, value: number): void => putNumber(record, field, value);
  put(fields.id, context.id);
  put(fields.seqno, context.seqno);
  put(fields.imageObject, context.imageObject);
  put(fields.ringObject, context.ringObject);
  put(fields.hangs, context.hangs);
  put(fields.engine, engines.indexOf(context.engine));
  put(fields.priority, PRIORITIES.indexOf(context.priority));
  put(fields.bits, (context.banned ? BIT_BANNED : 0) | (context.placedBefore ? BIT_PLACED_BEFORE : 0));
}

/** Undefined if it names an unknown engine or priority. */
export function decodeContext(
  view: DataView,
  base: number,
  engines: readonly string[],
): ImageContext | undefined {
  const { fields } = CONTEXT;
  const number = (field: Field): number => getNumber(view, base, field);
  const engine = engines[number(fields.engine)];
  const priority = PRIORITIES[number(fields.priority)];
  if (engine === undefined || priority === undefined) return undefined;
  const bits = number(fields.bits);
  return {
    id: number(fields.id),
    engine,
    priority,
    hangs: number(fields.hangs),
    banned: (bits & BIT_BANNED) !== 0,
    seqno: number(fields.seqno),
    placedBefore: (bits & BIT_PLACED_BEFORE) !== 0,
    imageObject: number(fields.imageObject),
    ringObject: number(fields.ringObject),
  };
}

/** 0 for no alignment, else its logarithm plus one. */
function alignmentCode(alignmentBytes: number): number {
  if (alignmentBytes === 0) return 0;
  const log2 = Math.log2(alignmentBytes);
  assert(Number.isInteger(log2), "an alignment is a power of two");
  return log2 + 1;
}
