/** Streams of events as clients read them, over both wires, and the state of a device rebuilt from them alone. */
import assert from "node:assert/strict";
import { get, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { fromBinary, fromJson, type JsonObject, toBinary, toJson } from "@bufbuild/protobuf";
import type { Client } from "@grpc/grpc-js";
import { REGISTRY } from "../../src/contract/registry.ts";
import { failureFrom, type RefusedCall, refusedByBody } from "./wires.ts";

/** An event in proto3 JSON, the same from both wires. */
export interface EventJson {
  readonly sequence: string;
  readonly type: string;
  readonly device: string;
  readonly [payload: string]: unknown;
}

/** Events as they come; rejects with RefusedCall when the stream ends with an error. `cut` goes away. */
export interface EventStream extends AsyncIterable<EventJson> {
  cut(): void;
  pause(): void;
  resume(): void;
}

export type Watch = (request?: JsonObject) => EventStream;

/** Over REST, as server-sent events. */
export function watchOverRest(baseUrl: string): Watch {
  return ({ types = [], ...rest } = {}) => {
    const query = new URLSearchParams(Object.entries(rest).map(([key, value]) => [key, String(value)]));
    for (const type of types as string[]) query.append("types", type);
    const request = get(`${baseUrl}/v1/events?${query}`);
    const answer = new Promise<IncomingMessage>((resolve, reject) => {
      request.on("response", resolve);
      request.on("error", reject);
    });
    answer.catch(() => undefined);
    return {
      cut: () => void request.destroy(),
      pause: () => void answer.then((response) => response.pause()),
      resume: () => void answer.then((response) => response.resume()),
      [Symbol.asyncIterator]: () => readSse(answer),
    };
  };
}

/** Over gRPC, decoded by the descriptors alone. */
export function watchOverGrpc(client: Client): Watch {
  const input = REGISTRY.getMessage("torpor.v1.WatchEventsRequest");
  const output = REGISTRY.getMessage("torpor.v1.Event");
  assert(input !== undefined && output !== undefined);
  const keep = (value: Buffer) => value;
  return (request = {}) => {
    const bytes = Buffer.from(toBinary(input, fromJson(input, request)));
    const path = "/torpor.v1.DeviceService/WatchEvents";
    const call = client.makeServerStreamRequest(path, keep, keep, bytes);
    call.on("error", () => undefined);
    async function* read(): AsyncGenerator<EventJson> {
      try {
        for await (const message of call) {
          yield toJson(
            output as NonNullable<typeof output>,
            fromBinary(output as NonNullable<typeof output>, message),
            {
              alwaysEmitImplicit: true,
              registry: REGISTRY,
            },
          ) as unknown as EventJson;
        }
      } catch (error) {
        throw failureFrom(error);
      }
    }
    return {
      cut: () => call.cancel(),
      pause: () => void call.pause(),
      resume: () => void call.resume(),
      [Symbol.asyncIterator]: read,
    };
  };
}

/** Reads until `isLast`, that event included. The stream stays open; a second call goes on where the first ended. */
export class EventReader {
  readonly stream: EventStream;
  readonly #iterator: AsyncIterator<EventJson>;

  constructor(stream: EventStream) {
    this.stream = stream;
    this.#iterator = stream[Symbol.asyncIterator]();
  }

  async readUntil(isLast: (event: EventJson) => boolean): Promise<EventJson[]> {
    const events: EventJson[] = [];
    for (;;) {
      const { done, value } = await this.#iterator.next();
      assert(done !== true, "the stream ended before the event that was waited for");
      events.push(value);
      if (isLast(value)) return events;
    }
  }

  /** What the stream ends with. */
  async readRefusal(): Promise<RefusedCall> {
    for (;;) {
      try {
        const { done } = await this.#iterator.next();
        assert(done !== true, "the stream ended without an error");
      } catch (error) {
        return error as RefusedCall;
      }
    }
  }
}

export const isBookmark = (event: EventJson) => event.type === "BOOKMARK";

/** What somebody who reads nothing but events knows. */
export class StateFromEvents {
  readonly devices = new Map<string, JsonObject>();
  readonly objects = new Map<string, JsonObject>();
  readonly contexts = new Map<string, JsonObject>();

  apply(events: Iterable<EventJson>): void {
    for (const event of events) this.#apply(event);
  }

  #apply(event: EventJson): void {
    const payload = payloadOf(event);
    switch (event.type) {
      case "DEVICE_CHANGED":
        this.devices.set(event.device, payload.device as JsonObject);
        break;
      case "OBJECTS_CREATED":
      case "OBJECTS_CHANGED":
        for (const object of payload.objects as JsonObject[]) this.objects.set(String(object.name), object);
        break;
      case "OBJECTS_DELETED":
        for (const name of payload.names as string[]) this.objects.delete(name);
        break;
      case "CONTEXT_CREATED":
      case "CONTEXT_CHANGED":
        this.contexts.set(String((payload.context as JsonObject).name), payload.context as JsonObject);
        break;
      case "CONTEXT_DELETED":
        this.contexts.delete(String(payload.name));
        break;
    }
  }
}

/** The message in the oneof. */
export function payloadOf(event: EventJson): JsonObject {
  const name = event.type.toLowerCase().replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const payload = event[name];
  assert(payload !== undefined, `an event ${event.type} carries ${name}`);
  return payload as JsonObject;
}

async function* readSse(answer: Promise<IncomingMessage>): AsyncGenerator<EventJson> {
  const response = await answer;
  if (response.statusCode !== 200) {
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) text += chunk;
    throw refusedByBody(JSON.parse(text));
  }
  assert.match(response.headers["content-type"] ?? "", /^text\/event-stream/);
  let fields: Record<string, string> = {};
  for await (const line of createInterface({ input: response })) {
    const [, key = "", value = ""] = /^(\w+): (.*)$/.exec(line) ?? [];
    if (line !== "") fields[key] = value;
    else if (fields.data === undefined) fields = {};
    else {
      const { event, data, id } = fields;
      fields = {};
      if (event === "error") throw refusedByBody(JSON.parse(data));
      const json = JSON.parse(data) as EventJson;
      assert.deepEqual([event, id], [json.type, json.sequence === "0" ? undefined : json.sequence]);
      yield json;
    }
  }
}
