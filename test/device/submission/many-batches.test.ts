/**
 * Devices with more to move than a walk has in flight at a time: thousands of objects, so that walks rest, batches wait
 * for each other, and what fails does so with others on their way.
 */
import { beforeEach, describe, expect, test } from "vitest";
import { MOVE_BATCH_OBJECTS, MOVE_BATCHES_IN_FLIGHT } from "../../../src/device/limits.ts";
import type { FailpointName } from "../../../src/device/mod.ts";
import { bootFaulty, ERROR_ONCE, type FaultyDevice } from "../../support/faulty-device.ts";
import { ANY_OBJECT, KIB, MIB, patternOf, reasonOf, wrongContents } from "../../support/test-device.ts";

const OBJECTS = MOVE_BATCH_OBJECTS * (MOVE_BATCHES_IN_FLIGHT + 1);
/** Every so manieth has content that a test looks at. */
const SAMPLE = 97;
const FIRST_MIDDLE_LAST = [0, MOVE_BATCH_OBJECTS + 7, OBJECTS - 1];

let device: FaultyDevice;
let contents: Map<string, Uint8Array>;
beforeEach(async () => {
  device = await bootFaulty({ lmem: [{ sizeBytes: 64 * MIB, minPageBytes: 4 * KIB }] });
  contents = new Map();
  // As many that leave, and as many that are pinned.
  for (const isPinned of [false, true]) {
    const objects = await createResident(OBJECTS);
    if (!isPinned) await device.gpu.execute({ type: "batchUnpinObjects", objects });
  }
});

async function createResident(count: number): Promise<readonly string[]> {
  const { gpu } = device;
  const template = { ...ANY_OBJECT, sizeBytes: 4 * KIB, regions: ["lmem0"] };
  const { objects } = await gpu.execute({ type: "batchCreateObjects", template, count });
  await gpu.execute({ type: "batchPinObjects", objects });
  for (let at = 0; at < objects.length; at += SAMPLE) {
    const data = patternOf(Number(objects[at]), 4 * KIB);
    await gpu.execute({ type: "writeObject", object: objects[at], offsetBytes: 0, data });
    contents.set(objects[at], data);
  }
  return objects;
}

async function expectActiveAndWhole(): Promise<void> {
  const { gpu } = device;
  expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("ACTIVE");
  gpu.device.checkInvariants();
  expect(await wrongContents(gpu, contents)).toEqual([]);
}

describe.each<FailpointName>(["evict.object", "evictPinned.object", "backup.allocate", "recover.object"])(
  "a suspend with thousands of objects",
  (name) => {
    test.each(FIRST_MIDDLE_LAST)(`that fails at ${name} (%i let through) loses nothing`, async (after) => {
      const { gpu, failpoints } = device;
      if (name === "recover.object") failpoints.arm("firmware.stop", ERROR_ONCE);
      failpoints.arm(name, { ...ERROR_ONCE, after });
      expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("COPY_FAILED");
      expect(failpoints.get(name).hits).toBe(1);
      await expectActiveAndWhole();
    });
  },
);

describe.each<FailpointName>(["restoreLate.object", "restore.populate"])(
  "a resume with thousands of backups",
  (name) => {
    test.each(FIRST_MIDDLE_LAST)(
      `that fails at ${name} (%i let through) is done by the next`,
      async (after) => {
        const { gpu, failpoints } = device;
        await gpu.execute({ type: "suspend", state: "S3" });
        failpoints.arm(name, { ...ERROR_ONCE, after });
        expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("COPY_FAILED");
        await gpu.execute({ type: "resume" });
        await expectActiveAndWhole();
      },
    );
  },
);

test("a cancel of a suspend with thousands of objects, whenever it comes, loses nothing", async () => {
  const { gpu } = device;
  for (const afterMs of [0.1, 0.3, 1, 2, 4]) {
    const { id } = await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
    await gpu.clock.advance(afterMs);
    await reasonOf(gpu.execute({ type: "cancelTransition", transition: id }));
    await gpu.clock.advance(60_000);
    if ((await gpu.execute({ type: "getTransition", transition: id })).state === "SUCCEEDED")
      await gpu.execute({ type: "resume" });
    await expectActiveAndWhole();
  }
});
