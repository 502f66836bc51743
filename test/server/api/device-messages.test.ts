/** One message for a description that says the same, made anew when anything of it changes, on both wires alike. */
import { describe, expect, it } from "vitest";
import { deviceMessage } from "../../../src/server/api/device-messages.ts";
import { encodeDevice } from "../../../src/server/messages/encode.ts";
import { bootVirtual } from "../../support/test-device.ts";

describe("the message of a device", () => {
  it("is the same one until something changes, and then says what is", async () => {
    const gpu = await bootVirtual({});
    const told = () => gpu.execute({ type: "getDevice" });
    const seen = new Set<object>();
    for (const step of ["suspend", "resume", "suspend"] as const) {
      const before = await told();
      expect(await told()).toBe(before);
      const message = deviceMessage(before);
      expect(deviceMessage(await told())).toBe(message);
      expect(message).toEqual(encodeDevice(before));
      seen.add(message);
      await gpu.execute(step === "suspend" ? { type: "suspend", state: "S3" } : { type: "resume" });
      const after = await told();
      expect(after.etag).not.toBe(before.etag);
      expect(deviceMessage(after)).toEqual(encodeDevice(after));
    }
    expect(seen.size).toBe(3);
  });
});
