/** `verify` of runtime PM: checksums over D3cold. */
import { describe, expect, test } from "vitest";
import type { TransitionKind } from "../../../src/device/mod.ts";
import { bootFaulty, ERROR_ONCE } from "../../support/faulty-device.ts";
import {
  bootVirtual,
  hashOf,
  MIB,
  patternOf,
  reasonOf,
  type VirtualDevice,
} from "../../support/test-device.ts";

const HOT = { enabled: true, autosuspendDelayMs: 1000, d3coldThresholdBytes: 0 };
const COLD = { ...HOT, d3coldThresholdBytes: 16 * MIB };

describe("verify of D3cold", () => {
  test("compares every object after waking, and the next sleep compares anew", async () => {
    const gpu = await bootVirtual({ runtimePm: { ...COLD, verify: true } });
    const object = await gpu.upload(patternOf(3, MIB));
    for (let round = 0; round < 2; round++) {
      await gpu.clock.advance(3000);
      expect((await gpu.execute({ type: "getDevice" })).dState).toBe("D3COLD");
      expect(hashOf(await gpu.download(object))).toBe(hashOf(patternOf(3, MIB)));
    }
    expect(await phasesOfNewest(gpu, "RUNTIME_RESUME")).toContain("verify");
  });

  test("takes no checksums for D3hot, which moves nothing, and none when it is off", async () => {
    for (const runtimePm of [{ ...HOT, verify: true }, COLD]) {
      const gpu = await bootVirtual({ runtimePm });
      const object = await gpu.upload(patternOf(3, MIB));
      await gpu.clock.advance(3000);
      await gpu.download(object);
      expect(await phasesOfNewest(gpu, "RUNTIME_RESUME")).not.toContain("verify");
    }
  });

  test("gives up an object of which a bit changed, tells the call that woke the device, and loses nothing else", async () => {
    const gpu = await bootVirtual({ runtimePm: { ...COLD, verify: true } });
    const damaged = await gpu.upload(patternOf(1, MIB));
    const whole = await gpu.upload(patternOf(2, MIB));
    await gpu.clock.advance(3000);
    const { memory } = gpu.device;
    const [extent] = memory.system.extents(memory.table.resource[memory.findObject(damaged)]);
    memory.system.bank.bytes[extent.offsetBytes + 4321] ^= 1;
    await expect(gpu.download(whole)).rejects.toMatchObject({
      reason: "CHECKSUM_MISMATCH",
      metadata: { objects: damaged },
    });
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("FAILED");
    expect((await gpu.execute({ type: "resume" })).state).toBe("SUCCEEDED");
    expect(hashOf(await gpu.download(whole))).toBe(hashOf(patternOf(2, MIB)));
    expect(await reasonOf(gpu.download(damaged))).toBe("CONTENT_UNKNOWN");
    gpu.device.checkInvariants();
    await gpu.clock.advance(3000);
    expect(hashOf(await gpu.download(whole))).toBe(hashOf(patternOf(2, MIB)));
  });

  test("is kept by a device that could not be woken: Resume compares", async () => {
    const { gpu, failpoints } = await bootFaulty({ runtimePm: { ...COLD, verify: true } });
    const object = await gpu.upload(patternOf(1, MIB));
    await gpu.clock.advance(3000);
    failpoints.arm("powerOn.before", ERROR_ONCE);
    expect(await reasonOf(gpu.download(object))).toBe("COPY_FAILED");
    const { memory } = gpu.device;
    const [extent] = memory.system.extents(memory.table.resource[memory.findObject(object)]);
    memory.system.bank.bytes[extent.offsetBytes] ^= 1;
    expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("CHECKSUM_MISMATCH");
  });
});

async function phasesOfNewest(gpu: VirtualDevice, kind: TransitionKind): Promise<readonly string[]> {
  const { transitions } = await gpu.execute({ type: "listTransitions", beforeId: "", limit: 100 });
  return (transitions.find((each) => each.kind === kind)?.phases ?? []).map(({ phase }) => phase);
}
