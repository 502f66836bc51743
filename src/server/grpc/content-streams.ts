/** ReadObject and WriteObject: streams of content over gRPC. */

import {
  type ReadObjectRequest,
  type WriteObjectRequest,
  WriteObjectResponse,
} from "../../contract/gen/torpor/v1/memory.ts";
import { CONTENT_CHUNK_BYTES_MAX } from "../../device/limits.ts";
import {
  type ContentTarget,
  ContentUpload,
  contentSize,
  readContent,
  spanWithin,
} from "../api/content-transfer.ts";
import { type DeviceRegistry, requireDevice } from "../api/devices.ts";
import type { WireObserver } from "../gate/observer.ts";
import { CONTENT_CHUNK_BYTES_DEFAULT } from "../limits.ts";
import { toInt64, toNumber } from "../messages/convert.ts";
import { type Client, holdOf } from "../messages/hold.ts";
import { parseChildName } from "../messages/resource-names.ts";
import { WireError } from "../messages/wire-error.ts";

/** Field 1 of ReadObjectResponse, length-delimited. */
const DATA_TAG = 0x0a;

export interface ContentDeps {
  readonly devices: DeviceRegistry;
  readonly client: Client;
  readonly observer: WireObserver | undefined;
}

export async function* readObject(
  request: ReadObjectRequest,
  { devices, client, observer }: ContentDeps,
): AsyncGenerator<Buffer, void, undefined> {
  const target = targetOf(devices, request, client);
  const length = request.length === undefined ? undefined : toNumber(request.length, "length");
  const chunkBytes = request.chunkSize === 0 ? CONTENT_CHUNK_BYTES_DEFAULT : request.chunkSize;
  if (chunkBytes < 1 || chunkBytes > CONTENT_CHUNK_BYTES_MAX) {
    throw new WireError(
      "INVALID_REQUEST",
      `Chunk size ${chunkBytes} is not within 1 to ${CONTENT_CHUNK_BYTES_MAX}.`,
      {
        field: "chunkSize",
      },
    );
  }
  const span = spanWithin(await contentSize(target), toNumber(request.offset, "offset"), length);
  observer?.onContentBegin?.("read");
  try {
    let message = Buffer.alloc(0);
    const roomFor = (lengthBytes: number) => {
      const header = headerOf(lengthBytes);
      message = Buffer.allocUnsafeSlow(header.length + lengthBytes);
      message.set(header);
      return message.subarray(header.length);
    };
    for await (const _chunk of readContent(target, span, { chunkBytes, roomFor })) yield message;
  } finally {
    observer?.onContentEnd?.("read");
  }
}

export interface UploadDeps extends ContentDeps {
  /** Called with the number of bytes written if the upload ended too early. */
  readonly onBroken: (bytesWritten: number, error: unknown) => void;
}

export async function writeObject(
  requests: AsyncIterable<WriteObjectRequest>,
  deps: UploadDeps,
): Promise<Buffer> {
  let upload: ContentUpload | undefined;
  deps.observer?.onContentBegin?.("write");
  try {
    for await (const request of requests) {
      if (upload === undefined) upload = await beginUpload(deps, request);
      else refuseSecondHeader(request);
      await writeChunk(upload, request.data);
    }
    if (upload === undefined)
      throw new WireError("INVALID_REQUEST", "The stream had no message: nothing is named.");
    upload.finish();
    return Buffer.from(WriteObjectResponse.encode({ bytesWritten: toInt64(upload.bytesWritten) }).finish());
  } catch (error) {
    if (upload !== undefined) deps.onBroken(upload.bytesWritten, error);
    throw error;
  } finally {
    deps.observer?.onContentEnd?.("write");
  }
}

async function beginUpload(
  { devices, client }: UploadDeps,
  request: WriteObjectRequest,
): Promise<ContentUpload> {
  const declaredBytes = request.size === undefined ? undefined : toNumber(request.size, "size");
  const upload = new ContentUpload(
    targetOf(devices, request, client),
    toNumber(request.offset, "offset"),
    declaredBytes,
  );
  await upload.begin();
  return upload;
}

async function writeChunk(upload: ContentUpload, data: Uint8Array): Promise<void> {
  if (data.byteLength > CONTENT_CHUNK_BYTES_MAX) {
    throw new WireError(
      "INVALID_REQUEST",
      `A chunk of ${data.byteLength} bytes is larger than ${CONTENT_CHUNK_BYTES_MAX}.`,
      { field: "data", bytesWritten: String(upload.bytesWritten) },
    );
  }
  if (data.byteLength > 0) await upload.write(data);
}

function refuseSecondHeader({ name, offset, size }: WriteObjectRequest): void {
  if (name === "" && offset === 0n && size === undefined) return;
  throw new WireError("INVALID_REQUEST", "Only the first message of a stream carries name, offset and size.");
}

function targetOf(
  devices: DeviceRegistry,
  request: { readonly name: string; readonly holdDuringTransition: boolean },
  client: Client,
): ContentTarget {
  const { device, id } = parseChildName(request.name, "objects");
  return { device: requireDevice(devices, device), object: id, ...holdOf(request, client) };
}

/**
 * The header in front of the bytes in a ReadObjectResponse. Content is read directly behind it and sent from
 * there without another copy.
 */
function headerOf(lengthBytes: number): number[] {
  const header = [DATA_TAG];
  let length = lengthBytes;
  for (; length > 0x7f; length >>>= 7) header.push((length & 0x7f) | 0x80);
  header.push(length);
  return header;
}
