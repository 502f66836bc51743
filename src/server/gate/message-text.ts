/** Names in a protobuf message, read without decoding the rest of it. */
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";

/**
 * What a request is about: its `name` or its `parent`, or the name of the resource in it where that is to be changed
 * (AIP-134). Undefined when nothing is set, or nothing can be read.
 */
export function readSubject(type: DescMessage, bytes: Uint8Array): string | undefined {
  const field = type.fields.find(({ name }) => name === "name" || name === "parent");
  if (field !== undefined) return readText(field, bytes);
  const [resource] = type.fields;
  if (resource?.fieldKind !== "message") return undefined;
  const inner = read(resource, bytes, (reader) => reader.bytes());
  return inner === undefined ? undefined : readName(resource.message, inner);
}

/** The `name` in a message; undefined when the type has none, it is not set, or nothing can be read. */
export function readName(type: DescMessage, bytes: Uint8Array): string | undefined {
  const field = type.fields.find(({ name }) => name === "name");
  return field === undefined ? undefined : readText(field, bytes);
}

function readText(field: DescField, bytes: Uint8Array): string | undefined {
  return field.fieldKind === "scalar" ? read(field, bytes, (reader) => reader.string()) : undefined;
}

function read<T>(field: DescField, bytes: Uint8Array, take: (reader: BinaryReader) => T): T | undefined {
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      if (number === field.number) return take(reader);
      reader.skip(wireType, number);
    }
  } catch {
    // What cannot be read is refused by whoever decodes the message.
  }
  return undefined;
}
