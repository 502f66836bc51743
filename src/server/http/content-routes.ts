/**
 * The content of objects over REST: GET and HEAD with `Range`, PUT with `Content-Range`. Never buffered
 * whole.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { CONTENT_PATH } from "../../contract/hand-written.ts";
import {
  type ContentSpan,
  type ContentTarget,
  ContentUpload,
  contentSize,
  readContent,
} from "../api/content-transfer.ts";
import { type DeviceRegistry, requireDevice } from "../api/devices.ts";
import type { ContentDirection, WireObserver } from "../gate/observer.ts";
import { CONTENT_IDLE_TIMEOUT_MS } from "../limits.ts";
import { holdOf } from "../messages/hold.ts";
import { WireError } from "../messages/wire-error.ts";
import { parseContentRange, parseRange } from "./byte-range.ts";
import { sendContinue } from "./expect-continue.ts";
import { refuseEtag } from "./preconditions.ts";
import { leaveBodies, requirePlain } from "./request-body.ts";
import { ChunkRooms } from "./send-content.ts";
import { HttpClient } from "./waiting-client.ts";

interface ContentRequest {
  Params: { device: string; object: string };
  Querystring: Record<string, unknown>;
}

export interface ContentRoutesDeps {
  readonly devices: DeviceRegistry;
  readonly observer?: WireObserver | undefined;
}

/** Adds the routes. A scope of its own, because bodies are streams here and JSON elsewhere. */
export function contentRoutes(app: FastifyInstance, deps: ContentRoutesDeps): void {
  leaveBodies(app);

  app.head<ContentRequest>(CONTENT_PATH, async (request, reply) => {
    const size = await contentSize(target(deps.devices, request, reply));
    return reply.headers(contentHeaders(size)).send();
  });

  app.get<ContentRequest>(CONTENT_PATH, { exposeHeadRoute: false }, (request, reply) =>
    download(deps, request, reply),
  );

  app.put<ContentRequest>(CONTENT_PATH, { config: { streamsBody: true } }, (request, reply) =>
    upload(deps, request, reply),
  );
}

async function download(
  { devices, observer }: ContentRoutesDeps,
  request: FastifyRequest<ContentRequest>,
  reply: FastifyReply,
): Promise<void> {
  const content = target(devices, request, reply);
  const size = await contentSize(content);
  // There is no validator for content, so If-Range never holds.
  const range = request.headers["if-range"] === undefined ? parseRange(request.headers.range, size) : "whole";
  if (range === "unsatisfiable") throw unsatisfiable(request.headers.range, size, reply);
  const span = range === "whole" ? { offsetBytes: 0, lengthBytes: size } : range;
  request.raw.socket.setTimeout(CONTENT_IDLE_TIMEOUT_MS);
  tellOfStream(observer, "read", reply);
  const rooms = new ChunkRooms(reply.raw);
  const chunks = readContent(content, span, rooms);
  // An error in the first chunk still gets its own status.
  const first = await chunks.next();
  void reply.headers(contentHeaders(span.lengthBytes));
  if (range !== "whole") void reply.code(206).header("content-range", contentRange(span, size));
  // A stream would not say when its chunks have been sent and their memory is free again.
  const { raw: response } = reply.hijack();
  for (const [name, value] of Object.entries(reply.getHeaders())) response.setHeader(name, value ?? "");
  try {
    if (first.done !== true) await rooms.sendAll(first.value, chunks);
    response.end();
  } catch (error) {
    request.log.debug({ url: request.url, err: error }, "A download ended before its end.");
    // The headers promised this length.
    response.destroy();
  }
}

