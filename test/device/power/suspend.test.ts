/** The main job, against both forms of the engines. */

import { afterEach, describe, expect, test } from "vitest";
import type { DeviceOptions } from "../../../src/device/mod.ts";
import { dropLateBackups } from "../../support/hidden-backups.ts";
import {
  bootThreaded,
  bootVirtual,
  hashOf,
  KIB,
  MIB,
  patternOf,
  type TestDevice,
} from "../../support/test-device.ts";

const FORMS = [
  { form: "in-process", boot: bootVirtual },
  { form: "threaded", boot: bootThreaded },
] as const;

describe.each(FORMS)("S3 with $form engines", ({ boot }) => {
  let gpu: TestDevice;
  const bootGpu = async (options: Partial<DeviceOptions> = {}): Promise<void> => {
    gpu = await boot(options);
  };
  afterEach(() => gpu.device.close());

  test("keeps every byte of every object while LMEM loses power", async () => {
    await bootGpu();
    const { hashes, pinned } = await fill(gpu);
    const before = await Promise.all(pinned.map((object) => gpu.execute({ type: "getObject", object })));

    const suspended = await gpu.execute({ type: "suspend", state: "S3" });
    expect(suspended.state).toBe("SUCCEEDED");
    expect(suspended.phases.map((phase) => phase.phase)).toEqual([
      "prepare",
      "evict",
      "idle",
      "evict_pinned",
      "memcpy",
      "firmware_stop",
      "power_off",
    ]);
    expect((await gpu.execute({ type: "getObject", object: pinned[0] })).hasBackup).toBe(true);
    gpu.device.checkInvariants();

    const resumed = await gpu.execute({ type: "resume" });
    expect(resumed.state).toBe("SUCCEEDED");
    gpu.device.checkInvariants();
    const after = await Promise.all(pinned.map((object) => gpu.execute({ type: "getObject", object })));
    expect(after.map((object) => object.extents)).toEqual(before.map((object) => object.extents));
    expect(after.some((object) => object.hasBackup)).toBe(false);
    expect(await wrongObjects(gpu, hashes)).toEqual([]);
  });

  test("loses exactly the pinned objects when restore is left out: power loss is real", async () => {
    await bootGpu();
    const { hashes, pinned } = await fill(gpu);
    await gpu.execute({ type: "suspend", state: "S3" });
    dropLateBackups(gpu.device);
    await gpu.execute({ type: "resume" });
    expect(await wrongObjects(gpu, hashes)).toEqual(pinned);
  });

  test("keeps every byte for a hundred cycles", async () => {
    await bootGpu();
    const { hashes } = await fill(gpu);
    for (let cycle = 0; cycle < 100; cycle++) {
      await gpu.execute({ type: "suspend", state: cycle % 2 === 0 ? "S3" : "S2IDLE" });
      await gpu.execute({ type: "resume" });
    }
    expect(await wrongObjects(gpu, hashes)).toEqual([]);
    expect((await gpu.execute({ type: "getDevice" })).suspendCount).toBe(100);
  });
});

/** Fills LMEM past its size with pinned and unpinned objects and remembers the hash of each. */
describe("S3", () => {
  test.each([0, 0.5])("loses power each time, also when every random number is %s", async (constant) => {
    const gpu = await bootVirtual({ random: () => constant });
    const { hashes } = await fill(gpu);
    for (let cycle = 0; cycle < 3; cycle++) {
      await gpu.execute({ type: "suspend", state: "S3" });
      await gpu.execute({ type: "resume" });
    }
    expect(await wrongObjects(gpu, hashes)).toEqual([]);
  });

  test("gives the device another etag at each change of what it shows", async () => {
    const runtimePm = { enabled: true, autosuspendDelayMs: 1000, d3coldThresholdBytes: 0 };
    const gpu = await bootVirtual({ runtimePm });
    const etags: string[] = [];
    const note = async () => void etags.push((await gpu.execute({ type: "getDevice" })).etag);
    await note();
    await gpu.clock.advance(3000);
    await note();
    await gpu.execute({ type: "suspend", state: "S3" });
    await note();
    await gpu.execute({ type: "resume" });
    await note();
    expect(new Set(etags).size).toBe(4);
    await note();
    expect(etags[4]).toBe(etags[3]);
  });
});

async function fill(gpu: TestDevice): Promise<{ hashes: Map<string, string>; pinned: string[] }> {
  const hashes = new Map<string, string>();
  const pinned: string[] = [];
  for (let seed = 1; seed <= 24; seed++) {
    const bytes = patternOf(seed, seed % 3 === 0 ? 64 * KIB : MIB);
    const id = await gpu.upload(bytes);
    hashes.set(id, hashOf(bytes));
    if (seed % 6 === 0) {
      await gpu.execute({ type: "pinObject", object: id });
      pinned.push(id);
    }
  }
  return { hashes, pinned };
}

async function wrongObjects(gpu: TestDevice, hashes: ReadonlyMap<string, string>): Promise<string[]> {
  const wrong: string[] = [];
  for (const [id, hash] of hashes) if (hashOf(await gpu.download(id)) !== hash) wrong.push(id);
  return wrong;
}
