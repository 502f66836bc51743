/** A device that is suspended goes deeper as it is: nobody wakes it, and no byte is lost whatever stops it. */
import { describe, expect, test } from "vitest";
import type { Suspend } from "../../../src/device/mod.ts";
import { ERROR_ONCE } from "../../support/faulty-device.ts";
import { boot, bootNext, expectState, populate } from "../../support/hibernation.ts";
import { bootVirtual, MIB, reasonOf, type VirtualDevice } from "../../support/test-device.ts";

const S2IDLE: Suspend = { type: "suspend", state: "S2IDLE" };
const S3: Suspend = { type: "suspend", state: "S3" };
const HYBRID: Suspend = { type: "suspend", state: "S3", hybrid: true };
const S4: Suspend = { type: "suspend", state: "S4" };
const SMEM = { sizeBytes: 16 * MIB };

describe("a device that is suspended", () => {
  test.each([
    ["from S2idle to S4", [S2IDLE, S4], [["image", "power_off"]]],
    ["from S3 to S4", [S3, S4], [["image", "power_off"]]],
    [
      "from S2idle to S3, hybrid sleep and S4, with one image",
      [S2IDLE, S3, HYBRID, S4],
      [["power_off"], ["image", "power_off"], ["power_off"]],
    ],
  ] as const)("goes %s, and comes back from the image", async (_what, [first, ...deeper], phases) => {
    const { gpu, images } = await boot({ smem: SMEM });
    const state = await populate(gpu);
    await gpu.execute(first);
    for (const [at, command] of deeper.entries()) {
      const deepened = await gpu.execute(command);
      expect(deepened).toMatchObject({ kind: "SUSPEND", state: "SUCCEEDED", sleepState: command.state });
      expect(deepened.phases.map(({ phase }) => phase)).toEqual(phases[at]);
      expect(await gpu.execute(command)).toMatchObject({ id: deepened.id, alreadyInState: true });
    }
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({
      powerState: "SUSPENDED",
      sleepState: "S4",
      dState: "D3COLD",
      suspendCount: deeper.length + 1,
    });
    expect(images.idsOf("SEALED")).toHaveLength(1);
    const { bank } = gpu.device.memory.system;
    await gpu.clock.run(gpu.device.rail.restored());
    for (const [, text] of state.markers) expect(Buffer.from(bank.bytes.buffer).includes(text)).toBe(false);
    const resumed = await gpu.execute({ type: "resume" });
    expect(resumed.phases[0].phase).toBe("image");
    await expectState(gpu, state);
  });

  test("comes back in another process from the S4 to which S3 was deepened", async () => {
    const { gpu, images } = await boot({ smem: SMEM });
    const state = await populate(gpu);
    await gpu.execute(S3);
    await gpu.execute(S4);
    const { suspendCount } = await gpu.execute({ type: "getDevice" });
    const { gpu: next } = await bootNext(images, { smem: SMEM });
    await next.execute({ type: "resume" });
    expect((await next.execute({ type: "getDevice" })).suspendCount).toBe(suspendCount);
    await expectState(next, state);
  });

  test("gives no number twice: a hybrid image was sealed before the transition to S4", async () => {
    const { gpu, images } = await boot({ smem: SMEM });
    await populate(gpu);
    await gpu.execute(HYBRID);
    const { id } = await gpu.execute(S4);
    const { gpu: next } = await bootNext(images, { smem: SMEM });
    const resumed = await next.execute({ type: "resume" });
    expect(Number(resumed.id)).toBeGreaterThan(Number(id));
  });

  test("keeps the checksums of its suspend, in this process and in the image", async () => {
    const { gpu, images } = await boot({ smem: SMEM });
    const state = await populate(gpu);
    await gpu.execute({ ...S3, verify: true });
    await gpu.execute({ ...S4, verify: true });
    const { gpu: next } = await bootNext(images, { smem: SMEM });
    const resumed = await next.execute({ type: "resume", verify: true });
    expect(resumed.phases.map(({ phase }) => phase)).toContain("verify");
    await expectState(next, state);
  });
});

test("what memory holds follows the power, and what is used stays", async () => {
  const { gpu } = await boot({ smem: SMEM });
  await populate(gpu);
  const awake = await gpu.execute({ type: "listRegions" });
  expect(awake.every(({ heldBytes, usedBytes }) => heldBytes === usedBytes)).toBe(true);
  await gpu.execute(S3);
  const held = async () => {
    const regions = await gpu.execute({ type: "listRegions" });
    return regions.map(({ kind, heldBytes, usedBytes }) => [kind, heldBytes > 0, usedBytes > 0]);
  };
  expect(await held()).toEqual([
    ["LOCAL", false, true],
    ["SYSTEM", true, true],
  ]);
  await gpu.execute(S4);
  expect(await held()).toEqual([
    ["LOCAL", false, true],
    ["SYSTEM", false, true],
  ]);
  await gpu.execute({ type: "resume" });
  const woken = await gpu.execute({ type: "listRegions" });
  expect(woken.every(({ heldBytes, usedBytes }) => heldBytes === usedBytes)).toBe(true);
});

