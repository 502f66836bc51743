/**
 * Records as bytes: fields in order without gaps, little-endian. Numbers read from a file never exceed what a
 * number holds exactly.
 */
import assert from "node:assert/strict";
import { imageCorrupt } from "./image-error.ts";

/** An unsigned integer with this many bits, or this many bytes that are not a number. */
type FieldType = "u8" | "u16" | "u32" | "u64" | number;

export interface Field {
  readonly name: string;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

export interface Layout<Name extends string> {
  /** Of one record. */
  readonly sizeBytes: number;
  readonly fields: Readonly<Record<Name, Field>>;
}

/** Lays out fields in the order in which they are named. */
export function layoutOf<const Name extends string>(types: Readonly<Record<Name, FieldType>>): Layout<Name> {
  let offsetBytes = 0;
  const fields = Object.entries<FieldType>(types).map(([name, type]) => {
    const sizeBytes = typeof type === "number" ? type : Number(type.slice(1)) / 8;
    const field: Field = { name, offsetBytes, sizeBytes };
    offsetBytes += sizeBytes;
    return [name, field] as const;
  });
  return { sizeBytes: offsetBytes, fields: Object.fromEntries(fields) as Readonly<Record<Name, Field>> };
}

/** Where a record begins. */
export interface RecordPlace {
  readonly view: DataView;
  readonly at: number;
}

/** Writes a number into a field of a record. */
export function putNumber({ view, at: base }: RecordPlace, field: Field, value: number): void {
  const at = base + field.offsetBytes;
  assert(Number.isSafeInteger(value) && value >= 0, "fields of an image hold whole numbers");
  assert(field.sizeBytes === 8 || value < 2 ** (8 * field.sizeBytes), "a number fits its field");
  switch (field.sizeBytes) {
    case 1:
      view.setUint8(at, value);
      break;
    case 2:
      view.setUint16(at, value, true);
      break;
    case 4:
      view.setUint32(at, value, true);
      break;
    default:
      assert(field.sizeBytes === 8, "only fields of 1, 2, 4 and 8 bytes are numbers");
      view.setUint32(at, value >>> 0, true);
      view.setUint32(at + 4, value / WORD, true);
  }
}

/**
 * The number in a field of the record at `base`.
 * @throws DeviceError IMAGE_CORRUPT if it is 2^53 or more.
 */
export function getNumber(view: DataView, base: number, field: Field): number {
  const at = base + field.offsetBytes;
  switch (field.sizeBytes) {
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at, true);
    case 4:
      return view.getUint32(at, true);
    default: {
      const high = view.getUint32(at + 4, true);
      if (high > HIGH_MAX) throw imageCorrupt(`its field ${field.name} holds a number of 2^53 or more`);
      return high * WORD + view.getUint32(at, true);
    }
  }
}

/** Writes a time into a field of 8 bytes: nanoseconds since the Unix epoch, signed. */
export function putTime({ view, at }: RecordPlace, field: Field, timeNs: bigint): void {
  view.setBigInt64(at + field.offsetBytes, timeNs, true);
}

export function getTime(view: DataView, base: number, field: Field): bigint {
  return view.getBigInt64(base + field.offsetBytes, true);
}

/** The bytes of a field that is not a number. */
export function fieldBytes(bytes: Uint8Array, field: Field): Uint8Array {
  return bytes.subarray(field.offsetBytes, field.offsetBytes + field.sizeBytes);
}

/**
 * Bytes that `putText` needs for a string: two for each UTF-16 code unit, so that any string is preserved
 * exactly.
 */
export function textBytes(text: string): number {
  return text.length * 2;
}

export function putText(view: DataView, at: number, text: string): void {
  for (let unit = 0; unit < text.length; unit++) view.setUint16(at + unit * 2, text.charCodeAt(unit), true);
}

/** @param units how many code units there are, at most a few hundred */
export function getText(view: DataView, at: number, units: number): string {
  if (units === 0) return "";
  const codes = new Uint16Array(units);
  for (let unit = 0; unit < units; unit++) codes[unit] = view.getUint16(at + unit * 2, true);
  return String.fromCharCode(...codes);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const WORD = 2 ** 32;
/** The upper half of the largest number that is exact. */
const HIGH_MAX = 0x1f_ffff;
