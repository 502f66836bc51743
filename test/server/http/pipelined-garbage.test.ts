/** What cannot be read behind a request: its answer comes after the answers before it, and never into one. */
import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MIB } from "../../../src/device/limits.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { patternOf } from "../../support/test-device.ts";
import { startWires, type Wires } from "../../support/wires.ts";

const SIZE_BYTES = 24 * MIB;
const PATH = "/v1/devices/card0/objects/1/content";

let wires: Wires;
const content = patternOf(7, SIZE_BYTES);

beforeAll(async () => {
  const device = new FakeDevice();
  wires = await startWires([device]);
  const object = { sizeBytes: SIZE_BYTES, regions: [], flags: [], alignmentBytes: 0, label: "" };
  await device.execute({ type: "createObject", ...object });
  device.bytesOf("1").set(content);
});
afterAll(() => wires[Symbol.asyncDispose]());

/**
 * All that comes back, read only after a while: so the answer is still under way when the garbage is seen.
 */
async function answersTo(text: string, laterText = ""): Promise<Buffer> {
  const { hostname, port } = new URL(wires.baseUrl);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  socket.pause();
  socket.write(text);
  await new Promise((resolve) => setTimeout(resolve, 100));
  if (laterText !== "") socket.write(laterText);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function split(bytes: Buffer): { head: string; body: Buffer } {
  const end = bytes.indexOf("\r\n\r\n");
  return { head: bytes.subarray(0, end).toString(), body: bytes.subarray(end + 4) };
}

describe("garbage behind a GET of content", () => {
  it.each([
    ["in the same packet", "", 200, content],
    ["in a later packet", "", 200, content],
    ["behind a range", `Range: bytes=0-${20 * MIB - 1}\r\n`, 206, content.subarray(0, 20 * MIB)],
  ])("does not come into it: %s", async (what, headers, status, wanted) => {
    const get = `GET ${PATH} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;
    const garbage = "\x00\x01 no HTTP\r\n\r\n";
    const bytes = await (what === "in the same packet" ? answersTo(get + garbage) : answersTo(get, garbage));
    const { head, body } = split(bytes);
    expect(head).toContain(`HTTP/1.1 ${status} `);
    expect(body.subarray(0, wanted.length).equals(wanted)).toBe(true);
    const rest = split(body.subarray(wanted.length));
    expect(rest.head).toMatch(/^HTTP\/1\.1 400 Bad Request/);
    expect(JSON.parse(rest.body.toString()).error.details[0].reason).toBe("INVALID_REQUEST");
  });

  it("comes after the answers to all requests before it", async () => {
    const get = `GET ${PATH} HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-${MIB - 1}\r\n\r\n`;
    const bytes = await answersTo(`${get}${get}${get}no HTTP\r\n\r\n`);
    let rest = bytes;
    for (let count = 0; count < 3; count++) {
      const { head, body } = split(rest);
      expect(head).toContain("HTTP/1.1 206 ");
      expect(body.subarray(0, MIB).equals(content.subarray(0, MIB))).toBe(true);
      rest = body.subarray(MIB);
    }
    expect(rest.toString()).toMatch(/^HTTP\/1\.1 400 /);
  });

  it("in the body of an upload is its answer", async () => {
    const put = `PUT ${PATH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const bytes = await answersTo(`${put}4\r\nabcd\r\n`, "zz\r\n");
    expect(bytes.toString()).toMatch(/^HTTP\/1\.1 400 /);
    expect(bytes.toString().match(/HTTP\/1\.1/g)).toHaveLength(1);
  });
});
