/**
 * Events over REST: server-sent events (HTML Living Standard, 9.2), which browsers and curl read line by
 * line.
 */
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import type { FastifyInstance } from "fastify";
import { DeviceServiceService } from "../../contract/gen/torpor/v1/device.ts";
import { Event } from "../../contract/gen/torpor/v1/event.ts";
import { EVENTS_PATH } from "../../contract/hand-written.ts";
import { readBindings } from "../../contract/http-bindings.ts";
import { messageJson } from "../../contract/message-json.ts";
import { REGISTRY } from "../../contract/registry.ts";
import { decodeMessage } from "../api/rpc.ts";
import type { ToldEvent } from "../events/event-log.ts";
import { watchEvents } from "../events/watch-handler.ts";
import { CONTENT_IDLE_TIMEOUT_MS, EVENT_RETRY_MS, EVENT_TEXT_BYTES_MAX } from "../limits.ts";
import { type Failure, toFailure, WireError } from "../messages/wire-error.ts";
import { errorBody } from "./error-reply.ts";
import { requestReader } from "./request-message.ts";
import { HttpClient } from "./waiting-client.ts";

const EVENT = messageOf("torpor.v1.Event");
const TYPE_NAMES = new Map(
  REGISTRY.getEnum("torpor.v1.Event.Type")?.values.map(({ number, name }) => [number, name]),
);

interface EventsRequest {
  Querystring: Record<string, unknown>;
}

/** Adds the route. */
export function eventRoutes(app: FastifyInstance, deps: Parameters<typeof watchEvents>[0]): void {
  const binding = readBindings(REGISTRY).find(({ rpc }) => rpc === "torpor.v1.DeviceService/WatchEvents");
  assert(binding !== undefined, "WatchEvents has a binding");
  const { requestDeserialize } = DeviceServiceService.watchEvents;
  const readRequest = requestReader(binding, (bytes) => decodeMessage(requestDeserialize, bytes));
  app.get<EventsRequest>(EVENTS_PATH, { exposeHeadRoute: false }, async (request, reply) => {
    const lastEventId = readLastEventId(request.headers["last-event-id"]);
    const query = { ...request.query };
    if (lastEventId !== undefined) {
      delete query.after_sequence;
      query.afterSequence = lastEventId;
    }
    const watch = readRequest({ parameters: {}, query, body: undefined });
    const { signal, caller } = new HttpClient(reply.raw, request.admission?.identity);
    const events = watchEvents(deps, watch, {
      signal,
      caller,
      recheck: request.admission?.recheck,
      // A browser sends its position by itself, and after a 400 it never reconnects.
      restarts: lastEventId !== undefined,
    });
    // The first event is there at once. An error in the request still gets its own status.
    const first = await events.next();
    // Bookmarks come far more often than this, so a client that reads nothing for so long is dead.
    request.raw.socket.setTimeout(CONTENT_IDLE_TIMEOUT_MS);
    void reply.headers({
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    const onFailure = ({ reason, message }: Failure) => request.log.debug({ reason }, message);
    const text = first.done === true ? [] : textOf(first.value, events, onFailure);
    return reply.send(Readable.from(text, { objectMode: false }));
  });
}

/** A browser that reconnects sends the last id it saw, which is newer than the one in its URL. */
function readLastEventId(header: string | string[] | undefined): string | undefined {
  if (header === undefined || header === "") return undefined;
  if (typeof header === "string" && /^\d{1,16}$/.test(header)) return header;
  throw new WireError(
    "INVALID_REQUEST",
    `Last-Event-ID "${String(header)}" is not the sequence of an event.`,
    {
      header: "Last-Event-ID",
    },
  );
}

async function* textOf(
  first: ToldEvent,
  rest: AsyncGenerator<ToldEvent, void, undefined>,
  onFailure: (failure: Failure) => void,
): AsyncGenerator<string | Buffer, void, undefined> {
  try {
    yield `retry: ${EVENT_RETRY_MS}\n\n`;
    yield format(first);
    for await (const event of rest) yield format(event);
  } catch (error) {
    const failure = toFailure(error);
    onFailure(failure);
    yield `event: error\ndata: ${JSON.stringify(errorBody(failure))}\n\n`;
  } finally {
    await rest.return();
  }
}

/** The text of the newest events, which many watchers want at about the same time. */
const NEWEST = new Map<ToldEvent, Buffer>();
let newestBytes = 0;

/** An event becomes text once, however many watch. */
function format(event: ToldEvent): Buffer {
  const known = NEWEST.get(event);
  if (known !== undefined) return known;
  const text = Buffer.from(textOfEvent(event));
  // Those of the present state, without a sequence, are made for one watcher.
  if (event.sequence === 0 || event.device === "") return text;
  NEWEST.set(event, text);
  newestBytes += text.length;
  for (const [oldest, { length }] of NEWEST) {
    if (newestBytes <= EVENT_TEXT_BYTES_MAX) break;
    NEWEST.delete(oldest);
    newestBytes -= length;
  }
  return text;
}

/** Events of the present state have no id, so a client that is cut off there starts again. */
function textOfEvent({ sequence, type, bytes }: ToldEvent): string {
  const json = messageJson(EVENT, Event.decode(bytes));
  const id = sequence === 0 ? "" : `id: ${sequence}\n`;
  return `${id}event: ${TYPE_NAMES.get(type) ?? ""}\ndata: ${json}\n\n`;
}

function messageOf(name: string) {
  const desc = REGISTRY.getMessage(name);
  assert(desc !== undefined, `the contract has ${name}`);
  return desc;
}