async function upload(
  { devices, observer }: ContentRoutesDeps,
  request: FastifyRequest<ContentRequest>,
  reply: FastifyReply,
): Promise<{ readonly bytesWritten: string }> {
  refuseEtag(request.headers, "Content");
  const { offsetBytes, lengthBytes } = declaredSpan(request);
  const content = new ContentUpload(target(devices, request, reply), offsetBytes, lengthBytes);
  request.raw.socket.setTimeout(CONTENT_IDLE_TIMEOUT_MS);
  tellOfStream(observer, "write", reply);
  try {
    await content.begin();
    sendContinue(reply.raw);
    // Not destroyed on an error, because the client must still get the reason.
    for await (const chunk of request.raw.iterator({ destroyOnReturn: false })) await content.write(chunk);
    content.finish();
  } catch (error) {
    const { url } = request;
    const { bytesWritten } = content;
    request.log.warn({ url, bytesWritten, err: error }, "An upload ended before its end.");
    throw error;
  }
  return { bytesWritten: String(content.bytesWritten) };
}

/** The stream ends with its answer or its connection, whichever comes first. */
function tellOfStream(
  observer: WireObserver | undefined,
  direction: ContentDirection,
  { raw }: FastifyReply,
): void {
  if (observer === undefined || raw.closed) return;
  observer.onContentBegin?.(direction);
  raw.once("close", () => observer.onContentEnd?.(direction));
}

function target(
  devices: DeviceRegistry,
  request: FastifyRequest<ContentRequest>,
  reply: FastifyReply,
): ContentTarget {
  const { device, object } = request.params;
  const client = new HttpClient(reply.raw, request.admission?.identity);
  const wish = holdOf({ holdDuringTransition: readHold(request.query) }, client);
  return { device: requireDevice(devices, device), object, ...wish };
}

/**
 * The one field that the query may contain, by either of its names, as in other methods.
 * @throws WireError INVALID_REQUEST
 */
function readHold(query: Readonly<Record<string, unknown>>): boolean {
  let hold = false;
  for (const [field, value] of Object.entries(query)) {
    if (field !== "holdDuringTransition" && field !== "hold_during_transition") {
      const sentence = `Query parameter "${field}" is not known here; there is holdDuringTransition.`;
      throw new WireError("INVALID_REQUEST", sentence, { field });
    }
    if (value !== "true" && value !== "false")
      throw new WireError("INVALID_REQUEST", `Query parameter ${field} is not true or false.`, { field });
    hold = value === "true";
  }
  return hold;
}

/** The offset and length of an upload, from Content-Range and Content-Length, which must agree. */
function declaredSpan(request: FastifyRequest): { offsetBytes: number; lengthBytes: number | undefined } {
  requirePlain(request.headers);
  const range = parseContentRange(request.headers["content-range"]);
  const header = request.headers["content-length"];
  const length = header === undefined ? undefined : Number(header);
  if (range === undefined) return { offsetBytes: 0, lengthBytes: length };
  if (length !== undefined && length !== range.lengthBytes) {
    throw new WireError(
      "INVALID_RANGE",
      `Content-Range is ${range.lengthBytes} bytes long, but Content-Length is ${length}.`,
      { contentRange: request.headers["content-range"] ?? "", contentLength: String(length) },
    );
  }
  return range;
}

function contentHeaders(lengthBytes: number): Record<string, string> {
  return {
    "content-type": "application/octet-stream",
    "content-length": String(lengthBytes),
    "accept-ranges": "bytes",
    "cache-control": "no-store",
  };
}

function contentRange({ offsetBytes, lengthBytes }: ContentSpan, sizeBytes: number): string {
  return `bytes ${offsetBytes}-${offsetBytes + lengthBytes - 1}/${sizeBytes}`;
}

function unsatisfiable(range: string | undefined, sizeBytes: number, reply: FastifyReply): WireError {
  void reply.header("content-range", `bytes */${sizeBytes}`);
  return new WireError(
    "INVALID_RANGE",
    `No byte of the object, which has ${sizeBytes} bytes, is in the range "${range}".`,
    { range: range ?? "", size: String(sizeBytes) },
  ).withHttpStatus(416);
}
