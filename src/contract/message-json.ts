/**
 * Writes plain messages, as ts-proto's code makes them, as proto3 JSON. The text is the one that protobuf-es
 * would write with defaults included, in a fraction of the time. docs/decisions/0007 says why it is written
 * here.
 */
import assert from "node:assert/strict";
import {
  create,
  type DescEnum,
  type DescField,
  type DescMessage,
  ScalarType,
  toJson,
} from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { REGISTRY } from "./registry.ts";

type Write = (value: unknown) => string;
type Fields = Readonly<Record<string, unknown>>;

/**
 * One field: its JSON name with quotes and colon, and a function that writes it, or undefined if it is not
 * set.
 */
interface FieldWriter {
  readonly key: string;
  readonly read: (message: Fields) => unknown;
  readonly write: Write;
}

/** One writer for each type that was written at least once. There are only as many as there are types. */
const WRITERS = new Map<DescMessage, Write>();

/** Types whose JSON form is special. */
const WELL_KNOWN: Readonly<Record<string, Write>> = {
  "google.protobuf.Timestamp": writeTimestamp,
  "google.protobuf.Duration": writeDuration,
  "google.protobuf.FieldMask": writeFieldMask,
  "google.protobuf.Any": writeAny,
};

/** Text that JSON takes unchanged: printable ASCII without quotes and backslashes. */
const AS_IT_IS = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** 64-bit numbers, which JSON holds as strings. */
const LONG_SCALARS: ReadonlySet<ScalarType> = new Set([
  ScalarType.INT64,
  ScalarType.UINT64,
  ScalarType.SINT64,
  ScalarType.FIXED64,
  ScalarType.SFIXED64,
]);

/**
 * The message as JSON. It includes fields without presence even at their defaults. Asserts that each value
 * has the type of its field.
 * @param message a plain message of the type `desc`
 */
export function messageJson(desc: DescMessage, message: object): string {
  return writerOf(desc)(message);
}

function writerOf(desc: DescMessage): Write {
  let writer = WRITERS.get(desc);
  if (writer === undefined) {
    writer = WELL_KNOWN[desc.typeName] ?? plainWriter(desc);
    WRITERS.set(desc, writer);
  }
  return writer;
}

function plainWriter(desc: DescMessage): Write {
  const hasOwnForm =
    desc.typeName.startsWith("google.protobuf.") && desc.typeName !== "google.protobuf.Empty";
  assert(!hasOwnForm || desc.file.name === "google/protobuf/descriptor", `${desc.typeName} has a writer`);
  // Not before the first message, because types may contain themselves.
  let fields: readonly FieldWriter[] | undefined;
  return (message) => {
    assert(isFields(message), `a message is an object, but ${typeof message} came for ${desc.typeName}`);
    fields ??= desc.fields.toSorted((a, b) => a.number - b.number).map(fieldWriter);
    let text = "{";
    for (const { key, read, write } of fields) {
      const value = read(message);
      if (value === undefined) continue;
      text += text.length === 1 ? key : `,${key}`;
      text += write(value);
    }
    return `${text}}`;
  };
}

function fieldWriter(field: DescField): FieldWriter {
  const { localName, jsonName, oneof } = field;
  return {
    key: `${JSON.stringify(jsonName)}:`,
    // ts-proto holds a oneof as one property, which names the member that is set and holds its value.
    read: oneof === undefined ? (message) => message[localName] : memberReader(oneof.localName, localName),
    write: valueWriter(field),
  };
}

function memberReader(oneof: string, member: string): (message: Fields) => unknown {
  return (message) => {
    const set = message[oneof];
    return isFields(set) && set.$case === member ? set.value : undefined;
  };
}

function valueWriter(field: DescField): Write {
  switch (field.fieldKind) {
    case "message":
      return messageWriter(field.message);
    case "enum":
      return enumWriter(field.enum);
    case "scalar":
      return scalarWriter(field.scalar);
    case "list":
      return listWriter(itemWriter(field));
    case "map":
      return mapWriter(itemWriter(field));
  }
}

/** The writer for one item of a list or map. */
function itemWriter(field: DescField & { readonly fieldKind: "list" | "map" }): Write {
  if (field.message !== undefined) return messageWriter(field.message);
  if (field.enum !== undefined) return enumWriter(field.enum);
  return scalarWriter(field.scalar);
}

function messageWriter(desc: DescMessage): Write {
  let writer: Write | undefined;
  return (value) => {
    writer ??= writerOf(desc);
    return writer(value);
  };
}

function listWriter(write: Write): Write {
  return (items) => {
    assert(Array.isArray(items), "a list is an array");
    let text = "[";
    for (const item of items) text += text.length === 1 ? write(item) : `,${write(item)}`;
    return `${text}]`;
  };
}

