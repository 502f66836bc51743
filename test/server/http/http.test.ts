import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { describe, expect, it } from "vitest";
import { REGISTRY } from "../../../src/contract/registry.ts";
import { DeviceError } from "../../../src/device/errors.ts";
import { HTTP_BODY_BYTES_MAX } from "../../../src/server/limits.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { errorOf, sendRaw } from "../../support/raw-http.ts";
import { startWires, type Wires } from "../../support/wires.ts";

async function answerOf(response: Response): Promise<{ status: number; error: unknown }> {
  const { error } = (await response.json()) as { error: unknown };
  return { status: response.status, error };
}

function info(reason: string, metadata: unknown = expect.anything()) {
  return { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain: "torpor", metadata };
}

describe("what no route serves", () => {
  it.each([
    ["GET", "/", 404, "ROUTE_NOT_FOUND"],
    ["GET", "/v2/devices", 404, "ROUTE_NOT_FOUND"],
    ["POST", "/v1/devices/card0:explode", 404, "ROUTE_NOT_FOUND"],
    ["GET", "/v1/devices/a%2Fb", 404, "ROUTE_NOT_FOUND"],
    ["GET", "/v1/devices/card0:suspend", 405, "INVALID_REQUEST"],
    ["DELETE", "/v1/devices/card0", 405, "INVALID_REQUEST"],
    ["POST", "/v1/devices/card0/objects/1/content", 405, "INVALID_REQUEST"],
    ["GET", `/v1/devices/${"x".repeat(300)}`, 414, "INVALID_REQUEST"],
  ])("%s %s is %i", async (method, path, status, reason) => {
    await using wires = await startWires([new FakeDevice()]);
    const response = await fetch(`${wires.baseUrl}${path}`, { method });
    expect(await answerOf(response)).toEqual({
      status,
      error: {
        code: status,
        status: expect.any(String),
        message: expect.stringMatching(/\.$/),
        details: [info(reason)],
      },
    });
    if (status === 405) expect(response.headers.get("allow")).toMatch(/^[A-Z]+(, [A-Z]+)*$/);
  });
});

describe("what no route serves, with a body", () => {
  it("is refused before the body is asked for", async () => {
    await using wires = await startWires([new FakeDevice()]);
    const head = "POST /v1/nothing HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    const answer = await sendRaw(
      wires.baseUrl,
      `${head}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n`,
      "]}}",
    );
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(errorOf(answer)).toMatchObject({ details: [info("ROUTE_NOT_FOUND")] });
  });
});

