/** What the OpenAPI document says of the routes that do not carry JSON messages: content, events, health, metrics, errors. */
import type { DescMethod } from "@bufbuild/protobuf";
import type { Json } from "./schema.ts";

const BYTES: Json = { "application/octet-stream": { schema: { type: "string", format: "binary" } } };
const HOLD: Json = {
  name: "holdDuringTransition",
  in: "query",
  description: "Wait for the end of a running transition instead of failing.",
  schema: { type: "boolean" },
};
/** Headers that stand for a field, where there is that field. */
export const HEADERS: readonly { readonly field: string; readonly parameter: Json }[] = [
  {
    field: "request_id",
    parameter: {
      name: "Idempotency-Key",
      in: "header",
      description: "Stands for requestId.",
      schema: { type: "string", format: "uuid" },
    },
  },
  {
    field: "etag",
    parameter: {
      name: "If-Match",
      in: "header",
      description: "Stands for etag; one of a list is enough, and an asterisk means any.",
      schema: { type: "string" },
    },
  },
];
/** Nothing, on an open loopback port; else a token or a client certificate (docs/security.md). */
export const SECURITY: Json = [{}, { token: [] }, { certificate: [] }];

export const SECURITY_SCHEMES: Json = {
  token: { type: "http", scheme: "bearer", description: "A token, where the daemon has a tokens file." },
  certificate: {
    type: "mutualTLS",
    description:
      "A client certificate, where the daemon asks for one; a token may say more closely who calls.",
  },
};

const ERROR_REFERENCE: Json = { $ref: "#/components/responses/Error" };

/** The parameters and answers of ReadObject (GET) and WriteObject (PUT). */
export function contentOperation(
  method: DescMethod,
  pathParameters: readonly Json[],
): { readonly [key: string]: Json } {
  return method.methodKind === "server_streaming" ? download(pathParameters) : upload(pathParameters);
}

function download(pathParameters: readonly Json[]): { readonly [key: string]: Json } {
  const range = {
    name: "Range",
    in: "header",
    description: "One range of bytes.",
    schema: { type: "string" },
  };
  return {
    parameters: [...pathParameters, HOLD, range],
    responses: {
      200: { description: "The whole content.", content: BYTES },
      206: { description: "The range that was asked for; Content-Range says which.", content: BYTES },
      416: { description: "No byte of the object is in the range.", content: errorContent() },
      default: ERROR_REFERENCE,
    },
  };
}

function upload(pathParameters: readonly Json[]): { readonly [key: string]: Json } {
  const range = {
    name: "Content-Range",
    in: "header",
    description: "Where the bytes go, as bytes 0-99/*; without it they go to the start.",
    schema: { type: "string" },
  };
  return {
    parameters: [...pathParameters, HOLD, range],
    requestBody: { required: true, content: BYTES },
    responses: {
      200: {
        description: "How much was written.",
        content: { "application/json": { schema: { $ref: "#/components/schemas/WriteObjectResponse" } } },
      },
      default: ERROR_REFERENCE,
    },
  };
}

/** The parameters and answers of WatchEvents. @param query those of the proto; @param event a reference to the message */
export function eventsOperation(query: readonly Json[], event: Json): { readonly [key: string]: Json } {
  const lastEventId = {
    name: "Last-Event-ID",
    in: "header",
    description:
      "Stands for afterSequence: what a browser sends when it connects again. Where that has expired the stream begins with STREAM_RESTARTED and the present state.",
    schema: { type: "string" },
  };
  return {
    parameters: [...query, lastEventId],
    responses: {
      200: {
        description: "Server-sent events without end; the data of each is an Event as JSON.",
        content: { "text/event-stream": { schema: event } },
      },
      default: ERROR_REFERENCE,
    },
  };
}

/** `{"error":{code,status,message,details}}` of AIP-193. */
export const ERROR_SCHEMA: Json = {
  type: "object",
  description: "A failure. docs/errors.md lists every reason.",
  properties: {
    error: {
      type: "object",
      properties: {
        code: { type: "integer", description: "The HTTP status." },
        status: { type: "string", description: "The name of the google.rpc.Code." },
        message: { type: "string", description: "A whole sentence." },
        details: {
          type: "array",
          description: "One google.rpc.ErrorInfo; with UNAVAILABLE a google.rpc.RetryInfo too.",
          items: { type: "object", properties: { "@type": { type: "string" } }, required: ["@type"] },
        },
      },
      required: ["code", "status", "message", "details"],
    },
  },
  required: ["error"],
};

export const ERROR_RESPONSE: Json = { description: "A failure.", content: errorContent() };

function errorContent(): Json {
  return { "application/json": { schema: { $ref: "#/components/schemas/Error" } } };
}

/** Routes of the daemon itself, which are no RPCs. */
export const MONITORING_PATHS = {
  "/livez": { get: probe("livez", "Whether the daemon runs", false) },
  "/readyz": {
    get: probe("readyz", "Whether the daemon takes calls; a suspended device does not matter", true),
  },
  "/healthz": { get: probe("healthz", "The same as /readyz", true) },
  "/metrics": {
    get: {
      operationId: "metrics",
      tags: ["Monitoring"],
      summary: "Metrics for Prometheus",
      description: "Every metric of the daemon and its devices, as docs/metrics.md has them.",
      responses: {
        200: { description: "The exposition format.", content: { "text/plain": {} } },
        default: ERROR_REFERENCE,
      },
    },
  },
} as const satisfies Record<string, Record<string, Json>>;

function probe(operationId: string, summary: string, mayFail: boolean): Json {
  const content: Json = {
    "application/json": { schema: { type: "object", properties: { status: { type: "string" } } } },
  };
  return {
    operationId,
    tags: ["Monitoring"],
    summary,
    description: "For machines: needs no credentials, and takes any Host.",
    security: [],
    responses: {
      200: { description: "Yes.", content },
      ...(mayFail ? { 503: { description: "No.", content } } : {}),
      default: ERROR_REFERENCE,
    },
  };
}
