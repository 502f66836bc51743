/**
 * Turns a REST request into the protobuf message of its RPC: path, query and body together form proto3 JSON.
 */
import assert from "node:assert/strict";
import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject as ProtoJson,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import type { Binding, PathSegment } from "../../contract/http-bindings.ts";
import { REGISTRY } from "../../contract/registry.ts";
import { WireError } from "../messages/wire-error.ts";
import { checkJson, isJsonObject, type JsonObject } from "./strict-json.ts";

type PathParameters = Readonly<Record<string, string>>;

/** The parts of a request that carry fields. `body` is parsed JSON, or undefined if there was none. */
export interface RequestParts {
  readonly parameters: PathParameters;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
  /** Headers that stand for fields, by field name; undefined if not sent. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

const NO_BYTES = new Uint8Array();

/**
 * Makes the function that reads the requests of a binding. That function throws WireError INVALID_REQUEST.
 * @param read reads the request from its bytes
 */
export function requestReader<Request extends object>(
  binding: Binding,
  read: (bytes: Uint8Array) => Request,
): (parts: RequestParts) => Request {
  const { method, variable } = binding;
  const [first = "", inner] = variable?.fieldPath ?? [];
  const nothing = read(NO_BYTES);
  const named = inner === undefined && variable !== undefined ? variable.segments : undefined;
  const nameField = named === undefined ? "" : fieldOf(method.input, first).localName;
  return (parts) => {
    const { parameters, query, body, headers } = parts;
    const saysMore = body !== undefined || !isEmpty(query) || (headers !== undefined && !isEmpty(headers));
    if (named === undefined || saysMore) return read(encodeFields(binding, parts));
    // Most requests have a name in their path and nothing else: these skip JSON and bytes.
    return { ...nothing, [nameField]: expand(named, parameters) };
  };
}

/** Whether the object has no properties, or only undefined ones. */
function isEmpty(fields: Readonly<Record<string, unknown>>): boolean {
  for (const name in fields) if (fields[name] !== undefined) return false;
  return true;
}

function encodeFields(binding: Binding, parts: RequestParts): Uint8Array {
  const desc = binding.method.input;
  const fields = { ...readBody(binding, parts.body), ...readQuery(binding, parts.query) };
  addHeaders(desc, fields, parts.headers ?? {});
  const { variable } = binding;
  if (variable !== undefined) {
    putName({ desc, fields }, variable.fieldPath, expand(variable.segments, parts.parameters));
  }
  checkJson(desc, fields);
  return toBinary(desc, parse(desc, fields));
}

/** A message and the fields known so far. */
interface Filling {
  readonly desc: DescMessage;
  readonly fields: Record<string, unknown>;
}

/** Puts the name from the path into its field, which is in `fields` or in a nested message. */
function putName({ desc, fields }: Filling, [first = "", ...inner]: readonly string[], name: string): void {
  const field = fieldOf(desc, first);
  const given = fields[field.jsonName];
  if (field.message !== undefined) {
    const message = isJsonObject(given) ? { ...given } : {};
    putName({ desc: field.message, fields: message }, inner, name);
    fields[field.jsonName] = message;
    return;
  }
  // A client that writes every field leaves this one at its default, which means nothing (proto3 JSON).
  if (given !== undefined && given !== null && given !== "" && given !== name) {
    throw new WireError("INVALID_REQUEST", `Field ${field.jsonName} is given by the path (${name}).`, {
      field: field.jsonName,
    });
  }
  fields[field.jsonName] = name;
}

/** The field that an annotation names. */
function fieldOf(desc: DescMessage, name: string): DescField {
  const field = desc.fields.find((candidate) => candidate.name === name);
  assert(field !== undefined, `${desc.typeName} has the field ${name} that an annotation names`);
  return field;
}

/**
 * Adds the fields that headers set. A field and its header may both be present if they agree. A header
 * without such a field is ignored.
 */
function addHeaders(
  desc: DescMessage,
  fields: Record<string, unknown>,
  headers: Readonly<Record<string, string | undefined>>,
): void {
  for (const [name, value] of Object.entries(headers)) {
    const field = desc.fields.find(({ jsonName }) => jsonName === name);
    if (field === undefined || value === undefined) continue;
    const given = fields[field.jsonName] ?? fields[field.name];
    if (given === undefined || given === "") {
      delete fields[field.name];
      fields[field.jsonName] = value;
    } else if (given !== value) {
      throw new WireError(
        "INVALID_REQUEST",
        `Field ${name} is "${String(given)}", but a header says "${value}".`,
        {
          field: name,
        },
      );
    }
  }
}

function parse(desc: DescMessage, fields: JsonObject) {
  try {
    // checkJson has seen every value, so this is JSON; protobuf-es checks the rest (ranges, base64,
    // timestamps).
    return fromJson(desc, fields as ProtoJson, { registry: REGISTRY });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new WireError("INVALID_REQUEST", `The request cannot be read: ${why}.`, {}).because(error);
  }
}

function readBody(binding: Binding, body: unknown): Record<string, unknown> {
  if (body === undefined) return {};
  if (!isJsonObject(body)) throw new WireError("INVALID_REQUEST", "The body is not a JSON object.");
  if (binding.body === "" && Object.keys(body).length > 0) {
    throw new WireError("INVALID_REQUEST", "This method takes no body: its fields are query parameters.");
  }
  if (binding.body === "" || binding.body === "*") return { ...body };
  return { [fieldOf(binding.method.input, binding.body).jsonName]: body };
}

/**
 * Reads query parameters, which are strings, by the types in the proto. A field in the body cannot be a query
 * parameter (google/api/http.proto).
 */
function readQuery(binding: Binding, query: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const fields = Object.entries(query).map(([key, value]) => {
    const desc = binding.method.input.fields.find((field) => field.jsonName === key || field.name === key);
    if (binding.body === "*" || (binding.body !== "" && desc?.name === binding.body)) {
      throw new WireError(
        "INVALID_REQUEST",
        `Query parameter "${key}" is not known here: fields are in the body.`,
        { field: key },
      );
    }
    return [key, desc === undefined ? value : fromQuery(desc, value)];
  });
  // Not by assignment, because assigning to __proto__ would create no field that could be refused.
  return Object.fromEntries(fields);
}

function fromQuery(field: DescField, value: unknown): unknown {
  if (field.fieldKind === "list") return [value].flat().map((item) => itemFromQuery(field, item));
  return itemFromQuery(field, value);
}

function itemFromQuery(field: DescField, value: unknown): unknown {
  // Enums may also be given by number (proto3 JSON).
  if (field.enum !== undefined && typeof value === "string" && /^-?\d{1,10}$/.test(value))
    return Number(value);
  if (field.scalar === ScalarType.BOOL && (value === "true" || value === "false")) return value === "true";
  return value;
}

function expand(segments: readonly PathSegment[], parameters: PathParameters): string {
  return segments
    .map((part) => ("literal" in part ? part.literal : (parameters[part.parameter] ?? "")))
    .join("/");
}