describe("a request that cannot be read", () => {
  it("is 413 when its body is too large, before the body is asked for", async () => {
    await using wires = await startWires([new FakeDevice()]);
    const head = `POST /v1/devices/card0:suspend HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${HTTP_BODY_BYTES_MAX + 1}\r\n`;
    const answer = await sendRaw(wires.baseUrl, `${head}Expect: 100-continue\r\n\r\n`, "]}}");
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(errorOf(answer)).toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      message: "The body of the request is larger than 1 MiB.",
      details: [info("LIMIT_EXCEEDED", { limit: String(HTTP_BODY_BYTES_MAX) })],
    });
  });

  it("is 413 when its body turns out to be too large, and its sender is told", async () => {
    await using wires = await startWires([new FakeDevice()]);
    const body = ReadableStream.from(Array.from({ length: 40 }, () => new Uint8Array(65536)));
    const init = { method: "POST", body, duplex: "half" } as const;
    const response = await fetch(`${wires.baseUrl}/v1/devices/card0:suspend`, init);
    expect(await answerOf(response)).toMatchObject({
      status: 413,
      error: { details: [info("LIMIT_EXCEEDED")] },
    });
  });

  it("gets 100 Continue for a body that is not too large", async () => {
    await using wires = await startWires([new FakeDevice()]);
    const upload = request(`${wires.baseUrl}/v1/devices/card0:suspend`, {
      method: "POST",
      headers: { expect: "100-continue", "content-length": 2 },
    });
    upload.flushHeaders();
    await once(upload, "continue");
    upload.end("{}");
    const [response] = await once(upload, "response");
    expect(response.statusCode).toBe(200);
    response.resume();
  });

  it.each([
    ["GARBAGE\r\n\r\n", 400],
    [`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(100_000)}\r\n\r\n`, 431],
    ["GET /v1/devices HTTP/1.1\r\nConnection: close\r\n\r\n", 400],
    ["GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n", 400],
    [
      "GET /v1/devices/card0/objects?filter=label%3D%ff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
      400,
    ],
    [
      "GET /v1/devices/card0/objects?filter=label%3D100% HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
      400,
    ],
    ["GET /%%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 400],
    ["GET /v1/devices/%E0%A4%A HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 400],
    [
      "POST /v1/devices/card0:suspend HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 200-ok\r\n\r\n",
      417,
    ],
  ])("%j has the shape of every other error", async (text, status) => {
    await using wires = await startWires([new FakeDevice()]);
    const answer = await sendRaw(wires.baseUrl, text);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(errorOf(answer)).toMatchObject({ code: status, details: [info("INVALID_REQUEST")] });
  });

  it("HEAD is answered without a body, also where it cannot be read", async () => {
    await using wires = await startWires([new FakeDevice()]);
    const text = `HEAD /${"x".repeat(100_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const answer = await sendRaw(wires.baseUrl, text);
    expect(answer).toMatch(/^HTTP\/1\.1 431 .*\r\n\r\n$/s);
  });
});

describe("a failure of the device", () => {
  it("is passed on, with RetryInfo when it is passing", async () => {
    const device = new FakeDevice();
    await using wires = await startWires([device]);
    device.failures.set(
      "getDevice",
      new DeviceError("DEVICE_TRANSITION", "Suspending.", { transition: "3" }),
    );
    const response = await fetch(`${wires.baseUrl}/v1/devices/card0`);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await answerOf(response)).toEqual({
      status: 503,
      error: {
        code: 503,
        status: "UNAVAILABLE",
        message: "Suspending.",
        details: [
          info("DEVICE_TRANSITION", { transition: "devices/card0/transitions/3" }),
          { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "0.25s" },
        ],
      },
    });
  });

  it("in the middle of content cuts the download off, whose length was promised", async () => {
    const device = new FakeDevice();
    await using wires = await startWires([device]);
    const object = { sizeBytes: 2 ** 20, regions: [], flags: [], alignmentBytes: 0, label: "" };
    const { id } = await device.execute({ type: "createObject", ...object });
    device.gate = async (command) => {
      if (command.type === "readObject" && command.offsetBytes > 0) {
        throw new DeviceError("CONTENT_UNKNOWN", "Nobody can vouch for it.");
      }
    };
    const response = await fetch(`${wires.baseUrl}/v1/devices/card0/objects/${id}/content`);
    expect(response.headers.get("content-length")).toBe(String(2 ** 20));
    await expect(response.arrayBuffer()).rejects.toThrow();
  });

  it("that nobody foresaw is INTERNAL, and is in the log with its stack", async () => {
    const device = new FakeDevice();
    await using wires = await startWires([device]);
    device.failures.set("getDevice", new TypeError("x is undefined"));
    const response = await fetch(`${wires.baseUrl}/v1/devices/card0`);
    expect(await answerOf(response)).toMatchObject({ status: 500, error: { details: [info("INTERNAL")] } });
    const line = wires.log.find(({ level }) => level === 50);
    expect(line).toMatchObject({ err: { stack: expect.stringContaining("http.test.ts") } });
  });
});

describe("the daemon's own routes", () => {
  it("say alive, ready and what there is", async () => {
    let ready = false;
    await using wires = await startWires([new FakeDevice()], {
      isReady: () => ready,
      metrics: async (accept) => ({ contentType: "text/plain; version=0.0.4", body: `# ${accept}\n` }),
    });
    const statusOf = async (path: string) => (await fetch(`${wires.baseUrl}${path}`)).status;
    expect(await statusOf("/livez")).toBe(200);
    expect(await statusOf("/readyz")).toBe(503);
    ready = true;
    expect(await statusOf("/readyz")).toBe(200);
    expect(await statusOf("/healthz")).toBe(200);
    const metrics = await fetch(`${wires.baseUrl}/metrics`, { headers: { accept: "a/b" } });
    expect(metrics.headers.get("content-type")).toBe("text/plain; version=0.0.4");
    expect(await metrics.text()).toBe("# a/b\n");
    const document = await (await fetch(`${wires.baseUrl}/openapi.json`)).json();
    expect(await (await fetch(`${wires.baseUrl}/docs/json`)).json()).toEqual(document);
    expect(document).toMatchObject({ openapi: "3.1.0", info: { version: "0.0.0-test" } });
  });

  it("call fields in the OpenAPI document as REST does, in prose too", async () => {
    await using wires = await startWires([new FakeDevice()]);
    const document = await (await fetch(`${wires.baseUrl}/openapi.json`)).text();
    expect(document).toContain("with holdDuringTransition");
    const fields = [...REGISTRY].flatMap((desc) => (desc.kind === "message" ? desc.fields : []));
    const named = fields.filter(({ name }) => new RegExp(`\\b${name}\\b`).test(document));
    expect(named.filter(({ name }) => name.includes("_")).map(String)).toEqual([]);
  });

  it("show the documentation without the network", async () => {
    await using wires = await startWires([new FakeDevice()]);
    const page = await (await fetch(`${wires.baseUrl}/docs`)).text();
    expect(page).toContain("<title>Torpor</title>");
    const shown = await (await fetch(`${wires.baseUrl}/docs/json`)).json();
    expect(shown).toMatchObject({ info: { version: "0.0.0-test" } });
    const scripts = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = ""]) => path);
    expect(scripts.length).toBeGreaterThan(2);
    for (const path of scripts) {
      const url = new URL(path, `${wires.baseUrl}/docs`);
      expect(url.origin).toBe(wires.baseUrl);
      expect((await fetch(url)).status, path).toBe(200);
    }
  });
});

