/** What REST makes of a body by what its headers say of it. Content is in content.test.ts. */
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FakeDevice } from "../../support/fake-device.ts";
import { startWires, type Wires } from "../../support/wires.ts";

let device: FakeDevice;
let wires: Wires;

beforeAll(async () => {
  device = new FakeDevice();
  wires = await startWires([device]);
});
beforeEach(() => {
  device.commands.length = 0;
});
afterAll(() => wires[Symbol.asyncDispose]());

function call(method: string, path: string, init: RequestInit): Promise<Response> {
  return fetch(`${wires.baseUrl}/v1/devices/card0${path}`, { method, ...init });
}

describe("a body", () => {
  it.each(["json", "///", "a/b/c"])("is read although %s is no type", async (type) => {
    const body = '{"state":"S2IDLE"}';
    expect((await call("POST", ":suspend", { body, headers: { "content-type": type } })).status).toBe(200);
    expect(device.commands).toMatchObject([{ type: "suspend", state: "S2IDLE" }]);
  });

  it("may be none although a type is said, that is no type either", async () => {
    const { status } = await call("DELETE", "/objects/9", { headers: { "content-type": "json" } });
    expect(status).toBe(404);
  });

  it.each([
    [
      "compressed",
      { "content-encoding": "gzip" },
      gzipSync('{"size":1}'),
      415,
      /^Content encoding "gzip" is not/,
    ],
    ["no UTF-8", {}, Buffer.from('{"size":1,"label":"\xe9"}', "latin1"), 400, /^The body is not UTF-8/],
  ])("that is %s is refused in a sentence that says so", async (_what, headers, body, status, sentence) => {
    const answer = await call("POST", "/objects", { headers, body });
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ error: { message: expect.stringMatching(sentence) } });
    expect(device.commands).toEqual([]);
  });

  it.each(["", " \t\r\n", "\uFEFF", "\uFEFF\n"])(
    "that says nothing (%j) is an empty request",
    async (body) => {
      expect((await call("POST", ":resume", { body })).status).toBe(200);
      expect(device.commands).toMatchObject([{ type: "resume" }]);
    },
  );

  it("may begin with a byte order mark", async () => {
    expect((await call("POST", ":suspend", { body: '\uFEFF{"state":"S2IDLE"}' })).status).toBe(200);
    expect(device.commands).toMatchObject([{ type: "suspend", state: "S2IDLE" }]);
  });

  it.each([
    ['{"state":"S3","state":"S2IDLE"}', "state"],
    ['{"state":"S3", "st\\u0061te" :"S2IDLE"}', "state"],
    ['{"__proto__":1,"__proto__":2}', "__proto__"],
    ['{"a":[{"b":"\\\\"},{"b\\"":1,"b\\"":{}}]}', 'b"'],
    [`{"a":"${"\\n".repeat(400_000)}","a":1}`, "a"],
  ])("that says a key twice (case %#) is refused by the key", async (body, key) => {
    const answer = await call("POST", ":suspend", { body });
    expect(answer.status).toBe(400);
    const message = `Key ${JSON.stringify(key)} is given twice in the same object.`;
    expect(await answer.json()).toMatchObject({
      error: { message, details: [{ reason: "INVALID_REQUEST", metadata: { key } }] },
    });
    expect(device.commands).toEqual([]);
  });

  it("may say a key in several objects, and in texts as often as it likes", async () => {
    const label = '{"size":1,"size":2}\\';
    const body = JSON.stringify({ size: 4096, label, region: "lmem0", regions: [] });
    const answer = await call("POST", "/objects", { body });
    // The fake takes anything that can be read: only `region` is no field.
    expect(await answer.json()).toMatchObject({ error: { message: expect.stringContaining("no field") } });
    const commands = JSON.stringify({ commands: [{ fill: { object: "a" } }, { fill: { object: "b" } }] });
    const { error } = (await (await call("POST", "/contexts/1:submit", { body: commands })).json()) as {
      error?: { message: string };
    };
    expect(error?.message ?? "").not.toContain("twice");
  });

  it("may be said to be encoded as it is, in any case", async () => {
    const headers = { "content-encoding": "Identity" };
    expect((await call("POST", ":suspend", { body: "{}", headers })).status).toBe(200);
  });
});
