/**
 * Faults of the card itself sit in what it does, not in one sequence: whoever starts firmware and engines meets them.
 * The way up is resume, reset of the GT, FACTORY reset, another card.
 */
import { describe, expect, test } from "vitest";
import { bootFaulty, ERROR_ONCE, type FaultyDevice } from "../../support/faulty-device.ts";
import { ANY_OBJECT, hashOf, MIB, patternOf, reasonOf } from "../../support/test-device.ts";

const ALWAYS = { ...ERROR_ONCE, count: 0 };
const GT = { type: "resetDevice", scope: "GT" } as const;
const FACTORY = { type: "resetDevice", scope: "FACTORY" } as const;

describe("a card that has fallen off the bus", () => {
  test.each([
    ["while it is suspended", { type: "resume" } as const, "SUSPENDED"],
    ["while it is reset", GT, "FAILED"],
  ])("%s stays lost until another one is plugged in", async (_when, act, left) => {
    const { gpu, failpoints } = await bootFaulty();
    const object = await gpu.upload(patternOf(1, MIB));
    if (act.type === "resume") await gpu.execute({ type: "suspend", state: "S3" });
    // Once is enough: nobody who fell off comes back by himself.
    failpoints.arm("link.down", ERROR_ONCE);
    expect(await reasonOf(gpu.execute(act))).toBe("DEVICE_LOST");
    const seen = await gpu.execute({ type: "getDevice" });
    expect(seen).toMatchObject({ powerState: left, error: { reason: "DEVICE_LOST" } });
    expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("DEVICE_LOST");
    if (left === "FAILED") expect(await reasonOf(gpu.execute(GT))).toBe("DEVICE_LOST");
    expect(await reasonOf(gpu.execute(ANY_OBJECT))).toBe("DEVICE_LOST");
    failpoints.arm("link.down", ALWAYS);
    expect(await reasonOf(gpu.execute(FACTORY))).toBe("DEVICE_LOST");
    expect((await gpu.execute({ type: "getObject", object })).id).toBe(object);
    failpoints.disarm("link.down");
    await gpu.execute(FACTORY);
    expect(await reasonOf(gpu.execute({ type: "getObject", object }))).toBe("OBJECT_NOT_FOUND");
    await expectWorks({ gpu, failpoints });
    const mended = await gpu.execute({ type: "getDevice" });
    expect(mended).toMatchObject({ powerState: "ACTIVE", wedged: false, error: undefined });
    gpu.device.checkInvariants();
  });

  test("during a suspend is FAILED, and no byte of it is served as if it were there", async () => {
    const { gpu, failpoints } = await bootFaulty();
    const object = await gpu.upload(patternOf(1, MIB));
    failpoints.arm("powerOff.before", ERROR_ONCE);
    failpoints.arm("link.down", ERROR_ONCE);
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("COPY_FAILED");
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "FAILED" });
    const read = { type: "readObject", object, offsetBytes: 0, lengthBytes: 64 } as const;
    expect(await reasonOf(gpu.execute(read))).toBe("DEVICE_LOST");
    const { transitions } = await gpu.execute({ type: "listTransitions", beforeId: "", limit: 1 });
    expect(transitions[0]).toMatchObject({ state: "FAILED", recovered: false });
    await gpu.execute(FACTORY);
    await expectWorks({ gpu, failpoints });
  });
});

describe.each([
  ["firmware.load", "FIRMWARE_LOAD_FAILED"],
  ["engine.start", "COPY_FAILED"],
] as const)("%s that fails", (failpoint, reason) => {
  test("fails a reset of the GT and a FACTORY reset too, and the next one of each mends it", async () => {
    const { gpu, failpoints } = await bootFaulty();
    const bytes = patternOf(1, MIB);
    const object = await gpu.upload(bytes);
    for (const again of [1, 2]) {
      failpoints.arm(failpoint, ERROR_ONCE);
      expect([again, await reasonOf(gpu.execute(GT))]).toEqual([again, reason]);
      expect((await gpu.execute({ type: "getDevice" })).wedged).toBe(true);
    }
    // The CPU still reaches what the engines do not.
    expect(hashOf(await gpu.download(object))).toBe(hashOf(bytes));
    await gpu.execute(GT);
    await expectWorks({ gpu, failpoints });
    failpoints.arm(failpoint, ERROR_ONCE);
    expect(await reasonOf(gpu.execute(FACTORY))).toBe(reason);
    expect((await gpu.execute({ type: "getDevice" })).wedged).toBe(true);
    await gpu.execute(FACTORY);
    await expectWorks({ gpu, failpoints });
    gpu.device.checkInvariants();
  });

  test("leaves a suspend that is undone not recovered: wedged, and with every byte", async () => {
    const { gpu, failpoints } = await bootFaulty();
    const bytes = patternOf(1, MIB);
    const object = await gpu.upload(bytes);
    failpoints.arm("powerOff.before", ERROR_ONCE);
    failpoints.arm(failpoint, ALWAYS);
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("COPY_FAILED");
    const { transitions } = await gpu.execute({ type: "listTransitions", beforeId: "", limit: 1 });
    expect(transitions[0]).toMatchObject({ state: "FAILED", recovered: false });
    expect(gpu.events.filter(({ type }) => type === "recovered")).toEqual([
      { type: "recovered", complete: false },
    ]);
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "ACTIVE", wedged: true });
    expect(hashOf(await gpu.download(object))).toBe(hashOf(bytes));
  });
});

/** A device that works: bytes come and go, and it sleeps and wakes. */
async function expectWorks({ gpu }: FaultyDevice): Promise<void> {
  const bytes = patternOf(7, MIB);
  const object = await gpu.upload(bytes);
  await gpu.execute({ type: "suspend", state: "S3" });
  await gpu.execute({ type: "resume" });
  expect(hashOf(await gpu.download(object))).toBe(hashOf(bytes));
}
