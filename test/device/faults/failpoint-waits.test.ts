/** Waits at failpoints: what ends them before their time. */
import { describe, expect, test } from "vitest";
import { FAILPOINT_PAUSE_MS } from "../../../src/device/limits.ts";
import { bootFaulty, ERROR_ONCE, type FaultyDevice } from "../../support/faulty-device.ts";
import { MIB, patternOf, reasonOf } from "../../support/test-device.ts";

const WAITS = [
  ["DELAY", { ...ERROR_ONCE, action: "DELAY", delayMs: 600_000 }],
  ["HANG", { ...ERROR_ONCE, action: "HANG" }],
  ["PAUSE", { ...ERROR_ONCE, action: "PAUSE" }],
] as const;

describe.each(WAITS)("a %s of a suspend", (_action, arming) => {
  test("ends when it is disarmed, and the suspend goes on", async () => {
    const { gpu, failpoints } = await waiting(arming);
    failpoints.disarm("evict.before");
    await gpu.clock.advance(500);
    expect(await stateOf(gpu)).toBe("SUCCEEDED");
  });

  test("ends when its transition is cancelled, at once", async () => {
    const { gpu, failpoints } = await waiting(arming);
    const startNs = gpu.clock.monotonicNs();
    await gpu.execute({ type: "cancelTransition", transition: "1" });
    expect(Number(gpu.clock.monotonicNs() - startNs) / 1e6).toBeLessThan(1000);
    expect(await stateOf(gpu)).toBe("CANCELLED");
    expect(failpoints.get("evict.before")).toMatchObject({ left: 0, hits: 1 });
    failpoints.disarm("evict.before");
    expect(failpoints.get("evict.before").left).toBeUndefined();
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("none");
  });
});

test("a PAUSE says where the device stands, outlasts a HANG, and goes on after half an hour", async () => {
  const { gpu } = await waiting({ ...ERROR_ONCE, action: "PAUSE" });
  const paused = await gpu.execute({ type: "getDevice" });
  expect(paused).toMatchObject({ pausedAt: "evict.before", powerState: "SUSPENDING" });
  await gpu.clock.advance(FAILPOINT_PAUSE_MS - 1000);
  expect(await stateOf(gpu)).toBe("RUNNING");
  await gpu.clock.advance(2000);
  expect(await stateOf(gpu)).toBe("SUCCEEDED");
  const gone = await gpu.execute({ type: "getDevice" });
  expect(gone.pausedAt).toBe("");
  expect(gone.etag).not.toBe(paused.etag);
});

async function waiting(arming: (typeof WAITS)[number][1]): Promise<FaultyDevice> {
  const faulty = await bootFaulty();
  await faulty.gpu.upload(patternOf(1, MIB));
  faulty.failpoints.arm("evict.before", arming);
  await faulty.gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
  await faulty.gpu.clock.advance(10);
  expect(await stateOf(faulty.gpu)).toBe("RUNNING");
  return faulty;
}

async function stateOf(gpu: FaultyDevice["gpu"]): Promise<string> {
  return (await gpu.execute({ type: "getTransition", transition: "1" })).state;
}
