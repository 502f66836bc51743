/**
 * After power loss no page of local memory that was ever handed out reads back its old bytes: in the bank
 * itself once the device has slept a while, and at the worst moment, when power returns at once.
 */
import { describe, expect, test } from "vitest";
import type { DeviceFailpoints, DeviceOptions, FailpointName } from "../../../src/device/mod.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
import {
  bootThreaded,
  bootVirtual,
  create,
  hashOf,
  MIB,
  patternOf,
  type TestDevice,
} from "../../support/test-device.ts";
import { finish, newContext, submit } from "../../support/work.ts";

const KINDS = ["evicted", "pinned", "volatile", "deleted", "middle of the pinned"] as const;
const PINNED = patternOf(2, 3 * MIB);

/** Content of every kind in local memory. Answers the id of what is pinned. */
async function fill(gpu: TestDevice): Promise<string> {
  const deleted = await gpu.upload(patternOf(4, MIB), { regions: ["lmem0"] });
  const pinned = await gpu.upload(PINNED, { regions: ["lmem0"] });
  await gpu.upload(patternOf(1, MIB), { regions: ["lmem0", "smem"] });
  const lost = await gpu.upload(patternOf(3, MIB), { regions: ["lmem0"], flags: ["PM_VOLATILE"] });
  for (const object of [pinned, lost]) await gpu.execute({ type: "pinObject", object });
  await gpu.execute({ type: "deleteObject", object: deleted });
  return pinned;
}

/** What of that content is in local memory. */
function seen(gpu: TestDevice): readonly (typeof KINDS)[number][] {
  const bytes = Buffer.from(gpu.device.memory.region(1).bank.memory.buffer);
  const markers = [
    patternOf(1, 64),
    PINNED.subarray(0, 64),
    patternOf(3, 64),
    patternOf(4, 64),
    PINNED.subarray(MIB + 512, MIB + 576),
  ];
  return KINDS.filter((_, at) => bytes.includes(markers[at]));
}

/** A way to look at a device when it passes a failpoint. */
function watching(looks: Partial<Record<FailpointName, () => void>>): DeviceFailpoints {
  return {
    idle: false,
    pass: async (name) => looks[name]?.(),
    letGo: () => {},
    pausedAt: () => "",
    fires: () => false,
  };
}

describe.each(["S3", "S4"] as const)("a device that sleeps in %s", (state) => {
  const options = (): Partial<DeviceOptions> => ({ images: new MemoryImageStore() });

  test("has nothing of before in local memory when it has slept a while", async () => {
    const gpu = await bootVirtual(options());
    await fill(gpu);
    expect(seen(gpu)).toEqual(KINDS);
    await gpu.execute({ type: "suspend", state });
    await gpu.clock.advance(1);
    expect(gpu.device.memory.region(1).bank.hasLost).toBe(false);
    expect(seen(gpu)).toEqual([]);
  });

  test("has nothing of before in local memory when something is restored, resumed at once", async () => {
    const moments = {
      powerOff: [] as readonly string[],
      restored: undefined as readonly string[] | undefined,
    };
    const failpoints = watching({
      "powerOff.after": () => {
        moments.powerOff = seen(gpu);
      },
      "restoreEarly.object": () => {
        moments.restored ??= seen(gpu);
      },
    });
    const gpu = await bootVirtual({ ...options(), failpoints });
    const pinned = await fill(gpu);
    await gpu.execute({ type: "suspend", state });
    await gpu.execute({ type: "resume" });
    expect(moments.powerOff, "nothing is overwritten while the caller waits for the suspend").toEqual(KINDS);
    // An image is read into its places before power is on.
    expect(moments.restored).toEqual([]);
    expect(seen(gpu)).toEqual(["pinned", "middle of the pinned"]);
    expect(hashOf(await gpu.download(pinned))).toBe(hashOf(PINNED));
  });

  test("has nothing of before in what it hands out, at machine speed and resumed at once", async () => {
    const gpu = await bootThreaded(options());
    const pinned = await fill(gpu);
    await gpu.execute({ type: "suspend", state });
    await gpu.execute({ type: "resume" });
    expect(seen(gpu)).toEqual(["pinned", "middle of the pinned"]);
    expect(hashOf(await gpu.download(pinned))).toBe(hashOf(PINNED));
    await gpu.device.close();
  });

  test("has nothing of before when it is made new at once", async () => {
    const gpu = await bootVirtual(options());
    await fill(gpu);
    await gpu.execute({ type: "suspend", state });
    await gpu.execute({ type: "resetDevice", scope: "FACTORY" });
    expect(seen(gpu)).toEqual([]);
    gpu.device.checkInvariants();
  });
});

test("a device that goes from S3 to S4 at once, and resumes at once, has nothing of before", async () => {
  const moments: { image?: readonly string[] } = {};
  const failpoints = watching({
    "image.write": () => {
      moments.image ??= seen(gpu);
    },
  });
  const lmem = [{ sizeBytes: 64 * MIB }];
  const gpu = await bootVirtual({ images: new MemoryImageStore(), failpoints, lmem });
  // So much that the image is begun before all of it could be overwritten.
  const large = await create(gpu, { sizeBytes: 32 * MIB, regions: ["lmem0"] });
  await gpu.execute({ type: "pinObject", object: large });
  const pinned = await fill(gpu);
  await gpu.execute({ type: "unpinObject", object: large });
  await gpu.execute({ type: "deleteObject", object: large });
  await gpu.execute({ type: "suspend", state: "S3" });
  await gpu.execute({ type: "suspend", state: "S4" });
  expect(moments.image, "the image was made when nothing of before was left").toEqual([]);
  await gpu.execute({ type: "resume" });
  expect(seen(gpu)).toEqual(["pinned", "middle of the pinned"]);
  expect(hashOf(await gpu.download(pinned))).toBe(hashOf(PINNED));
});

test("tells no registers out of memory without power", async () => {
  const gpu = await bootVirtual({ images: new MemoryImageStore(), engines: ["bcs0", "rcs0"] });
  const context = await newContext(gpu, "rcs0");
  await finish(gpu, await submit(gpu, context, { op: "loadRegister", register: 3, value: 77n }));
  expect((await gpu.execute({ type: "getContext", context })).registers).toContain(77n);
  // Its registers went to system memory, which loses its power too.
  await gpu.execute({ type: "suspend", state: "S4" });
  expect(gpu.device.memory.system.bank.hasLost).toBe(true);
  expect((await gpu.execute({ type: "getContext", context })).registers).toEqual([]);
});

test("a device that suspended itself has nothing of before when a call wakes it at once", async () => {
  const runtimePm = { enabled: true, autosuspendDelayMs: 10, d3coldThresholdBytes: 16 * MIB };
  const gpu = await bootVirtual({ runtimePm });
  const pinned = await fill(gpu);
  await gpu.clock.advance(9);
  while ((await gpu.execute({ type: "getDevice" })).dState !== "D3COLD") await gpu.clock.advance(0.1);
  expect(hashOf(await gpu.download(pinned))).toBe(hashOf(PINNED));
  expect(seen(gpu)).toEqual(["pinned", "middle of the pinned"]);
});

test("a device that is closed while it sleeps overwrites no more", async () => {
  const gpu = await bootVirtual();
  await fill(gpu);
  await gpu.execute({ type: "suspend", state: "S3" });
  await gpu.device.close();
  await gpu.clock.advance(1000);
  expect(seen(gpu)).toEqual(KINDS);
});
