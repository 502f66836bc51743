/** Requests that come as JSON against the same requests that come as bytes. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { expect, it } from "vitest";
import { PATH_EXAMPLES } from "../../../scripts/openapi/examples.ts";
import { type Binding, readBindings } from "../../../src/contract/http-bindings.ts";
import { messageJson } from "../../../src/contract/message-json.ts";
import { REGISTRY } from "../../../src/contract/registry.ts";
import { RequestLedger } from "../../../src/server/api/idempotency.ts";
import { unaryRpcs } from "../../../src/server/api/rpc.ts";
import { type RequestParts, requestReader } from "../../../src/server/http/request-message.ts";
import { systemClock } from "../../../src/server/machine/system-clock.ts";
import { anyMessage, type Codec, messagesOfContract } from "../../support/any-message.ts";

const RPCS = unaryRpcs(new Map(), new RequestLedger(systemClock));
const CODECS = new Map((await messagesOfContract()).map(([name, , codec]) => [name, codec]));
const UNARY = readBindings(REGISTRY).filter(({ method }) => method.methodKind === "unary");

type Json = Record<string, unknown>;

it.each(UNARY.map((binding) => [binding.rpc, binding] as const))(
  "a request of %s is the same message, from JSON and from bytes",
  (rpc, binding) => {
    const { input } = binding.method;
    const read = RPCS.get(`/${rpc}`)?.readRequest;
    const codec = CODECS.get(input.typeName);
    assert(read !== undefined && codec !== undefined, `${rpc} is served`);
    const fromRest = requestReader(binding, read);
    fc.assert(
      fc.property(anyMessage(input, true), (message) => {
        const { parts, named } = sent(binding, message);
        const fromBytes = read(codec.encode(named).finish());
        expect(fromRest(parts)).toEqual(fromBytes);
        expect(bytesOf(codec, fromRest(parts))).toEqual(bytesOf(codec, fromBytes));
      }),
      { numRuns: 40 },
    );
  },
);

function bytesOf(codec: Codec, message: object): Buffer {
  return Buffer.from(codec.encode(message).finish());
}

/** How REST sends a message, and that message with the name that the path has. */
function sent(binding: Binding, message: object): { parts: RequestParts; named: object } {
  const parameters: Record<string, string> = {};
  for (const segment of binding.segments) {
    if ("parameter" in segment) parameters[segment.parameter] = PATH_EXAMPLES[segment.parameter];
  }
  const name = (binding.variable?.segments ?? [])
    .map((part) => ("literal" in part ? part.literal : parameters[part.parameter]))
    .join("/");
  const named = withName(message, binding.variable?.fieldPath ?? [], name);
  const json: Json = JSON.parse(messageJson(binding.method.input, named));
  return { named, parts: partsOf(binding, parameters, json) };
}

function withName(message: object, [first, ...inner]: readonly string[], name: string): object {
  if (first === undefined) return message;
  const field = first.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  if (inner.length === 0) return { ...message, [field]: name };
  const resource: unknown = Reflect.get(message, field);
  // The body is the resource, so that it is always there.
  fc.pre(typeof resource === "object" && resource !== null);
  return { ...message, [field]: withName(resource, inner, name) };
}

function partsOf(binding: Binding, parameters: Record<string, string>, json: Json): RequestParts {
  if (binding.body === "*") return { parameters, query: {}, body: json };
  const { body: bodyField } = binding;
  const rest = { ...json };
  const field = binding.method.input.fields.find((candidate) => candidate.name === bodyField);
  const body = field === undefined ? undefined : json[field.jsonName];
  if (field !== undefined) delete rest[field.jsonName];
  const variable = binding.variable?.fieldPath[0];
  if (variable !== undefined) delete rest[variable];
  return { parameters, query: queryOf(rest), body };
}

/** Everything in a query is text. */
function queryOf(json: Json): Json {
  return Object.fromEntries(
    Object.entries(json).map(([key, value]) => [
      key,
      Array.isArray(value) ? value.map(String) : String(value),
    ]),
  );
}
