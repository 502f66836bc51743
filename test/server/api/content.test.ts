import { once } from "node:events";
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Device } from "../../../src/device/mod.ts";
import { errorOf, sendRaw } from "../../support/raw-http.ts";
import { bootThreaded, hashOf, KIB, MIB, patternOf } from "../../support/test-device.ts";
import { startWires, type Wires } from "../../support/wires.ts";

// A multiple of the page, to which sizes are rounded up, and not of the chunk.
const SIZE_BYTES = 3 * MIB + 64 * KIB;

let device: Device;
let wires: Wires;
/** Id of an object of SIZE_BYTES, new for each test. */
let object: string;
let url: string;

beforeAll(async () => {
  ({ device } = await bootThreaded({ engineForm: "in-process", lmem: [{ sizeBytes: 64 * MIB }] }));
  wires = await startWires([device]);
});
beforeEach(async () => {
  const created = { sizeBytes: SIZE_BYTES, regions: [], flags: [], alignmentBytes: 0, label: "" };
  ({ id: object } = await device.execute({ type: "createObject", ...created }));
  url = `${wires.baseUrl}/v1/devices/card0/objects/${object}/content`;
});
afterAll(async () => {
  await wires[Symbol.asyncDispose]();
  device.checkInvariants();
  await device.close();
});

async function put(body: Uint8Array | ReadableStream, headers: Record<string, string> = {}) {
  const init = { method: "PUT", body, headers, duplex: "half" } as const;
  const response = await fetch(url, init);
  // What the server answers is compared as it is.
  const json = (await response.json()) as {
    error: { details: [{ reason: string; metadata: Record<string, string> }] };
  };
  return { status: response.status, json };
}

async function content(): Promise<Uint8Array> {
  return new Uint8Array(await (await fetch(url)).arrayBuffer());
}

function chunked(chunks: readonly Uint8Array[]): ReadableStream {
  return ReadableStream.from(chunks);
}

