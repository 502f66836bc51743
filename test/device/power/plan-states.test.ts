/** Plans for each sleep state, held to what the suspend then does. */
import { describe, expect, test } from "vitest";
import { DeviceError } from "../../../src/device/mod.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
import { bootVirtual, MIB, patternOf, reasonOf } from "../../support/test-device.ts";

const ASKED = [{ state: "S2IDLE" }, { state: "S3" }, { state: "S3", hybrid: true }, { state: "S4" }] as const;

describe.each(ASKED)("a plan for %o", (asked) => {
  test.each([false, true])(
    "is feasible where that suspend succeeds, and only there (store full: %s)",
    async (full) => {
      const images = new MemoryImageStore();
      if (full) {
        images.requireRoom = () => Promise.reject(new DeviceError("IMAGE_STORE_FULL", "The store is full."));
      }
      const gpu = await bootVirtual({ images });
      await gpu.upload(patternOf(1, MIB), { regions: ["lmem0"] });
      await gpu.upload(patternOf(2, MIB));
      const plan = await gpu.execute({ type: "planSuspend", ...asked, verify: true });
      const reason = await reasonOf(
        gpu.execute({ type: "suspend", ...asked, verify: true, validateOnly: true }),
      );
      expect(plan.blockers.map((blocker) => blocker.reason)).toEqual(reason === "none" ? [] : [reason]);
      expect(plan.feasible).toBe(
        !full || asked.state === "S2IDLE" || (asked.state === "S3" && !("hybrid" in asked)),
      );
      if (!plan.feasible) return;
      const suspended = await gpu.execute({ type: "suspend", ...asked });
      expect(suspended).toMatchObject({ state: "SUCCEEDED", evictedBytes: plan.evict.bytes });
    },
  );
});

test("a plan is refused as the suspend is", async () => {
  const gpu = await bootVirtual();
  expect(await reasonOf(gpu.execute({ type: "planSuspend", state: "S4" }))).toBe("IMAGE_STORE_MISSING");
  expect(await reasonOf(gpu.execute({ type: "planSuspend", state: "S4", hybrid: true }))).toBe(
    "INVALID_REQUEST",
  );
});
