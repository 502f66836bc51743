import { expect, it } from "vitest";
import { Device } from "../../../src/contract/gen/torpor/v1/gpu.ts";
import { ListObjectsResponse } from "../../../src/contract/gen/torpor/v1/memory.ts";
import { Object as ObjectMessage } from "../../../src/contract/gen/torpor/v1/object.ts";
import { writeMessage } from "../../../src/server/messages/message-writer.ts";

const DEVICE = Device.fromPartial({ name: "devices/card0", model: "Torpor", engines: ["bcs0", "rcs0"] });

it("writes each message as a writer of its own would", () => {
  const object = ObjectMessage.fromPartial({ name: "devices/card0/objects/1", label: "ä".repeat(100) });
  const many = ListObjectsResponse.fromPartial({ objects: Array.from({ length: 1000 }, () => object) });
  const plain = Buffer.from(ListObjectsResponse.encode(many).finish());
  expect(writeMessage(Device, DEVICE)).toEqual(Buffer.from(Device.encode(DEVICE).finish()));
  expect(writeMessage(ListObjectsResponse, many).equals(plain)).toBe(true);
  expect(writeMessage(Device, DEVICE)).toEqual(Buffer.from(Device.encode(DEVICE).finish()));
});

it("leaves a message alone when the next one is written", () => {
  const first = writeMessage(Device, DEVICE);
  const before = Buffer.from(first);
  writeMessage(Device, { ...DEVICE, name: "devices/other", model: "x".repeat(1000) });
  expect(first).toEqual(before);
});

it("keeps nothing of a message that cannot be written", () => {
  expect(() => writeMessage(Device, { ...DEVICE, suspendCount: 2 ** 40 })).toThrow();
  expect(writeMessage(Device, DEVICE)).toEqual(Buffer.from(Device.encode(DEVICE).finish()));
});
