/** Messages of `fuzz-messages.ts` as bytes of protobuf, and as the values of proto3 JSON. */
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type FuzzMessage, type FuzzValue, isFuzzMessage } from "./fuzz-messages.ts";

/** What JSON can say; NaN and infinity are strings there. */
export type FuzzJson = string | number | boolean | null | FuzzJson[] | { [key: string]: FuzzJson };

export function toProtobuf(desc: DescMessage, message: FuzzMessage): Buffer {
  const writer = new BinaryWriter();
  for (const field of desc.fields) {
    const value = message[field.name];
    if (value === undefined) continue;
    for (const item of Array.isArray(value) ? value : [value]) writeField(writer, field, item);
  }
  return Buffer.from(writer.finish());
}

export function toJsonFields(desc: DescMessage, message: FuzzMessage): { [key: string]: FuzzJson } {
  const fields = desc.fields.flatMap((field) => {
    const value = message[field.name];
    if (value === undefined) return [];
    const json = Array.isArray(value)
      ? value.map((item) => toJsonValue(field, item))
      : toJsonValue(field, value);
    return [[field.jsonName, json] as const];
  });
  return Object.fromEntries(fields);
}

function writeField(writer: BinaryWriter, field: DescField, value: FuzzValue): void {
  if (field.message !== undefined) {
    const bytes = isFuzzMessage(value) ? toProtobuf(field.message, value) : Buffer.alloc(0);
    writer.tag(field.number, WireType.LengthDelimited).bytes(bytes);
  } else if (typeof value === "string") {
    // A lone surrogate is no text; what Buffer makes of it is.
    writer.tag(field.number, WireType.LengthDelimited).bytes(Buffer.from(value));
  } else if (value instanceof Uint8Array) {
    writer.tag(field.number, WireType.LengthDelimited).bytes(value);
  } else if (typeof value === "bigint") {
    const isUnsigned = field.scalar === ScalarType.UINT64;
    const bits = BigInt.asIntN(64, value);
    writer.tag(field.number, WireType.Varint);
    if (isUnsigned) writer.uint64(BigInt.asUintN(64, value));
    else writer.int64(bits);
  } else if (typeof value === "boolean") {
    writer.tag(field.number, WireType.Varint).bool(value);
  } else if (field.scalar === ScalarType.DOUBLE) {
    writer.tag(field.number, WireType.Bit64).double(Number(value));
  } else if (field.scalar === ScalarType.UINT32) {
    writer.tag(field.number, WireType.Varint).uint32(Number(value));
  } else {
    writer.tag(field.number, WireType.Varint).int32(Number(value));
  }
}

function toJsonValue(field: DescField, value: FuzzValue): FuzzJson {
  if (field.message !== undefined) {
    const message = isFuzzMessage(value) ? value : {};
    if (field.message.typeName === "google.protobuf.Duration") {
      return `${message.seconds ?? 0}.${String(message.nanos ?? 0).padStart(9, "0")}s`;
    }
    if (field.message.typeName === "google.protobuf.FieldMask") {
      return Array.isArray(message.paths) ? message.paths.join(",") : "";
    }
    return toJsonFields(field.message, message);
  }
  if (field.enum !== undefined)
    return field.enum.values.find(({ number }) => number === value)?.name ?? Number(value);
  if (typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  return typeof value === "string" || typeof value === "boolean" ? value : null;
}
