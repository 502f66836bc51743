/** JSON schemas of proto messages, as proto3 JSON writes them. */
import { type DescEnum, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { commentOf } from "./comments.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const SCALARS: Partial<Record<ScalarType, Json>> = {
  [ScalarType.BOOL]: { type: "boolean" },
  [ScalarType.STRING]: { type: "string" },
  [ScalarType.BYTES]: { type: "string", contentEncoding: "base64" },
  [ScalarType.INT32]: { type: "integer", format: "int32" },
  [ScalarType.UINT32]: { type: "integer", format: "uint32", minimum: 0 },
  [ScalarType.INT64]: { type: "string", format: "int64" },
  [ScalarType.UINT64]: { type: "string", format: "uint64" },
  [ScalarType.DOUBLE]: { type: "number", format: "double" },
};

const WELL_KNOWN: Readonly<Record<string, Json>> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: "^-?\\d+(\\.\\d{1,9})?s$", examples: ["1.5s"] },
  "google.protobuf.Empty": { type: "object" },
  "google.protobuf.FieldMask": { type: "string", examples: ["enabled,autosuspendDelay"] },
};

/** Collects the schema of every message that was referred to. */
export class SchemaSet {
  readonly #schemas = new Map<string, Json>();

  /** A reference to the schema of `message`, which is added if need be, without the field that the path carries. */
  reference(message: DescMessage, pathField?: string): Json {
    const wellKnown = WELL_KNOWN[message.typeName];
    if (wellKnown !== undefined) return wellKnown;
    const name = schemaName(message);
    if (!this.#schemas.has(name)) {
      this.#schemas.set(name, {}); // Holds the place while fields that refer back are looked at.
      this.#schemas.set(name, this.#messageSchema(message, pathField));
    }
    return { $ref: `#/components/schemas/${name}` };
  }

  /** The fields of a request that are query parameters: all but those that are in the path or in the body. */
  queryParameters(message: DescMessage, elsewhere: readonly (string | undefined)[]): Json[] {
    return message.fields
      .filter((field) => !elsewhere.includes(field.name))
      .map((field) => ({
        name: field.jsonName,
        in: "query",
        description: commentOf(field),
        // A list is the same parameter again: types=EVICTED&types=FAILPOINT_HIT.
        ...(field.fieldKind === "list" ? { style: "form", explode: true } : {}),
        schema: this.#fieldSchema(field),
      }));
  }

  components(): Readonly<Record<string, Json>> {
    return Object.fromEntries([...this.#schemas].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #messageSchema(message: DescMessage, pathField: string | undefined): Json {
    const properties: Record<string, Json> = {};
    for (const field of message.fields) {
      if (field.name === pathField) continue;
      properties[field.jsonName] = { description: commentOf(field), ...asObject(this.#fieldSchema(field)) };
    }
    return { type: "object", description: commentOf(message), properties, additionalProperties: false };
  }

  #fieldSchema(field: DescField): Json {
    if (field.fieldKind === "list") {
      return { type: "array", items: this.#valueSchema(field.listKind, field) };
    }
    if (field.fieldKind === "map") {
      return { type: "object", additionalProperties: this.#valueSchema(field.mapKind, field) };
    }
    return this.#valueSchema(field.fieldKind, field);
  }

  #valueSchema(kind: "scalar" | "enum" | "message", field: DescField): Json {
    if (kind === "message" && field.message !== undefined) return this.reference(field.message);
    if (kind === "enum" && field.enum !== undefined) return enumSchema(field.enum);
    const schema = field.scalar === undefined ? undefined : SCALARS[field.scalar];
    if (schema === undefined) throw new Error(`${field} has a type that the API does not use yet.`);
    return schema;
  }
}

function enumSchema(desc: DescEnum): Json {
  return { type: "string", enum: desc.values.map((value) => value.name) };
}

/** `Transition.Error` becomes `TransitionError`. */
function schemaName(message: DescMessage): string {
  return message.typeName.slice(message.file.proto.package.length + 1).replaceAll(".", "");
}

function asObject(json: Json): { readonly [key: string]: Json } {
  return typeof json === "object" && json !== null && !Array.isArray(json)
    ? Object.fromEntries(Object.entries(json))
    : {};
}
