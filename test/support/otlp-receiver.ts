/** A collector that listens on a port of the system's choice and keeps what it is sent: OTLP 1.x over HTTP, in protobuf. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { BinaryReader } from "@bufbuild/protobuf/wire";

export type Values = Readonly<Record<string, string | number | boolean>>;

export interface SentSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first of a trace. */
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly name: string;
  /** 1 is internal, 2 is a server's. */
  readonly kind: number;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Values;
  readonly events: readonly { readonly name: string; readonly attributes: Values }[];
  /** 0 is unset, 2 is an error. */
  readonly status: { readonly code: number; readonly message: string };
  readonly resource: Values;
}

/** Longest wait for spans. Unit: milliseconds. */
const PATIENCE_MS = 10_000;

export class OtlpReceiver implements AsyncDisposable {
  readonly spans: SentSpan[] = [];
  readonly paths: string[] = [];
  readonly headers: NodeJS.Dict<string | string[]>[] = [];
  /** What it answers; undefined is nothing, for as long as the client waits. */
  status: number | undefined = 200;
  readonly #server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      this.paths.push(request.url ?? "");
      this.headers.push(request.headers);
      const { status } = this;
      if (status === undefined) return;
      if (status === 200) this.spans.push(...decodeRequest(Buffer.concat(chunks)));
      response.writeHead(status, { "content-type": "application/x-protobuf" }).end();
    });
  });

  static async listen(port = 0): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver();
    receiver.#server.listen(port, "127.0.0.1");
    await once(receiver.#server, "listening");
    return receiver;
  }

  /** `http://127.0.0.1:12345`. */
  get endpoint(): string {
    const address = this.#server.address();
    assert(typeof address === "object" && address !== null, "the receiver listens on a port");
    return `http://127.0.0.1:${address.port}`;
  }

  /** The spans of that name, as soon as there are `count`. */
  async named(name: string, count = 1): Promise<SentSpan[]> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const found = this.spans.filter((span) => span.name === name);
      if (found.length >= count) return found;
      const there = this.spans.map((span) => span.name).join(", ");
      assert(Date.now() < deadline, `no ${count} spans "${name}" came; there are: ${there}`);
      await pause(20);
    }
  }

  /** The span of that name. */
  async only(name: string): Promise<SentSpan> {
    const [span, ...more] = await this.named(name);
    assert(span !== undefined && more.length === 0, `there is one span "${name}"`);
    return span;
  }

  /** In the order in which they began. */
  childrenOf({ spanId, traceId }: SentSpan): SentSpan[] {
    return this.spans
      .filter((span) => span.parentSpanId === spanId && span.traceId === traceId)
      .toSorted((a, b) => Number(a.startNs - b.startNs));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** A field of a message, as the wire has it. */
interface Field {
  readonly number: number;
  readonly value: Uint8Array | bigint | number;
}

/** opentelemetry/proto/collector/trace/v1/trace_service.proto */
function decodeRequest(bytes: Uint8Array): SentSpan[] {
  return messages(bytes, 1).flatMap((resourceSpans) => {
    const resource = attributes(messages(resourceSpans, 1)[0] ?? new Uint8Array(), 1);
    return messages(resourceSpans, 2)
      .flatMap((scopeSpans) => messages(scopeSpans, 2))
      .map((span) => decodeSpan(span, resource));
  });
}

function decodeSpan(bytes: Uint8Array, resource: Values): SentSpan {
  const status = messages(bytes, 15)[0] ?? new Uint8Array();
  return {
    traceId: hex(messages(bytes, 1)[0]),
    spanId: hex(messages(bytes, 2)[0]),
    traceState: text(messages(bytes, 3)[0]),
    parentSpanId: hex(messages(bytes, 4)[0]),
    name: text(messages(bytes, 5)[0]),
    kind: Number(numberOf(bytes, 6)),
    startNs: numberOf(bytes, 7),
    endNs: numberOf(bytes, 8),
    attributes: attributes(bytes, 9),
    events: messages(bytes, 11).map((event) => ({
      name: text(messages(event, 2)[0]),
      attributes: attributes(event, 3),
    })),
    status: { code: Number(numberOf(status, 3)), message: text(messages(status, 2)[0]) },
    resource,
  };
}

/** opentelemetry/proto/common/v1/common.proto: KeyValue and AnyValue. */
function attributes(bytes: Uint8Array, number: number): Values {
  const entries = messages(bytes, number).map((pair): [string, string | number | boolean] => {
    const [field] = fields(messages(pair, 2)[0] ?? new Uint8Array());
    assert(field !== undefined, "an attribute has a value");
    return [text(messages(pair, 1)[0]), scalar(field)];
  });
  return Object.fromEntries(entries);
}

function scalar({ number, value }: Field): string | number | boolean {
  if (number === 1 && value instanceof Uint8Array) return text(value);
  if (number === 2) return value === 1n;
  assert(number === 3 && !(value instanceof Uint8Array), "attributes are texts, booleans and whole numbers");
  return Number(value);
}

function messages(bytes: Uint8Array, number: number): Uint8Array[] {
  return fields(bytes).flatMap((field) =>
    field.number === number && field.value instanceof Uint8Array ? [field.value] : [],
  );
}

function numberOf(bytes: Uint8Array, number: number): bigint {
  const value = fields(bytes).find((field) => field.number === number)?.value;
  return typeof value === "bigint" ? value : 0n;
}

function fields(bytes: Uint8Array): Field[] {
  const reader = new BinaryReader(bytes);
  const found: Field[] = [];
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (wireType === 0) found.push({ number, value: BigInt(reader.uint64()) });
    else if (wireType === 1) found.push({ number, value: BigInt(reader.fixed64()) });
    else if (wireType === 2) found.push({ number, value: reader.bytes() });
    else reader.skip(wireType);
  }
  return found;
}

function text(bytes: Uint8Array = new Uint8Array()): string {
  return Buffer.from(bytes).toString();
}

function hex(bytes: Uint8Array = new Uint8Array()): string {
  return Buffer.from(bytes).toString("hex");
}
