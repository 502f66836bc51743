/** JSON that protobuf cannot say, refused in sentences of ours and not of the library. */
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

describe("a request", () => {
  it.each([
    [
      "POST",
      "/v1/devices/card0/objects:batchCreate",
      '{"count":2147483648}',
      "Field count (2147483648) is not within -2147483648 to 2147483647.",
    ],
    [
      "POST",
      "/v1/devices/card0:suspend",
      '{"wait":"999999999999s"}',
      'Field wait ("999999999999s") is not a length of time such as "1.5s".',
    ],
    [
      "POST",
      "/v1/devices/card0:suspend",
      '{"wait":"86400.5s"}',
      "Field wait (86400.5s) is not within 0s to 86400s.",
    ],
    [
      "POST",
      "/v1/devices/card0/contexts/1:submit",
      '{"commands":[{"fill":{},"copy":{}}]}',
      "Of commands[0].fill and commands[0].copy only one can be given.",
    ],
    [
      "PATCH",
      "/v1/devices/card0/runtimePm?updateMask=autosuspend_delay",
      "{}",
      'Field updateMask ("autosuspend_delay") is not a list of fields in lowerCamelCase, such as "enabled,autosuspendDelay".',
    ],
    [
      "PUT",
      "/v1/failpoints/evict.before",
      '{"probability":"half"}',
      'Field probability ("half") is not a finite number.',
    ],
    [
      "PUT",
      "/v1/failpoints/evict.before",
      '{"probability":1e999}',
      "Field probability (Infinity) is not a finite number.",
    ],
  ])("of %s %s that is %s is refused in our own words", async (method, path, body, message) => {
    const response = await fetch(`${wires.baseUrl}${path}`, { method, body });
    expect({ status: response.status, body: await response.json() }).toMatchObject({
      status: 400,
      body: {
        error: { message, details: [{ reason: "INVALID_REQUEST", metadata: { field: expect.any(String) } }] },
      },
    });
    expect(device.commands).toHaveLength(0);
  });
});