function mapWriter(write: Write): Write {
  return (entries) => {
    assert(entries instanceof Map, "a map is a Map");
    const texts = Array.from(entries, ([key, value]) => `${quote(String(key))}:${write(value)}`);
    return `{${texts.join(",")}}`;
  };
}

/** Values without a name come from a newer contract. They stay numbers. */
function enumWriter({ values }: DescEnum): Write {
  const names = new Map<unknown, string>(values.map(({ number, name }) => [number, `"${name}"`]));
  return (value) => names.get(value) ?? writeNumber(value);
}

function scalarWriter(scalar: ScalarType): Write {
  // A float would have to be rounded first, and the contract has none.
  assert(scalar !== ScalarType.FLOAT, "no field is a float");
  if (scalar === ScalarType.STRING) return writeString;
  if (scalar === ScalarType.BOOL) return writeBool;
  if (scalar === ScalarType.BYTES) return writeBytes;
  return LONG_SCALARS.has(scalar) ? writeLong : writeNumber;
}

function writeString(value: unknown): string {
  assert(typeof value === "string", "a string is a string");
  return quote(value);
}

/** An unpaired surrogate becomes U+FFFD, as it does in bytes. */
function quote(text: string): string {
  return AS_IT_IS.test(text) ? `"${text}"` : JSON.stringify(text.toWellFormed());
}

function writeBool(value: unknown): string {
  return value === true ? "true" : "false";
}

function writeBytes(value: unknown): string {
  assert(value instanceof Uint8Array, "bytes are a Uint8Array");
  return `"${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")}"`;
}

function writeLong(value: unknown): string {
  assert(typeof value === "bigint", "64 bits are a bigint");
  return `"${value}"`;
}

function writeNumber(value: unknown): string {
  assert(typeof value === "number", "a number is a number");
  // JSON cannot express NaN and the infinities, and writes -0 as 0.
  return Number.isFinite(value) ? String(value) : `"${value}"`;
}

function writeTimestamp(value: unknown): string {
  const { seconds, nanos } = secondsOf(value);
  assert(nanos >= 0, "a timestamp counts its nanoseconds forward");
  return `"${dateOf(seconds)}${fractionOf(nanos)}Z"`;
}

/** The second that was written last, because the times in a list are close to each other. */
let lastSecond = { seconds: 0n, text: "1970-01-01T00:00:00" };

function dateOf(seconds: bigint): string {
  if (seconds !== lastSecond.seconds) {
    const date = new Date(Number(seconds) * 1000).toISOString();
    assert(date.length === 24, `${seconds} seconds are in the years 1 to 9999`);
    lastSecond = { seconds, text: date.slice(0, 19) };
  }
  return lastSecond.text;
}

function writeDuration(value: unknown): string {
  const { seconds, nanos } = secondsOf(value);
  assert(
    seconds === 0n || nanos === 0 || seconds < 0n === nanos < 0,
    "both parts of a duration have one sign",
  );
  const sign = nanos < 0 && seconds === 0n ? "-" : "";
  return `"${sign}${seconds}${fractionOf(Math.abs(nanos))}s"`;
}

/** The fraction of a second, in 0, 3, 6 or 9 digits. */
function fractionOf(nanos: number): string {
  if (nanos === 0) return "";
  assert(nanos <= 999_999_999, "nanoseconds are less than a second");
  const digits = String(nanos).padStart(9, "0");
  return `.${digits.replace(/(?:000){1,2}$/, "")}`;
}

function secondsOf(value: unknown): { readonly seconds: bigint; readonly nanos: number } {
  assert(isFields(value), "a time is an object");
  const { seconds, nanos } = value;
  assert(typeof seconds === "bigint" && typeof nanos === "number", "a time has seconds and nanoseconds");
  return { seconds, nanos };
}

/** ts-proto holds only the paths. */
function writeFieldMask(paths: unknown): string {
  assert(Array.isArray(paths), "a field mask is an array of paths");
  const names = paths.map((path) =>
    String(path).replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase()),
  );
  return quote(names.join(","));
}

/** The payload is bytes, which protobuf-es reads. */
function writeAny(value: unknown): string {
  assert(isFields(value), "an Any is an object");
  const { typeUrl, value: bytes } = value;
  assert(typeof typeUrl === "string" && bytes instanceof Uint8Array, "an Any has a type and bytes");
  const any = create(AnySchema, { typeUrl, value: Uint8Array.from(bytes) });
  return JSON.stringify(toJson(AnySchema, any, { alwaysEmitImplicit: true, registry: REGISTRY }));
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}
