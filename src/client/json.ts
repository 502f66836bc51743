/**
 * Messages as proto3 JSON, exactly as REST has them. Separate from the client, which needs no descriptors.
 */
import assert from "node:assert/strict";
import { type DescMethod, fromJson, type JsonObject, type JsonValue, toBinary } from "@bufbuild/protobuf";
import type { Event } from "../contract/gen/torpor/v1/event.ts";
import { messageJson } from "../contract/message-json.ts";
import { REGISTRY } from "../contract/registry.ts";
import { type RequestOf, type ResponseOf, type UnaryMethod, unaryMethod } from "./methods.ts";

export type { JsonObject, JsonValue } from "@bufbuild/protobuf";

/** The answer of a method as REST would return it. */
export function responseToJson<M extends UnaryMethod>(method: M, response: ResponseOf<M>): JsonValue {
  return JSON.parse(messageJson(descriptorOf(method).output, response));
}

/** An event as REST would return it. */
export function eventToJson(event: Event): JsonValue {
  const descriptor = REGISTRY.getMessage("torpor.v1.Event");
  assert(descriptor !== undefined, "torpor.v1.Event is in the descriptor set");
  return JSON.parse(messageJson(descriptor, event));
}

/**
 * Reads the request of a method from proto3 JSON.
 * @throws Error that names the field if the JSON does not have the request's type
 */
export function requestFromJson<M extends UnaryMethod>(method: M, json: JsonObject): RequestOf<M> {
  const { input } = descriptorOf(method);
  const bytes = Buffer.from(toBinary(input, fromJson(input, json, { registry: REGISTRY })));
  // This is the codec of the method, so it reads the method's request.
  return unaryMethod(method).requestDeserialize(bytes) as RequestOf<M>;
}

function descriptorOf(method: UnaryMethod): DescMethod {
  const [, service = "", name = ""] = unaryMethod(method).path.split("/");
  const descriptor = REGISTRY.getService(service)?.methods.find((candidate) => candidate.name === name);
  assert(descriptor !== undefined, `${service}/${name} is in the descriptor set`);
  return descriptor;
}