describe("content over REST", () => {
  it("comes back as it was written", async () => {
    const bytes = patternOf(1, SIZE_BYTES);
    expect(await put(bytes)).toEqual({ status: 200, json: { bytesWritten: String(SIZE_BYTES) } });
    const response = await fetch(url);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    expect(response.headers.get("content-length")).toBe(String(SIZE_BYTES));
    expect(response.headers.get("accept-ranges")).toBe("bytes");
    expect(hashOf(new Uint8Array(await response.arrayBuffer()))).toBe(hashOf(bytes));
  });

  it("is written in parts with Content-Range", async () => {
    const bytes = patternOf(2, SIZE_BYTES);
    const cut = MIB + 1;
    await put(bytes.subarray(cut), { "content-range": `bytes ${cut}-${SIZE_BYTES - 1}/${SIZE_BYTES}` });
    await put(bytes.subarray(0, cut), { "content-range": `bytes 0-${cut - 1}/*` });
    expect(hashOf(await content())).toBe(hashOf(bytes));
  });

  it("is taken chunked, without a declared length", async () => {
    const bytes = patternOf(3, SIZE_BYTES);
    const { status, json } = await put(chunked([bytes.subarray(0, 7), bytes.subarray(7)]));
    expect({ status, json }).toEqual({ status: 200, json: { bytesWritten: String(SIZE_BYTES) } });
    expect(hashOf(await content())).toBe(hashOf(bytes));
  });

  it("may be shorter than the object, even empty", async () => {
    expect(await put(new Uint8Array(10))).toMatchObject({ status: 200, json: { bytesWritten: "10" } });
    expect(await put(new Uint8Array(0))).toMatchObject({ status: 200, json: { bytesWritten: "0" } });
  });

  it("is answered in part for a Range, with 416 for one outside", async () => {
    const bytes = patternOf(4, SIZE_BYTES);
    await put(bytes);
    const part = await fetch(url, { headers: { range: `bytes=${MIB}-${MIB + 9}` } });
    expect(part.status).toBe(206);
    expect(part.headers.get("content-range")).toBe(`bytes ${MIB}-${MIB + 9}/${SIZE_BYTES}`);
    expect(new Uint8Array(await part.arrayBuffer())).toEqual(bytes.slice(MIB, MIB + 10));
    const end = await fetch(url, { headers: { range: "bytes=-5" } });
    expect(new Uint8Array(await end.arrayBuffer())).toEqual(bytes.slice(-5));
    const outside = await fetch(url, { headers: { range: `bytes=${SIZE_BYTES}-` } });
    expect(outside.status).toBe(416);
    expect(outside.headers.get("content-range")).toBe(`bytes */${SIZE_BYTES}`);
    expect(await outside.json()).toMatchObject({
      error: { code: 416, details: [{ reason: "INVALID_RANGE" }] },
    });
  });

  it("is answered whole when If-Range names a validator that we never gave", async () => {
    const response = await fetch(url, { headers: { range: "bytes=0-1", "if-range": '"x"' } });
    expect(response.status).toBe(200);
    await response.arrayBuffer();
  });

  it("has its size told by HEAD", async () => {
    const response = await fetch(url, { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-length")).toBe(String(SIZE_BYTES));
  });
});

describe("an upload that cannot be right", () => {
  it.each<[string, Record<string, string>, number, string]>([
    ["with more bytes than the object", {}, SIZE_BYTES + 1, "INVALID_RANGE"],
    ["that ends outside", { "content-range": `bytes 1-${SIZE_BYTES}/*` }, SIZE_BYTES, "INVALID_RANGE"],
    ["whose lengths differ", { "content-range": "bytes 0-9/*" }, 11, "INVALID_RANGE"],
    ["whose range is no range", { "content-range": "bytes 9-0/*" }, 10, "INVALID_RANGE"],
  ])("%s is refused before the first byte", async (_what, headers, lengthBytes, reason) => {
    const before = hashOf(await content());
    const { status, json } = await put(patternOf(5, lengthBytes), headers);
    expect({ status, json }).toMatchObject({ status: 400, json: { error: { details: [{ reason }] } } });
    expect(hashOf(await content())).toBe(before);
  });

  it("is refused without its body being asked for", async () => {
    const head = `PUT ${new URL(url).pathname} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${SIZE_BYTES + 1}\r\nExpect: 100-continue\r\n\r\n`;
    const answer = await sendRaw(wires.baseUrl, head);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(errorOf(answer)).toMatchObject({ details: [{ reason: "INVALID_RANGE" }] });
  });

  it("is told why even when it sends everything first", async () => {
    const path = new URL(url).pathname;
    const head = `PUT ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${64 * MIB}\r\n\r\n`;
    const answer = await sendRaw(wires.baseUrl, head + "x".repeat(8 * MIB), "}}]}}");
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  });

  it("is taken whatever its type is, and encoded as it is in any case", async () => {
    const { status } = await put(new Uint8Array(10), {
      "content-type": "binary",
      "content-encoding": "Identity",
    });
    expect(status).toBe(200);
  });

  it("is refused when its bytes are encoded", async () => {
    const { status } = await put(new Uint8Array(10), { "content-encoding": "gzip" });
    expect(status).toBe(415);
  });

  it("keeps the bytes that fitted when it does not say how long it is", async () => {
    const bytes = patternOf(6, SIZE_BYTES + 64 * KIB);
    const { status, json } = await put(chunked([bytes.subarray(0, MIB), bytes.subarray(MIB)]));
    expect(status).toBe(400);
    const [{ reason, metadata }] = json.error.details;
    expect(reason).toBe("INVALID_RANGE");
    const bytesWritten = Number(metadata.bytesWritten);
    expect(bytesWritten).toBeGreaterThanOrEqual(MIB);
    expect(hashOf((await content()).subarray(0, bytesWritten))).toBe(hashOf(bytes.subarray(0, bytesWritten)));
  });

  it("leaves the bytes that arrived, no lock and no pin when its client goes away", async () => {
    const bytes = patternOf(7, MIB);
    const upload = request(url, { method: "PUT", headers: { "content-length": SIZE_BYTES } });
    upload.on("error", () => undefined);
    upload.write(bytes);
    await expect.poll(async () => hashOf((await content()).subarray(0, MIB))).toBe(hashOf(bytes));
    upload.destroy();
    const line = { msg: "An upload ended before its end.", bytesWritten: MIB, url: new URL(url).pathname };
    await expect.poll(() => wires.log).toContainEqual(expect.objectContaining(line));
    expect(await device.execute({ type: "getObject", object })).toMatchObject({ pinCount: 0, active: false });
    await device.execute({ type: "deleteObject", object });
  });
});

describe("a download", () => {
  it("has every byte as it was, however late its client reads it", async () => {
    const sizeBytes = 16 * MIB;
    const created = { sizeBytes, regions: [], flags: [], alignmentBytes: 0, label: "" };
    const { id } = await device.execute({ type: "createObject", ...created });
    url = `${wires.baseUrl}/v1/devices/card0/objects/${id}/content`;
    const bytes = patternOf(9, sizeBytes);
    await put(bytes);
    const [response] = await once(request(url).end(), "response");
    const read: Uint8Array[] = [];
    for await (const chunk of response) {
      if (read.length % 100 === 0) await sleep(20);
      read.push(chunk);
    }
    expect(hashOf(Buffer.concat(read))).toBe(hashOf(bytes));
    await device.execute({ type: "deleteObject", object: id });
  });

  it("ends when its client goes away", async () => {
    const download = request(url).end();
    const [response] = await once(download, "response");
    response.destroy();
    await once(response, "close");
    await device.execute({ type: "deleteObject", object });
  });

  it("of no object is 404, of a device that sleeps DEVICE_SUSPENDED, and HEAD still works", async () => {
    expect((await fetch(url.replace(/\d+\/content/, "999999/content"))).status).toBe(404);
    expect((await fetch(`${url}?holdDuringTransition=maybe`)).status).toBe(400);
    expect((await fetch(`${url}?hold_during_transition=true`, { method: "HEAD" })).status).toBe(200);
    expect(await (await fetch(`${url}?offset=1`)).json()).toMatchObject({
      error: { message: 'Query parameter "offset" is not known here; there is holdDuringTransition.' },
    });
    await device.execute({ type: "suspend", state: "S3" });
    try {
      const response = await fetch(url);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ error: { details: [{ reason: "DEVICE_SUSPENDED" }] } });
      expect(await put(new Uint8Array(1))).toMatchObject({ status: 400 });
      expect((await fetch(url, { method: "HEAD" })).status).toBe(200);
    } finally {
      await device.execute({ type: "resume" });
    }
  });
});

describe("an open stream", () => {
  it("pauses while the device sleeps and goes on where it was", async () => {
    const bytes = patternOf(8, SIZE_BYTES);
    const upload = request(url, { method: "PUT", headers: { "content-length": SIZE_BYTES } });
    const answered = once(upload, "response");
    upload.write(bytes.subarray(0, MIB));
    await expect
      .poll(async () => hashOf((await content()).subarray(0, MIB)))
      .toBe(hashOf(bytes.subarray(0, MIB)));
    await device.execute({ type: "suspend", state: "S3" });
    upload.end(bytes.subarray(MIB));
    await device.execute({ type: "resume" });
    const [response] = await answered;
    expect(response.statusCode).toBe(200);
    expect(hashOf(await content())).toBe(hashOf(bytes));
  });
});
