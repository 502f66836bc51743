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

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // What the server answers is compared as it is.
  readonly json: Record<string, unknown>;
}

async function call(
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${wires.baseUrl}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, headers: response.headers, json: JSON.parse(await response.text()) };
}

function create(body: unknown): Promise<Answer> {
  return call("POST", "/v1/devices/card0/objects", JSON.stringify(body));
}

/** The one command that the device got. */
function command(): unknown {
  expect(device.commands).toHaveLength(1);
  return device.commands[0];
}

/** What a suspend is when a request says nothing. */
const PLAIN_SUSPEND = {
  type: "suspend",
  state: "S3",
  onIdleTimeout: "WEDGE",
  verify: false,
  hybrid: false,
  validateOnly: false,
};

describe("an answer", () => {
  it("has its defaults written, 64-bit integers as strings, enums by name, names of resources", async () => {
    await create({ size: 4096, label: "weights" });
    const { status, headers, json } = await call("POST", "/v1/devices/card0/objects/1:pin");
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect(json).toEqual({
      name: "devices/card0/objects/1",
      uid: "uid-1",
      size: "4096",
      label: "weights",
      flags: [],
      regions: [],
      region: "lmem0",
      state: "RESIDENT",
      extents: [{ offset: "0", length: "4096" }],
      pinCount: 1,
      active: false,
      evictable: false,
      hasBackup: false,
      madvise: "WILL_NEED",
      createTime: "2023-11-14T22:13:20.123456789Z",
      etag: "e2",
    });
  });

  it("is {} for a delete", async () => {
    const { json: object } = await create({ size: 1 });
    const { status, json } = await call("DELETE", `/v1/${object.name}`);
    expect({ status, json }).toEqual({ status: 200, json: {} });
  });

  it("carries checksums as a number and hexadecimal digits", async () => {
    const { json: object } = await create({ size: 3 });
    const { json } = await call("POST", `/v1/${object.name}:checksum`);
    expect(json).toEqual({
      crc32c: 0xffff_ffff,
      sha256: "709e80c88487a2411e1ee4dfb9f22a861492d20c4765150c0c794abd70f8147c",
      size: "3",
    });
  });

  it("is 202 with a Location for a transition that still runs", async () => {
    const { status, headers, json } = await call("POST", "/v1/devices/card0:suspend", '{"wait":"0s"}');
    expect(status).toBe(202);
    expect(json).toMatchObject({ state: "RUNNING", phases: [] });
    expect(json).not.toHaveProperty("endTime");
    expect(headers.get("location")).toBe(`/v1/${json.name}`);
    const found = await call("GET", headers.get("location") ?? "");
    expect(found.status).toBe(200);
    expect(found.json).toEqual(json);
  });

  it("is 200 for a transition that has ended, with its phases", async () => {
    const { status, json } = await call("POST", "/v1/devices/card0:resume");
    expect(status).toBe(200);
    expect(json).toMatchObject({
      kind: "RESUME",
      state: "SUCCEEDED",
      endTime: "1970-01-01T00:00:02.500Z",
      phases: [{ phase: "evict", duration: "1.500s", blitterBytes: "4096", skippedVolatile: 0 }],
    });
  });
});

