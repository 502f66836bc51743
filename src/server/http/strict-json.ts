/**
 * Refuses JSON that does not follow the proto exactly, in sentences that name the field. protobuf-es would
 * accept `"5sec"` as a Duration, `"0x10"` as an integer, unknown enum numbers, and numbers that lost
 * precision.
 */
import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type DescOneof,
  ScalarType,
} from "@bufbuild/protobuf";
import { WireError } from "../messages/wire-error.ts";

export type JsonObject = Record<string, unknown>;

const DURATION = /^-?(\d{1,12})(\.\d{1,9})?s$/;
/** About 10,000 years (google/protobuf/duration.proto). */
const DURATION_SECONDS_MAX = 315_576_000_000;
const INTEGER = /^-?\d{1,20}$/;
const DECIMAL = /^-?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,4})?$/;
/** A FieldMask in JSON: lowerCamelCase names separated by commas, or an asterisk for all (AIP-134). */
const FIELD_MASK = /^(?:\*|([a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)*(,|$))*)$/;
const QUOTED_LENGTH_MAX = 64;

/**
 * Removes null from oneofs, because protobuf-es would treat a null message as chosen.
 * @throws WireError INVALID_REQUEST, with the path of the field in `metadata.field`
 */
export function checkJson(desc: DescMessage, json: Record<string, unknown>, path = ""): void {
  const seen = new Set<DescField>();
  const chosen = new Map<DescOneof, string>();
  for (const [key, value] of Object.entries(json)) {
    const field = desc.fields.find((candidate) => candidate.jsonName === key || candidate.name === key);
    const fieldPath = path === "" ? key : `${path}.${key}`;
    if (field === undefined) throw refused(fieldPath, `${desc.name} has no field ${quote(key)}.`);
    if (seen.has(field)) throw refused(fieldPath, `Field ${fieldPath} is given twice.`);
    seen.add(field);
    if (value === null) {
      if (field.oneof !== undefined) delete json[key];
      continue;
    }
    checkField(field, value, fieldPath);
    if (field.oneof === undefined) continue;
    const other = chosen.get(field.oneof);
    if (other !== undefined) throw refused(fieldPath, `Of ${other} and ${fieldPath} only one can be given.`);
    chosen.set(field.oneof, fieldPath);
  }
}

/** Narrows to an object that is not an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkField(field: DescField, value: unknown, path: string): void {
  if (field.fieldKind === "map") {
    if (!isJsonObject(value)) throw refused(path, `Field ${path} (${quote(value)}) is not an object.`);
    for (const [key, item] of Object.entries(value)) {
      checkScalar(ScalarType.STRING, key, path);
      checkValue(field, item, `${path}.${key}`);
    }
  } else if (field.fieldKind !== "list") {
    checkValue(field, value, path);
  } else {
    if (!Array.isArray(value)) throw refused(path, `Field ${path} (${quote(value)}) is not a list.`);
    for (const [index, item] of value.entries()) checkValue(field, item, `${path}[${index}]`);
  }
}

function checkValue(field: DescField, value: unknown, path: string): void {
  if (field.message !== undefined) checkMessage(field.message, value, path);
  else if (field.enum !== undefined) checkEnum(field.enum, value, path);
  else if (field.scalar !== undefined) checkScalar(field.scalar, value, path);
}

function checkScalar(type: ScalarType, value: unknown, path: string): void {
  if (type === ScalarType.BOOL) {
    if (typeof value !== "boolean")
      throw refused(path, `Field ${path} (${quote(value)}) is not true or false.`);
  } else if (type === ScalarType.STRING || type === ScalarType.BYTES) {
    if (typeof value !== "string") throw refused(path, `Field ${path} (${quote(value)}) is not a string.`);
    if (!value.isWellFormed())
      throw refused(path, `Field ${path} (${quote(value)}) has half of a character, which UTF-8 cannot say.`);
  } else if (type === ScalarType.DOUBLE || type === ScalarType.FLOAT) {
    checkDecimal(value, path);
  } else {
    checkInteger(type, value, path);
  }
}

function checkDecimal(value: unknown, path: string): void {
  // JSON.parse turns 1e999 into Infinity.
  const number = typeof value === "string" && DECIMAL.test(value) ? Number(value) : value;
  if (!Number.isFinite(number))
    throw refused(path, `Field ${path} (${quote(value)}) is not a finite number.`);
}

function checkInteger(type: ScalarType, value: unknown, path: string): void {
  const isText = typeof value === "string" && INTEGER.test(value);
  if (!isText && (typeof value !== "number" || !Number.isInteger(value))) {
    throw refused(path, `Field ${path} (${quote(value)}) is not an integer.`);
  }
  if (!isText && !Number.isSafeInteger(value)) {
    throw refused(
      path,
      `Field ${path} is a number beyond 2^53-1, which JSON does not keep: write it as a string.`,
    );
  }
  const [least, most] = rangeOf(type);
  const integer = BigInt(value);
  if (integer < least || integer > most) {
    throw refused(path, `Field ${path} (${integer}) is not within ${least} to ${most}.`);
  }
}

function rangeOf(type: ScalarType): readonly [least: bigint, most: bigint] {
  switch (type) {
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return [-(2n ** 31n), 2n ** 31n - 1n];
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return [0n, 2n ** 32n - 1n];
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return [0n, 2n ** 64n - 1n];
    default:
      return [-(2n ** 63n), 2n ** 63n - 1n];
  }
}

function checkEnum(desc: DescEnum, value: unknown, path: string): void {
  if (desc.values.some((candidate) => candidate.name === value || candidate.number === value)) return;
  const names = desc.values.filter((candidate) => candidate.number !== 0).map((candidate) => candidate.name);
  throw refused(path, `Field ${path} (${quote(value)}) is not one of ${names.join(", ")}.`);
}

function checkMessage(desc: DescMessage, value: unknown, path: string): void {
  if (desc.typeName === "google.protobuf.Duration") {
    const [, seconds] = typeof value === "string" ? (DURATION.exec(value) ?? []) : [];
    if (seconds !== undefined && Number(seconds) <= DURATION_SECONDS_MAX) return;
    throw refused(path, `Field ${path} (${quote(value)}) is not a length of time such as "1.5s".`);
  }
  if (desc.typeName === "google.protobuf.FieldMask") {
    if (typeof value === "string" && FIELD_MASK.test(value)) return;
    throw refused(
      path,
      `Field ${path} (${quote(value)}) is not a list of fields in lowerCamelCase, such as ` +
        `"enabled,autosuspendDelay".`,
    );
  }
  if (desc.typeName.startsWith("google.protobuf.")) return;
  if (!isJsonObject(value)) throw refused(path, `Field ${path} (${quote(value)}) is not an object.`);
  checkJson(desc, value, path);
}

function quote(value: unknown): string {
  const text = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? "undefined");
  return text.length <= QUOTED_LENGTH_MAX ? text : `${text.slice(0, QUOTED_LENGTH_MAX)}…`;
}

function refused(field: string, sentence: string): WireError {
  return new WireError("INVALID_REQUEST", sentence, { field });
}
