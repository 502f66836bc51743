/** Requests that do not arrive whole: who sends without end, or goes away in the middle, on both wires. */
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { FakeDevice } from "../../support/fake-device.ts";
import { startWires, type Wires } from "../../support/wires.ts";

/** The beginning of a request whose body says that it is longer than what comes. */
function begin({ baseUrl }: Wires, head: string): Socket {
  const socket = connect(Number(new URL(baseUrl).port), "127.0.0.1");
  socket.write(`${head}\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{`);
  return socket;
}

async function textOf(socket: Socket): Promise<string> {
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  return text;
}

async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !holds(); turn++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(holds()).toBe(true);
}

describe("a request that does not arrive", () => {
  it("over REST is refused when its time is over, and gives its place back", async () => {
    const device = new FakeDevice();
    await using wires = await startWires([device], { arrivalMs: 100, gate: { callsMax: 1 } });
    const answer = await textOf(begin(wires, "POST /v1/devices/card0/objects HTTP/1.1"));
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer).toContain("The body of the request did not arrive whole within 0.1 s.");
    expect(answer).toContain('"reason":"DEADLINE_EXCEEDED"');
    expect(await wires.overRest("ListDevices", {})).toMatchObject({ devices: [{ name: "devices/card0" }] });
    expect(device.commands.map(({ type }) => type)).toEqual(["getDevice"]);
  });

  it("over gRPC is refused when its time is over, and gives its place back", async () => {
    const device = new FakeDevice();
    await using wires = await startWires([device], { arrivalMs: 100, gate: { callsMax: 1 } });
    const session = connectHttp2(`http://${wires.grpcAddress}`);
    // The end of the test cuts it off.
    session.on("error", () => {});
    const stream = session.request({
      ":method": "POST",
      ":path": "/torpor.v1.MemoryService/CreateObject",
      "content-type": "application/grpc",
      te: "trailers",
    });
    const ended = await new Promise<Record<string, unknown>>((resolve) => {
      stream
        .on("error", () => {})
        .on("trailers", resolve)
        .on("response", (headers) => {
          if (headers["grpc-status"] !== undefined) resolve(headers);
        });
      stream.resume();
    });
    expect(ended).toMatchObject({
      "grpc-status": "4",
      "grpc-message": encodeURIComponent("The request did not arrive whole within 0.1 s."),
      "grpc-status-details-bin": expect.any(String),
    });
    session.destroy();
    expect(await wires.overGrpc("ListDevices", {})).toMatchObject({ devices: [{ name: "devices/card0" }] });
    expect(device.commands.map(({ type }) => type)).toEqual(["getDevice"]);
  });

  it("takes longer than that where it is content", async () => {
    await using wires = await startWires([new FakeDevice()], { arrivalMs: 50 });
    await wires.overRest("CreateObject", { parent: "devices/card0", size: "4096" });
    const body = new ReadableStream({
      async start(controller) {
        controller.enqueue(new Uint8Array(10));
        await new Promise((resolve) => setTimeout(resolve, 200));
        controller.enqueue(new Uint8Array(10));
        controller.close();
      },
    });
    const url = `${wires.baseUrl}/v1/devices/card0/objects/1/content`;
    const response = await fetch(url, { method: "PUT", body, duplex: "half" });
    expect(await response.json()).toEqual({ bytesWritten: "20" });
  });

  it.each(["POST /v1/devices/card0/objects HTTP/1.1", "PUT /v1/devices/card0/objects/1/content HTTP/1.1"])(
    "because its client went away is no failure of ours: %s",
    async (head) => {
      await using wires = await startWires([new FakeDevice()]);
      await wires.overRest("CreateObject", { parent: "devices/card0", size: "4096" });
      const socket = begin(wires, head);
      await new Promise((resolve) => setTimeout(resolve, 50));
      socket.resetAndDestroy();
      await until(() => wires.log.some(({ reason }) => reason === "CALL_CANCELLED"));
      expect(wires.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
    },
  );
});