describe("a body", () => {
  it("may be empty", async () => {
    await call("POST", "/v1/devices/card0:suspend");
    expect(command()).toEqual(PLAIN_SUSPEND);
  });

  it.each([
    "application/json",
    "application/x-www-form-urlencoded",
    "text/plain",
    "multipart/form-data; boundary=x",
  ])("is JSON even when its type is %s", async (type) => {
    await call("POST", "/v1/devices/card0:suspend", '{"state":"S2IDLE","idleTimeout":"1.5s"}', {
      "content-type": type,
    });
    expect(command()).toMatchObject({ state: "S2IDLE", idleTimeoutMs: 1500 });
  });

  it("may give 64-bit integers as strings or as numbers, and fields by their proto names", async () => {
    await create({ size: "9007199254740991", alignment: 65536, hold_during_transition: true });
    expect(command()).toMatchObject({
      sizeBytes: 9007199254740991,
      alignmentBytes: 65536,
      hold: "transition",
    });
  });

  it("may give enums by name and by number", async () => {
    await create({ size: 1, flags: ["CONTIGUOUS", 4] });
    expect(command()).toMatchObject({ flags: ["CONTIGUOUS", "VOLATILE"] });
  });

  it("may give null for a field that it does not set", async () => {
    await call("POST", "/v1/devices/card0:suspend", '{"wait":null,"state":null,"verify":null}');
    expect(command()).toEqual(PLAIN_SUSPEND);
  });

  it("may give null for those of a oneof that it does not choose", async () => {
    const commands = [
      { hang: {}, spin: null },
      { fill: null, hang: {} },
    ];
    await call("POST", "/v1/devices/card0/contexts/1:submit", JSON.stringify({ commands }));
    expect(command()).toMatchObject({ type: "submitWork", commands: [{ op: "hang" }, { op: "hang" }] });
  });

  it("tells an unset optional field from a zero", async () => {
    await call("POST", "/v1/devices/card0/regions/lmem0:evict", '{"bytes":"0"}');
    const evict = { type: "evictRegion", region: "lmem0", signal: expect.any(AbortSignal) };
    expect(command()).toEqual({ ...evict, bytes: 0 });
    device.commands.length = 0;
    await call("POST", "/v1/devices/card0/regions/lmem0:evict", "{}");
    expect(command()).toEqual(evict);
  });

  it("may repeat the name that the path gives, and no other", async () => {
    const same = await call("POST", "/v1/devices/card0:suspend", '{"name":"devices/card0"}');
    expect(same.status).toBe(200);
    const other = await call("POST", "/v1/devices/card0:suspend", '{"name":"devices/card1"}');
    expect(other.status).toBe(400);
    expect(device.commands).toHaveLength(1);
  });

  it.each(['{"name":""}', '{"name":null}'])("may leave the name to the path, as %s does", async (body) => {
    expect((await call("POST", "/v1/devices/card0:suspend", body)).status).toBe(200);
    expect(command()).toEqual(PLAIN_SUSPEND);
    expect((await call("PATCH", "/v1/devices/card0/runtimePm", body)).status).toBe(200);
  });

  it.each([
    ['{"size":1,"colour":"red"}', 'CreateObjectRequest has no field "colour".', "colour"],
    ['{"size":1,"__proto__":{}}', 'CreateObjectRequest has no field "__proto__".', "__proto__"],
    [
      '{"size":1,"hold_during_transition":true,"holdDuringTransition":true}',
      "Field holdDuringTransition is given twice.",
      "holdDuringTransition",
    ],
    [
      '{"size":9007199254740993}',
      "Field size is a number beyond 2^53-1, which JSON does not keep: write it as a string.",
      "size",
    ],
    ['{"size":1.5}', "Field size (1.5) is not an integer.", "size"],
    ['{"size":"1e3"}', 'Field size ("1e3") is not an integer.', "size"],
    ['{"size":"0x10"}', 'Field size ("0x10") is not an integer.', "size"],
    ['{"size":" 5"}', 'Field size (" 5") is not an integer.', "size"],
    ['{"size":""}', 'Field size ("") is not an integer.', "size"],
    ['{"size":true}', "Field size (true) is not an integer.", "size"],
    [
      '{"size":"9007199254740993"}',
      "Field size (9007199254740993) is outside the range of -(2^53-1) to 2^53-1.",
      "size",
    ],
    [
      '{"size":"9223372036854775808"}',
      "Field size (9223372036854775808) is not within -9223372036854775808 to 9223372036854775807.",
      "size",
    ],
    ['{"label":5}', "Field label (5) is not a string.", "label"],
    [
      '{"label":"a\\ud800"}',
      'Field label ("a\\ud800") has half of a character, which UTF-8 cannot say.',
      "label",
    ],
    ['{"regions":"lmem0"}', 'Field regions ("lmem0") is not a list.', "regions"],
    ['{"regions":[1]}', "Field regions[0] (1) is not a string.", "regions[0]"],
    [
      '{"flags":["SHINY"]}',
      'Field flags[0] ("SHINY") is not one of USER, KERNEL, CONTIGUOUS, VOLATILE, CPU_CLEAR, PM_EARLY, PM_VOLATILE, GPU_ONLY, CPU_ACCESS.',
      "flags[0]",
    ],
    [
      '{"flags":[77]}',
      "Field flags[0] (77) is not one of USER, KERNEL, CONTIGUOUS, VOLATILE, CPU_CLEAR, PM_EARLY, PM_VOLATILE, GPU_ONLY, CPU_ACCESS.",
      "flags[0]",
    ],
    [
      '{"holdDuringTransition":"true"}',
      'Field holdDuringTransition ("true") is not true or false.',
      "holdDuringTransition",
    ],
  ])("%s is refused with a sentence that names the field", async (body, message, field) => {
    const { status, json } = await call("POST", "/v1/devices/card0/objects", body);
    expect(status).toBe(400);
    expect(json).toEqual({
      error: {
        code: 400,
        status: "INVALID_ARGUMENT",
        message,
        details: [
          {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            reason: "INVALID_REQUEST",
            domain: "torpor",
            metadata: { field },
          },
        ],
      },
    });
    expect(device.commands).toHaveLength(0);
  });

  it.each([
    '{"wait":"5sec"}',
    '{"wait":"5"}',
    '{"wait":5}',
    '{"wait":"-1s"}',
    '{"wait":"86401s"}',
    '{"wait":"1.0000000001s"}',
    '{"idleTimeout":{"seconds":1}}',
  ])("%s is no length of time", async (body) => {
    const { status } = await call("POST", "/v1/devices/card0:suspend", body);
    expect(status).toBe(400);
    expect(device.commands).toHaveLength(0);
  });

  it.each(["[]", '"text"', "5", "null", "true"])("%s is not an object", async (body) => {
    const { status, json } = await call("POST", "/v1/devices/card0/objects", body);
    expect(status).toBe(400);
    expect(json).toMatchObject({ error: { message: "The body is not a JSON object." } });
  });

  it("that is not JSON is refused, and the connection goes on", async () => {
    const { status, headers, json } = await call("POST", "/v1/devices/card0/objects", "size=5");
    expect(status).toBe(400);
    expect(headers.get("connection")).not.toBe("close");
    expect(json).toMatchObject({ error: { message: expect.stringMatching(/^The body is not JSON: .*\.$/) } });
  });

  it("is refused where there is none", async () => {
    const { status } = await call("DELETE", "/v1/devices/card0/objects/1", '{"holdDuringTransition":true}');
    expect(status).toBe(400);
    expect(device.commands).toHaveLength(0);
  });
});

