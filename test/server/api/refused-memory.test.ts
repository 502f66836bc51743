/** What refused calls with request ids leave in a real daemon, whose heap is too small for what they sent. */
import { randomUUID } from "node:crypto";
import { credentials } from "@grpc/grpc-js";
import { expect, it } from "vitest";
import { CreateObjectRequest, MemoryServiceClient } from "../../../src/contract/gen/torpor/v1/memory.ts";
import { DaemonProcess } from "../../support/daemon-process.ts";

const WORDS = ["--lmem", "64MiB", "--smem", "128MiB", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"];
const HEAP_MIB = 80;

it("is not their text", async () => {
  await using daemon = new DaemonProcess(WORDS, { NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}` });
  const { grpc, http } = await daemon.ready();
  const memory = new MemoryServiceClient(grpc, credentials.createInsecure());
  // Two bytes for each character, and the error says the name: more than 4 MiB for each.
  const parent = "devices/".padEnd(1_000_000, "\u0101");
  for (let sent = 0; sent < 60; sent++) {
    const request = CreateObjectRequest.fromPartial({ parent, size: 4096n, requestId: randomUUID() });
    await expect(
      new Promise((resolve, reject) =>
        memory.createObject(request, (error, answer) => (error === null ? resolve(answer) : reject(error))),
      ),
    ).rejects.toThrow(/INVALID_ARGUMENT|NOT_FOUND/);
  }
  memory.close();
  expect((await fetch(`http://${http}/readyz`)).status).toBe(200);
});