describe("a deepening that fails", () => {
  test.each([
    ["image.seal", "FAILED"],
    ["powerOff.before", "FAILED"],
  ] as const)(
    "at %s leaves the device as it slept, with every byte and no image",
    async (failpoint, ended) => {
      const { gpu, images, failpoints } = await boot({ smem: SMEM });
      const state = await populate(gpu);
      const { id } = await gpu.execute(S3);
      failpoints.arm(failpoint, ERROR_ONCE);
      expect(await reasonOf(gpu.execute(S4))).toBe("COPY_FAILED");
      const [newest] = (await gpu.execute({ type: "listTransitions", beforeId: "", limit: 1 })).transitions;
      expect(newest).toMatchObject({ state: ended, recovered: true });
      await expectAsleepIn(gpu, "S3");
      expect(await gpu.execute(S3)).toMatchObject({ id, alreadyInState: true });
      expect(images.idsOf("SEALED")).toEqual([]);
      await gpu.execute(S4);
      await gpu.execute({ type: "resume" });
      await expectState(gpu, state);
    },
  );

  test("keeps the image of hybrid sleep", async () => {
    const { gpu, images, failpoints } = await boot({ smem: SMEM });
    const state = await populate(gpu);
    await gpu.execute(HYBRID);
    const sealed = images.idsOf("SEALED");
    failpoints.arm("powerOff.before", ERROR_ONCE);
    expect(await reasonOf(gpu.execute(S4))).toBe("COPY_FAILED");
    await expectAsleepIn(gpu, "S3");
    expect(images.idsOf("SEALED")).toEqual(sealed);
    const resumed = await gpu.execute({ type: "resume" });
    expect(resumed.phases[0].phase).toBe("power_on");
    await expectState(gpu, state);
  });

  test("because the image of hybrid sleep is another's leaves it asleep with every byte in memory", async () => {
    const { gpu, images } = await boot({ smem: SMEM });
    const state = await populate(gpu);
    await gpu.execute(HYBRID);
    const [image] = images.idsOf("SEALED");
    const { gpu: thief } = await boot({ images, smem: SMEM });
    await thief.execute({ type: "resume", image });
    expect(await reasonOf(gpu.execute(S4))).toBe("OWNERSHIP_LOST");
    await expectAsleepIn(gpu, "S3");
    const { bank } = gpu.device.memory.system;
    const found = [...state.markers.values()].filter((text) => Buffer.from(bank.bytes.buffer).includes(text));
    expect(found.length).toBeGreaterThan(10);
  });

  test("because it was cancelled leaves the device as it slept", async () => {
    const { gpu, images, failpoints } = await boot({ smem: SMEM });
    const state = await populate(gpu);
    await gpu.execute(S3);
    failpoints.arm("image.seal", { ...ERROR_ONCE, action: "HANG" });
    const { id } = await gpu.execute({ ...S4, waitMs: 0 });
    await gpu.clock.advance(10);
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "SUSPENDING" });
    const cancelled = await gpu.execute({ type: "cancelTransition", transition: id });
    expect(cancelled).toMatchObject({ state: "CANCELLED", recovered: true });
    await expectAsleepIn(gpu, "S3");
    expect(images.idsOf("SEALED")).toEqual([]);
    await gpu.execute({ type: "resume" });
    await expectState(gpu, state);
  });
});

describe("what cannot be deepened", () => {
  test("is refused, and stays as it is: S4 to S3, S4 without a store, checksums that were not taken", async () => {
    const { gpu } = await boot({ smem: SMEM });
    const state = await populate(gpu);
    await gpu.execute(S3);
    expect(await reasonOf(gpu.execute(S2IDLE))).toBe("DEVICE_SUSPENDED");
    expect(await reasonOf(gpu.execute({ ...S4, verify: true }))).toBe("INVALID_REQUEST");
    await gpu.execute(S4);
    expect(await reasonOf(gpu.execute(S3))).toBe("DEVICE_SUSPENDED");
    await gpu.execute({ type: "resume" });
    await expectState(gpu, state);
    const bare = await bootVirtual();
    await bare.execute(S3);
    expect(await reasonOf(bare.execute(S4))).toBe("IMAGE_STORE_MISSING");
    await expectAsleepIn(bare, "S3");
  });

  test("a plan and a rehearsal say what a deepening would do", async () => {
    const { gpu, images } = await boot({ smem: SMEM });
    await populate(gpu);
    await gpu.execute(S3);
    const plan = await gpu.execute({ type: "planSuspend", state: "S4" });
    expect(plan).toMatchObject({ feasible: true, evict: { bytes: 0 }, systemMemoryRequiredBytes: 0 });
    expect((await gpu.execute({ type: "planSuspend", state: "S3" })).imageBytesMax).toBe(0);
    expect(await gpu.execute({ ...S4, validateOnly: true })).toMatchObject({ id: "", sleepState: "S4" });
    await expectAsleepIn(gpu, "S3");
    const { phases } = await gpu.execute(S4);
    const [image] = phases;
    expect(image.bytes).toBeGreaterThan(0);
    expect(image.bytes).toBeLessThanOrEqual(plan.imageBytesMax);
    expect(images.idsOf("SEALED")).toHaveLength(1);
  });
});

async function expectAsleepIn(gpu: VirtualDevice, sleepState: string): Promise<void> {
  expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "SUSPENDED", sleepState });
}