describe("a query", () => {
  it("gives the fields of a request without a body", async () => {
    const query = "pageSize=5&showDeviceOwned=true&filter=state%20%3D%20RESIDENT%20AND%20label%3D%22a%20b%22";
    await call("GET", `/v1/devices/card0/objects?${query}`);
    expect(command()).toEqual({
      type: "listObjects",
      afterId: "",
      limit: 5,
      showDeviceOwned: true,
      filter: { state: "RESIDENT", label: "a b" },
    });
  });

  it.each([
    "pageSize=x",
    "pageSize=1&pageSize=2",
    "pageSize=-1",
    "pageSize=99999999999",
    "colour=red",
    "__proto__=x",
    "__proto__=x&__proto__=y",
    "showDeviceOwned=yes",
    "filter=colour%3Dred",
    "filter=region",
    "filter=region%3Da%20OR%20region%3Db",
    "filter=label%3D%22a%22AND%20state%3DRESIDENT",
    "filter=label%3Da%20ANDstate%3DRESIDENT",
    "filter=label%3Da%20AND",
    "filter=state%3DSLEEPY",
    "pageToken=abc",
  ])("%s is refused", async (query) => {
    const { status, json } = await call("GET", `/v1/devices/card0/objects?${query}`);
    expect({ status, code: json.error }).toMatchObject({
      status: 400,
      code: { status: "INVALID_ARGUMENT" },
    });
    expect(device.commands).toHaveLength(0);
  });

  it("is refused beside a body", async () => {
    const { status, json } = await call("POST", "/v1/devices/card0:suspend?state=S3", "{}");
    expect(status).toBe(400);
    expect(json).toMatchObject({ error: { details: [{ metadata: { field: "state" } }] } });
  });
});

describe("a listing", () => {
  it("goes on where the page before ended, with a token for that listing only", async () => {
    for (let at = 0; at < 3; at++) await create({ size: 1 });
    const names: unknown[] = [];
    let token = "";
    do {
      const { json } = await call("GET", `/v1/devices/card0/objects?pageSize=2&pageToken=${token}`);
      const { objects, nextPageToken } = json as { objects: { name: string }[]; nextPageToken: string };
      names.push(...objects.map(({ name }) => name));
      token = nextPageToken;
      if (token === "") break;
      const elsewhere = await call(
        "GET",
        `/v1/devices/card0/objects?filter=region%3Dsmem&pageToken=${token}`,
      );
      expect(elsewhere.json).toMatchObject({ error: { details: [{ reason: "INVALID_PAGE_TOKEN" }] } });
    } while (names.length < 100);
    expect(names.length).toBeGreaterThanOrEqual(3);
    expect(new Set(names).size).toBe(names.length);
  });

  it("has at most 1000 entries, 100 when nothing is said", async () => {
    await call("GET", "/v1/devices/card0/transitions");
    await call("GET", "/v1/devices/card0/transitions?pageSize=100000");
    expect(device.commands).toMatchObject([{ limit: 100 }, { limit: 1000 }]);
  });
});
