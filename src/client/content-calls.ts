/** The content of objects as streams, up and down, one chunk at a time, at the pace of the slower side. */
import { once } from "node:events";
import type { ClientWritableStream } from "@grpc/grpc-js";
import type { WriteObjectRequest } from "../contract/gen/torpor/v1/memory.ts";
import type { CallOptions, Channel } from "./channel.ts";
import { STREAM_IDLE_TIMEOUT_MS, UPLOAD_CHUNK_BYTES } from "./limits.ts";
import { READ_OBJECT, WRITE_OBJECT } from "./methods.ts";
import { withRetries } from "./retry.ts";
import { TorporError } from "./torpor-error.ts";

interface ContentOptions extends CallOptions {
  /** Offset in the object. Unit: bytes. @default 0 */
  readonly offset?: number | undefined;
  /** Whether to wait for the end of a running transition instead of failing. @default false */
  readonly holdDuringTransition?: boolean | undefined;
  /** Called after each chunk with the number of bytes transferred so far. */
  readonly onProgress?: ((doneBytes: number) => void) | undefined;
}

export interface UploadOptions extends ContentOptions {
  /**
   * How many bytes will come. With it, the daemon can refuse what does not fit before the first byte. Unit:
   * bytes.
   */
  readonly size?: number | undefined;
}

export interface DownloadOptions extends ContentOptions {
  /** How many bytes to read. Unit: bytes. @default all up to the end of the object */
  readonly length?: number | undefined;
}

/** The data and the object to write it to. */
export interface Upload {
  /** Its resource name. */
  readonly object: string;
  readonly source: AsyncIterable<Uint8Array>;
  readonly options: UploadOptions;
}

/**
 * Writes the data from `source`. This is not atomic and never retried: bytes that arrived before an error
 * stay.
 * @returns how many bytes were written
 * @throws TorporError, or the error of the source
 */
export async function upload(channel: Channel, uploading: Upload): Promise<number> {
  const { options } = uploading;
  const { call, answer } = channel.clientStream(WRITE_OBJECT, options);
  const stop = new AbortController();
  // A refusal ends the upload even if the source has no data yet.
  const refused = answer.then(
    () => undefined,
    () => stop.abort(),
  );
  const sending = send(call, uploading, stop.signal).catch((error: unknown) => {
    if (stop.signal.aborted) return;
    call.cancel();
    throw error;
  });
  try {
    await Promise.race([sending, refused]);
    const { bytesWritten } = await withinIdleTime(answer, () => call.cancel());
    return Number(bytesWritten);
  } finally {
    stop.abort();
    // If the source failed, its error was thrown above. Nobody needs a later one.
    sending.catch(() => {});
    answer.catch(() => {});
  }
}

/**
 * Reads the content, or a part of it. A reader that stops early ends the stream.
 * @throws TorporError
 */
export async function* download(
  channel: Channel,
  object: string,
  options: DownloadOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { offset = 0, length, holdDuringTransition = false, onProgress } = options;
  const request = {
    name: object,
    offset: BigInt(offset),
    length: length === undefined ? undefined : BigInt(length),
    chunkSize: 0,
    holdDuringTransition,
  };
  // Only until the first chunk: from then on the reader has some of the content.
  const { call, next, first } = await withRetries(async () => {
    const stream = channel.serverStream(READ_OBJECT, request, options);
    const chunks = stream[Symbol.asyncIterator]();
    const ask = () =>
      withinIdleTime(chunks.next(), () => stream.cancel()).catch((error: unknown) => {
        throw channel.toError(error);
      });
    return { call: stream, next: ask, first: await ask() };
  }, channel.retryLimits(options));
  let doneBytes = 0;
  try {
    for (let step = first; step.done !== true; step = await next()) {
      const { data } = step.value;
      doneBytes += data.byteLength;
      onProgress?.(doneBytes);
      yield data;
    }
  } finally {
    // Without a listener, an error event would end the process.
    call.on("error", () => {});
    call.cancel();
  }
}

async function send(
  call: ClientWritableStream<WriteObjectRequest>,
  { object, source, options }: Upload,
  signal: AbortSignal,
): Promise<void> {
  const { offset = 0, size, holdDuringTransition = false, onProgress } = options;
  const head: WriteObjectRequest = {
    name: object,
    offset: BigInt(offset),
    size: size === undefined ? undefined : BigInt(size),
    holdDuringTransition,
    data: new Uint8Array(0),
  };
  let doneBytes = 0;
  call.write(head);
  for await (const chunk of source) {
    for (let at = 0; at < chunk.byteLength; at += UPLOAD_CHUNK_BYTES) {
      signal.throwIfAborted();
      const data = chunk.subarray(at, at + UPLOAD_CHUNK_BYTES);
      const message = { ...head, name: "", offset: 0n, size: undefined, holdDuringTransition: false, data };
      if (!call.write(message)) await withinIdleTime(once(call, "drain", { signal }), () => call.cancel());
      doneBytes += data.byteLength;
      onProgress?.(doneBytes);
    }
  }
  call.end();
}

/** Waits for the daemon for a limited time. @param giveUp ends the call */
async function withinIdleTime<T>(waiting: Promise<T>, giveUp: () => void): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const message = `The daemon did nothing with a content stream for ${STREAM_IDLE_TIMEOUT_MS} ms.`;
    reject(new TorporError({ code: "DEADLINE_EXCEEDED", reason: "DEADLINE_EXCEEDED", message }));
    giveUp();
  }, STREAM_IDLE_TIMEOUT_MS);
  try {
    return await Promise.race([waiting, promise]);
  } finally {
    clearTimeout(timer);
  }
}
