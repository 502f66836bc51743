/** Transitions of devices under faults: into each kind of sleep and back, each to its end, and what must hold then. */
import { expect } from "vitest";
import type { Command, TransitionResource } from "../../src/device/mod.ts";
import { remainingBackups } from "../../src/device/power/restore.ts";
import type { StrainedDevice } from "./fault-shapes.ts";
import { hashOf, reasonOf } from "./test-device.ts";
import { expectRulesKept } from "./transition-rules.ts";

/** What a device suspends to. D3COLD it enters by itself, when nobody uses it (runtime PM). */
export type Sleep = "S2IDLE" | "S3" | "S4" | "D3COLD";
export const SLEEPS = ["S2IDLE", "S3", "S4", "D3COLD"] as const satisfies readonly Sleep[];
export type Direction = "suspend" | "resume";

/** Longer than every hang, watchdog and wait of one transition together. Virtual time. */
const TRANSITION_MAX_NS = 200_000_000_000n;
const AUTOSUSPEND_DELAY_MS = 100;
/** A process that is to die in a transition does so in this, twice over. */
const DEATH_MAX_MS = 10_000;
/** A device that may suspend itself has begun to after this. */
const AUTOSUSPEND_BEGINS_MS = 2 * AUTOSUSPEND_DELAY_MS;

/** Runs a transition to its end, which comes in time. Answers how it ended. */
export async function transit(
  device: StrainedDevice,
  direction: Direction,
  state: Sleep,
): Promise<TransitionResource> {
  const { gpu } = device;
  const startNs = gpu.clock.monotonicNs();
  if (direction === "resume") await resume(device);
  else if (state === "D3COLD") await fallAsleep(device);
  else await gpu.execute({ type: "suspend", state, verify: true }).catch(() => {});
  const tookNs = gpu.clock.monotonicNs() - startNs;
  expect(tookNs < TRANSITION_MAX_NS, `the ${direction} took ${tookNs} ns`).toBe(true);
  return latest(device);
}

/** Runs a transition until the process dies in it, which it does. Who waits for the device waits for nothing. */
export async function dieIn(device: StrainedDevice, direction: Direction, state: Sleep): Promise<void> {
  const { gpu, images } = device;
  if (direction === "resume") await wake(device);
  else if (state === "D3COLD") await beginAutosuspend(device);
  else await gpu.execute({ type: "suspend", state, verify: true }).catch(() => {});
  for (let stepMs = 1; !images.dead && stepMs < DEATH_MAX_MS; stepMs *= 2) await gpu.clock.advance(stepMs);
  expect(images.dead, "the process died").toBe(true);
}

/** Starts a suspend and cancels it, if that is still possible when `delayMs` have passed. */
export async function cancelAfter(device: StrainedDevice, state: Sleep, delayMs: number): Promise<void> {
  const { gpu } = device;
  if (state === "D3COLD") {
    await beginAutosuspend(device);
    await gpu.clock.advance(delayMs);
    await resume(device);
  } else {
    const { id } = await gpu.execute({ type: "suspend", state, waitMs: 0 });
    await gpu.clock.advance(delayMs);
    const cancel = await reasonOf(gpu.execute({ type: "cancelTransition", transition: id }));
    if (cancel !== "none") {
      expect(cancel).toBe("TRANSITION_NOT_CANCELLABLE");
      await gpu.clock.advance(5_000);
    }
  }
  expect((await latest(device)).state).not.toBe("RUNNING");
}

/** Whether a resume is what comes next: of a device that was suspended, that failed, or that sleeps by itself. */
export async function isAsleep({ gpu }: StrainedDevice): Promise<boolean> {
  const { powerState, dState } = await gpu.execute({ type: "getDevice" });
  return powerState !== "ACTIVE" || dState !== "D0";
}

export async function backupsOf({ gpu }: StrainedDevice): Promise<number> {
  return (await gpu.clock.run(remainingBackups(gpu.device, 0))).count;
}

/** The device is in use, and holds every byte. */
export async function expectWhole(device: StrainedDevice): Promise<void> {
  const { gpu, hashes, images } = device;
  expect(await gpu.execute({ type: "getDevice" })).toMatchObject({
    powerState: "ACTIVE",
    dState: "D0",
    image: "",
  });
  expect(await backupsOf(device)).toBe(0);
  expect([...images.idsOf("PARTIAL"), ...images.idsOf("SEALED")]).toEqual([]);
  gpu.device.checkInvariants();
  for (const [id, hash] of hashes) expect(hashOf(await gpu.download(id)), `object ${id}`).toBe(hash);
  gpu.device.checkInvariants();
  await expectRulesKept(device);
}