describe("the observer", () => {
  it("is told of each request by its route", async () => {
    await using wires = await startWires([new FakeDevice()]);
    await fetch(`${wires.baseUrl}/v1/devices/card0`);
    await fetch(`${wires.baseUrl}/v1/devices/card0:suspend`, { method: "POST" });
    await fetch(`${wires.baseUrl}/nothing/here`);
    await expect.poll(() => wires.requests).toHaveLength(3);
    const seconds = expect.any(Number);
    expect(wires.requests).toEqual([
      { route: "/v1/devices/{device}", method: "GET", status: 200, seconds },
      { route: "/v1/devices/{device}:suspend", method: "POST", status: 200, seconds },
      { route: "unknown", method: "GET", status: 404, seconds },
    ]);
  });
});

describe("starting", () => {
  it("uses nothing of its libraries that is on the way out", async () => {
    const warnings: string[] = [];
    const onWarning = ({ name, message }: Error) => void warnings.push(`${name}: ${message}`);
    process.on("warning", onWarning);
    await using _wires = await startWires([new FakeDevice()]);
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
  });
});

describe("shutting down", () => {
  it("lets the running request finish", async () => {
    const device = new FakeDevice();
    const wires: Wires = await startWires([device]);
    const release = Promise.withResolvers<void>();
    device.gate = () => release.promise;
    const running = fetch(`${wires.baseUrl}/v1/devices/card0`);
    await expect.poll(() => device.commands).toHaveLength(1);
    const closed = wires.app.close();
    release.resolve();
    const { status, headers } = await running;
    expect({ status, connection: headers.get("connection") }).toEqual({ status: 200, connection: "close" });
    await closed;
    await wires[Symbol.asyncDispose]();
  });
});

describe("the types of events", () => {
  it("may be said by number as well as by name, if there is such a type", async () => {
    await using wires = await startWires([new FakeDevice()]);
    const gone = new AbortController();
    const statusOf = async (query: string) =>
      (await fetch(`${wires.baseUrl}/v1/events?${query}`, { signal: gone.signal })).status;
    expect(await statusOf("types=2")).toBe(200);
    expect(await statusOf("types=2&types=DEVICE_CHANGED")).toBe(200);
    expect(await statusOf("types=12345")).toBe(400);
    gone.abort();
  });
});

describe("events after a cut", () => {
  it("are refused after an afterSequence that is gone", async () => {
    await using wires = await startWires([new FakeDevice()]);
    for (const name of ["afterSequence", "after_sequence"]) {
      const response = await fetch(`${wires.baseUrl}/v1/events?${name}=5`);
      expect(await response.json()).toMatchObject({
        error: { message: expect.stringContaining("after sequence 5"), details: [info("EVENTS_EXPIRED")] },
      });
    }
  });

  it("begin anew after a Last-Event-ID that is gone, whatever the URL says, and say so first", async () => {
    await using wires = await startWires([new FakeDevice()]);
    for (const query of ["", "?afterSequence=5", "?after_sequence=5&types=DEVICE_CHANGED"]) {
      const [first, second] = await firstEvents(`${wires.baseUrl}/v1/events${query}`, "7");
      expect(first, query).toMatchObject({
        type: "STREAM_RESTARTED",
        streamRestarted: { afterSequence: "7" },
      });
      expect(second, query).toMatchObject({ type: "DEVICE_CHANGED", device: "devices/card0", sequence: "0" });
    }
  });

  it("go on after a Last-Event-ID that is kept, without a restart", async () => {
    await using wires = await startWires([new FakeDevice()]);
    const events = await firstEvents(`${wires.baseUrl}/v1/events?types=FAILPOINT_HIT`, undefined, 1);
    const [bookmark] = events;
    expect(bookmark).toMatchObject({ type: "BOOKMARK" });
    const again = await firstEvents(`${wires.baseUrl}/v1/events`, String(bookmark?.sequence), 1);
    expect(again).toMatchObject([{ type: "BOOKMARK", sequence: bookmark?.sequence }]);
  });
});

/** The first events of a stream, which is cut then. */
async function firstEvents(url: string, lastEventId: string | undefined, count = 2) {
  const gone = new AbortController();
  const headers = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
  const answer = await fetch(url, { headers, signal: gone.signal });
  expect(answer.status).toBe(200);
  assert(answer.body !== null);
  let text = "";
  for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const events = text.match(/^data: .*(?=\n\n)/gm) ?? [];
    if (events.length < count) continue;
    gone.abort();
    return events.slice(0, count).map((line): Record<string, unknown> => JSON.parse(line.slice(6)));
  }
  return assert.fail("the stream ended early");
}
