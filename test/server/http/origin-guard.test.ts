import { describe, expect, it } from "vitest";
import { hostnameOf } from "../../../src/server/http/origin-guard.ts";
import { FakeDevice } from "../../support/fake-device.ts";
import { errorOf, sendRaw } from "../../support/raw-http.ts";
import { startWires } from "../../support/wires.ts";

interface Get {
  /** @default "/v1/devices" */
  readonly path?: string;
  readonly allowedHosts?: string[];
  /** The address of this machine over which the request comes in. @default "127.0.0.1" */
  readonly via?: string;
}

/** The status of a GET with these headers, and the error when it was refused. */
async function get(headers: Record<string, string>, options: Get = {}) {
  const { path = "/v1/devices", allowedHosts = [], via = "127.0.0.1" } = options;
  const metrics = async () => ({ contentType: "text/plain", body: "" });
  await using wires = await startWires([new FakeDevice()], { allowedHosts, metrics, host: "0.0.0.0" });
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const answer = await sendRaw(
    wires.baseUrl.replace(/[\d.]+(?=:\d+$)/, via),
    `GET ${path} HTTP/1.1\r\n${lines.join("")}Connection: close\r\n\r\n`,
  );
  const status = Number(answer.split(" ")[1]);
  return status === 200 ? { status } : { status, error: errorOf(answer) };
}

describe("requests that a page could have made", () => {
  it.each([
    [{ Host: "localhost:8585" }],
    [{ Host: "LOCALHOST" }],
    [{ Host: "localhost." }],
    [{ Host: "127.0.0.1:1" }],
    [{ Host: "[::1]:8585" }],
    [{ Host: "localhost:8585", Origin: "http://localhost:8585" }],
    [{ Host: "LOCALHOST:80", Origin: "http://localhost" }],
    [{ Host: "[::1]:8585", Origin: "http://[::1]:8585" }],
    [{ Host: "localhost", "Sec-Fetch-Site": "same-origin" }],
    [{ Host: "localhost", "Sec-Fetch-Site": "none" }],
    [{ Host: "torpor.internal:8585" }],
    [{ Host: "torpor.internal", Origin: "http://torpor.internal" }],
    [
      {
        Host: "localhost",
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
      },
    ],
  ])("%j passes", async (headers) => {
    expect(await get(headers, { allowedHosts: ["torpor.internal"] })).toEqual({ status: 200 });
  });

  it.each([
    [{ Host: "evil.example" }, 421],
    [{ Host: "localhost.evil.example" }, 421],
    [{ Host: "10.1.2.3" }, 421],
    [{ Host: "localhost@evil.example" }, 421],
    [{ Host: "localhost", Origin: "http://evil.example" }, 403],
    [{ Host: "localhost", Origin: "http://localhost.evil.example" }, 403],
    [{ Host: "localhost", Origin: "null" }, 403],
    [{ Host: "localhost", Origin: "file://localhost" }, 403],
    [{ Host: "localhost:8585", Origin: "http://localhost:3000" }, 403],
    [{ Host: "localhost:8585", Origin: "http://localhost" }, 403],
    [{ Host: "localhost:8585", Origin: "https://localhost:8585" }, 403],
    [{ Host: "localhost:8585", Origin: "http://127.0.0.1:8585" }, 403],
    [{ Host: "localhost", "Sec-Fetch-Site": "cross-site" }, 403],
    [{ Host: "localhost", "Sec-Fetch-Site": "same-site" }, 403],
    [
      {
        Host: "localhost",
        "Sec-Fetch-Site": "same-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "iframe",
      },
      403,
    ],
  ])("%j is refused with %i", async (headers, status) => {
    expect(await get(headers)).toMatchObject({
      status,
      error: { code: status, status: "PERMISSION_DENIED", details: [{ reason: "PERMISSION_DENIED" }] },
    });
  });

  it("get no CORS headers", async () => {
    await using wires = await startWires([new FakeDevice()]);
    const response = await fetch(`${wires.baseUrl}/v1/devices`, { headers: { origin: wires.baseUrl } });
    const names = [...response.headers.keys()];
    expect(names.filter((name) => name.startsWith("access-control-"))).toEqual([]);
  });
});

describe("an origin that --cors-origin lists", () => {
  const origin = "http://dash.example:3000";
  const daemon = () => startWires([new FakeDevice()], { corsOrigins: [origin] });

  it("reads answers and errors", async () => {
    await using wires = await daemon();
    for (const path of ["/v1/devices", "/v1/devices/card9", "/no/such/path"]) {
      const { headers } = await fetch(`${wires.baseUrl}${path}`, { headers: { origin } });
      expect(headers.get("access-control-allow-origin"), path).toBe(origin);
      expect(headers.get("vary"), path).toBe("Origin");
      expect(headers.get("access-control-expose-headers"), path).toContain("location");
      expect(headers.get("access-control-allow-credentials"), path).toBeNull();
    }
  });

  it("gets its preflights answered without a token, and nothing happens", async () => {
    await using wires = await daemon();
    const answer = await fetch(`${wires.baseUrl}/v1/devices/card0:reset`, {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,idempotency-key",
        "access-control-request-private-network": "true",
      },
    });
    expect(answer.status).toBe(204);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "access-control-allow-origin": origin,
      "access-control-allow-private-network": "true",
      "access-control-allow-methods": expect.stringContaining("POST"),
      "access-control-allow-headers": expect.stringContaining("idempotency-key"),
    });
    expect(wires.calls).toEqual([]);
  });

  it("is exact: another port, scheme or host is refused, its preflight too", async () => {
    await using wires = await daemon();
    for (const other of ["http://dash.example", "https://dash.example:3000", "http://a.dash.example:3000"]) {
      const headers = { origin: other, "access-control-request-method": "POST" };
      for (const method of ["GET", "OPTIONS"]) {
        const answer = await fetch(`${wires.baseUrl}/v1/devices`, { method, headers });
        expect([answer.status, answer.headers.get("access-control-allow-origin")], other).toEqual([
          403,
          null,
        ]);
      }
    }
  });
});

describe("a request to an address of this machine", () => {
  const via = "127.0.0.2";
  const paths = ["/livez", "/readyz", "/healthz", "/metrics", "/v1/devices", "/openapi.json"];

  it.each(paths)("passes at %s when its Host is the address that it arrived on", async (path) => {
    expect(await get({ Host: `${via}:8585` }, { path, via })).toEqual({ status: 200 });
  });

  it.each([
    ["/livez", 200],
    ["/readyz", 200],
    ["/healthz", 200],
    ["/metrics", 421],
    ["/v1/devices", 421],
    ["/openapi.json", 421],
    ["/livez/x", 421],
  ])("%s is %i when its Host is another", async (path, status) => {
    for (const Host of ["127.0.0.3:8585", "torpor.internal"]) {
      expect(await get({ Host }, { path, via }), Host).toMatchObject({ status });
    }
  });

  it("is refused at a health route too when a page of another site makes it", async () => {
    const headers = { Host: "evil.example", Origin: "http://evil.example" };
    expect(await get(headers, { path: "/livez" })).toMatchObject({ status: 403 });
  });
});

describe("a host name", () => {
  it.each([
    ["a.b:1", "a.b"],
    ["A", "a"],
    ["[::1]", "::1"],
    ["[::1]:5", "::1"],
    ["::1", undefined],
    ["a b", undefined],
    ["", undefined],
    ["a:b", undefined],
  ])("of %j is %j", (host, expected) => expect(hostnameOf(host)).toBe(expected));
});