/** The device is ACTIVE again by itself, with every byte, and its GT runs. */
export async function expectRecovered(device: StrainedDevice): Promise<void> {
  device.failpoints.reset();
  expect((await device.gpu.execute({ type: "getDevice" })).wedged).toBe(false);
  await expectWhole(device);
}

/** The device is brought to ACTIVE, with every byte. */
export async function expectResumed(device: StrainedDevice, state: Sleep): Promise<void> {
  device.failpoints.reset();
  expect(await transit(device, "resume", state)).toMatchObject({ state: "SUCCEEDED" });
  await expectWhole(device);
}

/** A suspend and a resume, as if nothing had been. */
export async function expectCycle(device: StrainedDevice, state: Sleep): Promise<void> {
  expect(await transit(device, "suspend", state)).toMatchObject({ state: "SUCCEEDED", wedged: false });
  expect(await isAsleep(device)).toBe(true);
  expect(await transit(device, "resume", state)).toMatchObject({ state: "SUCCEEDED", wedged: false });
  await expectWhole(device);
}

/** What a resume found not to be what it was is named by it, given up, and read by nobody. Forgets its hashes. */
export async function forgetGivenUp(device: StrainedDevice, resumed: TransitionResource): Promise<number> {
  const list = { type: "listObjects", afterId: "", limit: 1000, showDeviceOwned: false } as const;
  const { objects } = await device.gpu.execute(list);
  const unknown = objects.filter((object) => object.state === "UNKNOWN").map(({ id }) => id);
  expect(resumed.error).toMatchObject({
    reason: "CHECKSUM_MISMATCH",
    message: expect.stringContaining(`${unknown.length} objects do not have`),
  });
  expect(resumed.error?.message).toContain(`given up: ${unknown.join(", ")}.`);
  for (const id of unknown) device.hashes.delete(id);
  return unknown.length;
}

async function latest({ gpu }: StrainedDevice): Promise<TransitionResource> {
  const { transition } = await gpu.execute({ type: "getDevice" });
  return gpu.execute({ type: "getTransition", transition });
}

/** Wakes the device as it sleeps: one that suspended itself by using it, any other by a call. */
async function resume(device: StrainedDevice): Promise<void> {
  const { gpu } = device;
  // Who waits for a device to wake waits less long than the longest wake-up.
  if ((await wake(device)) === "by use") await untilEnded(device);
  const { dState } = await gpu.execute({ type: "getDevice" });
  // Of a device that could not be woken this would be the next attempt.
  if (dState === "D0") await gpu.execute({ type: "updateRuntimePm", enabled: false });
}

async function wake({ gpu, hashes }: StrainedDevice): Promise<"by use" | "by call"> {
  const { powerState } = await gpu.execute({ type: "getDevice" });
  if (powerState !== "ACTIVE") {
    await gpu.execute({ type: "resume" }).catch(() => {});
    return "by call";
  }
  const [object] = hashes.keys();
  const use: Command =
    object === undefined
      ? { type: "evictRegion", region: "lmem0", bytes: 0 }
      : { type: "readObject", object, offsetBytes: 0, lengthBytes: 4 };
  await gpu.execute(use).catch(() => {});
  return "by use";
}

/** Leaves the device alone until it has suspended itself, has failed to, or shows that it will not. */
async function fallAsleep(device: StrainedDevice): Promise<void> {
  await beginAutosuspend(device);
  await untilEnded(device);
  if (await isAsleep(device)) return;
  await device.gpu.execute({ type: "updateRuntimePm", enabled: false });
}

async function untilEnded(device: StrainedDevice): Promise<void> {
  const deadlineNs = device.gpu.clock.monotonicNs() + TRANSITION_MAX_NS;
  for (let stepMs = 1; (await latest(device)).state === "RUNNING"; stepMs *= 2) {
    expect(device.gpu.clock.monotonicNs() < deadlineNs, "a transition ends").toBe(true);
    await device.gpu.clock.advance(stepMs);
  }
}

async function beginAutosuspend({ gpu }: StrainedDevice): Promise<void> {
  const regions = await gpu.execute({ type: "listRegions" });
  const local = regions.filter(({ kind }) => kind === "LOCAL");
  await gpu.execute({
    type: "updateRuntimePm",
    enabled: true,
    autosuspendDelayMs: AUTOSUSPEND_DELAY_MS,
    d3coldThresholdBytes: local.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  });
  await gpu.clock.advance(AUTOSUSPEND_BEGINS_MS);
}
