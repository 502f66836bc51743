import { expect, test } from "vitest";
import { bootThreaded, hashOf, MIB, patternOf } from "../../support/test-device.ts";

test("brakes on copies let a slow suspend be rehearsed, and change no byte", async () => {
  const gpu = await bootThreaded({ rateLimits: { blitter: 40 * MIB, memcpy: 40 * MIB } });
  const id = await gpu.upload(patternOf(1, 4 * MIB));
  await gpu.execute({ type: "pinObject", object: id });
  const suspended = await gpu.execute({ type: "suspend", state: "S3" });
  // Not how fast the machine is: how long it was told to take at the least.
  const backup = suspended.phases.find((phase) => phase.phase === "evict_pinned");
  expect(Number(backup?.durationNs) / 1e6).toBeGreaterThan(80);
  await gpu.execute({ type: "resume" });
  expect(hashOf(await gpu.download(id))).toBe(hashOf(patternOf(1, 4 * MIB)));
  await gpu.device.close();
});

test("a braked engine still halts when it is asked to", async () => {
  const gpu = await bootThreaded({ rateLimits: { blitter: MIB } });
  await gpu.upload(patternOf(1, 4 * MIB));
  const { id } = await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
  const cancelled = await gpu.execute({ type: "resetDevice", scope: "FACTORY" });
  expect(cancelled.powerState).toBe("ACTIVE");
  expect((await gpu.execute({ type: "getTransition", transition: id })).state).not.toBe("RUNNING");
  await gpu.device.close();
});

test("a large copy is shared by all copy engines, byte for byte", async () => {
  const gpu = await bootThreaded({
    lmem: [{ sizeBytes: 64 * MIB }],
    smem: { sizeBytes: 128 * MIB },
    engines: ["bcs0", "bcs1", "bcs2"],
  });
  const id = await gpu.upload(patternOf(7, 33 * MIB));
  await gpu.execute({ type: "evictRegion", region: "lmem0" });
  expect(hashOf(await gpu.download(id))).toBe(hashOf(patternOf(7, 33 * MIB)));
  const engines = await gpu.execute({ type: "listEngines" });
  expect(engines.every((engine) => engine.busyNs > 0n)).toBe(true);
  await gpu.device.close();
});
