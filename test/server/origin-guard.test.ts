import { describe, expect, it } from "vitest";
import { hostnameOf } from "../../src/server/http/origin-guard.ts";
import { FakeDevice } from "../support/fake-device.ts";
import { errorOf, sendRaw } from "../support/raw-http.ts";
import { startWires } from "../support/wires.ts";

/** The status of a GET with these headers, and the reason when it was refused. */
async function get(headers: Record<string, string>, allowedHosts: string[] = []) {
  await using wires = await startWires([new FakeDevice()], { allowedHosts });
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const answer = await sendRaw(
    wires.baseUrl,
    `GET /livez HTTP/1.1\r\n${lines.join("")}Connection: close\r\n\r\n`,
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
    [{ Host: "localhost", Origin: "http://localhost:8585" }],
    [{ Host: "localhost", Origin: "http://127.0.0.1:3000" }],
    [{ Host: "localhost", "Sec-Fetch-Site": "same-origin" }],
    [{ Host: "localhost", "Sec-Fetch-Site": "none" }],
    [{ Host: "torpor.internal:8585" }],
    [{ Host: "torpor.internal", Origin: "https://torpor.internal" }],
  ])("%j passes", async (headers) => {
    expect(await get(headers, ["torpor.internal"])).toEqual({ status: 200 });
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
    [{ Host: "localhost", "Sec-Fetch-Site": "cross-site" }, 403],
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
