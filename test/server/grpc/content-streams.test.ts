/** torpor_content_streams: every stream of content is counted while it is open, however it ends. */
import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  MemoryServiceClient,
  ReadObjectRequest,
  WriteObjectRequest,
} from "../../../src/contract/gen/torpor/v1/memory.ts";
import { startTestDaemon, type TestDaemon } from "../../support/daemon.ts";
import { parseMetrics } from "../../support/metrics-text.ts";

/** More than the buffers between a daemon and a client that does not read can hold. */
const SIZE_BYTES = 32 * 2 ** 20;

const NAME = "devices/card0/objects/1";
const PATH = `/v1/${NAME}/content`;

let test: TestDaemon;
let memory: MemoryServiceClient;

beforeAll(async () => {
  test = await startTestDaemon();
  memory = new MemoryServiceClient(test.grpc, credentials.createInsecure());
  const body = JSON.stringify({ size: String(SIZE_BYTES) });
  expect((await fetch(`${test.url}/v1/devices/card0/objects`, { method: "POST", body })).status).toBe(200);
});
afterAll(async () => {
  memory.close();
  await test[Symbol.asyncDispose]();
});

/** Waits until so many are open. */
async function expectOpen(open: { readonly read: number; readonly write: number }): Promise<void> {
  const scrape = async () => {
    const metrics = parseMetrics(await (await fetch(`${test.url}/metrics`)).text());
    const count = (direction: string) => metrics.value("torpor_content_streams", { direction });
    return { read: count("read"), write: count("write") };
  };
  await expect.poll(scrape, { timeout: 10_000 }).toEqual(open);
}

it("counts an upload over REST until its answer was sent", async () => {
  const upload = request(`${test.url}${PATH}`, { method: "PUT", headers: { "content-length": 8 } });
  const answered = once(upload, "response");
  upload.write("half");
  await expectOpen({ read: 0, write: 1 });
  upload.end("half");
  const [response] = await answered;
  response.resume();
  await expectOpen({ read: 0, write: 0 });
});

it("counts a download over REST that its client does not read, until the client goes away", async () => {
  const { hostname, port } = new URL(test.url);
  const socket = connect(Number(port), hostname).pause();
  socket.write(`GET ${PATH} HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`);
  await expectOpen({ read: 1, write: 0 });
  socket.destroy();
  await expectOpen({ read: 0, write: 0 });
});

it("counts both over gRPC until they end or are cancelled", async () => {
  const told = Promise.withResolvers<unknown>();
  const upload = memory.writeObject((error, answer) => told.resolve(error ?? answer));
  upload.write(WriteObjectRequest.fromPartial({ name: NAME, data: Buffer.from("half") }));
  const download = memory.readObject(ReadObjectRequest.fromPartial({ name: NAME }));
  download.on("error", () => undefined);
  await expectOpen({ read: 1, write: 1 });
  download.cancel();
  await expectOpen({ read: 0, write: 1 });
  upload.end();
  expect(await told.promise).toEqual({ bytesWritten: 4n });
  await expectOpen({ read: 0, write: 0 });
});

it("keeps none of those that fail at their beginning", async () => {
  const unknown = PATH.replace("objects/1/", "objects/99/");
  expect((await fetch(test.url + unknown, { method: "PUT", body: "x" })).status).toBe(404);
  expect((await fetch(test.url + unknown)).status).toBe(404);
  expect((await fetch(test.url + PATH, { headers: { range: `bytes=${SIZE_BYTES}-` } })).status).toBe(416);
  const download = memory.readObject(ReadObjectRequest.fromPartial({ name: "devices/card0/objects/99" }));
  const [error] = await once(download, "error");
  expect(error).toMatchObject({ details: expect.stringContaining("99") });
  await expectOpen({ read: 0, write: 0 });
});
