import { describe, expect, test } from "vitest";
import { OBJECTS_MAX } from "../../../src/device/limits.ts";
import { NONE } from "../../../src/device/memory/object-table.ts";
import { type Command, DEFAULT_POLICY, type ObjectFlag } from "../../../src/device/mod.ts";
import { MemoryStore } from "../../support/regions.ts";
import {
  ANY_OBJECT,
  bootVirtual,
  KIB,
  MIB,
  patternOf,
  reasonOf,
  together,
  type VirtualDevice,
} from "../../support/test-device.ts";

describe("a plan", () => {
  test("says exactly what the suspend then does, object by object and byte by byte", async () => {
    const gpu = await bootVirtual();
    await oneOfEach(gpu);
    const plan = await gpu.execute({ type: "planSuspend" });
    const suspended = await gpu.execute({ type: "suspend", state: "S3" });
    const phase = new Map(suspended.phases.map((each) => [each.phase, each]));
    expect(plan).toMatchObject({ feasible: true, blockers: [] });
    expect(phase.get("evict")).toMatchObject(plan.evict);
    expect(phase.get("evict_pinned")).toMatchObject(plan.backupBlit);
    expect(phase.get("memcpy")).toMatchObject(plan.backupMemcpy);
    const skipped = suspended.phases.reduce((sum, each) => sum + each.skippedVolatile, 0);
    expect(plan.discard.objects).toBe(skipped + 1);
    const copyNs = ["evict", "evict_pinned", "memcpy"].reduce(
      (sum, name) => sum + Number(phaseNs(phase.get(name as "evict"))),
      0,
    );
    expect(Math.abs(Number(plan.durationMaxNs) - copyNs) / copyNs).toBeLessThan(0.05);
  });

  test("touches nothing: neither bytes, nor the order of the LRU, nor who waits", async () => {
    const gpu = await bootVirtual();
    await oneOfEach(gpu);
    const before = [await gpu.execute({ type: "listRegions" }), await listed(gpu)];
    await gpu.execute({ type: "planSuspend" });
    expect([await gpu.execute({ type: "listRegions" }), await listed(gpu)]).toEqual(before);
    gpu.device.checkInvariants();
  });

  test("names what would stop the suspend, and the suspend is stopped by just that", async () => {
    const gpu = await bootVirtual({ smem: { sizeBytes: 4 * MIB } });
    for (let seed = 0; seed < 6; seed++) await gpu.upload(patternOf(seed, MIB));
    const plan = await gpu.execute({ type: "planSuspend" });
    expect(plan).toMatchObject({ feasible: false, systemMemoryAvailableBytes: 4 * MIB });
    expect(plan.blockers.map((blocker) => blocker.reason)).toEqual(["SYSTEM_MEMORY_EXHAUSTED"]);
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("SYSTEM_MEMORY_EXHAUSTED");
  });

  test("counts every object, though clients use them while it does", async () => {
    const gpu = await bootVirtual({
      swap: new MemoryStore(64 * MIB),
      policy: { ...DEFAULT_POLICY, swapAllowed: ["S3"] },
    });
    const objects: string[] = [];
    for (const count of [8000, 2000]) {
      const template = { ...ANY_OBJECT, sizeBytes: 4 * KIB, regions: ["smem"] };
      objects.push(...(await gpu.execute({ type: "batchCreateObjects", template, count })).objects);
    }
    for (const part of [objects.slice(0, 5000), objects.slice(5000)]) {
      await gpu.execute({ type: "batchPinObjects", objects: part });
      await gpu.execute({ type: "batchUnpinObjects", objects: part });
    }
    const uses = objects
      .slice(8180, 8200)
      .map((object): Command => ({ type: "adviseObject", object, advice: "WILL_NEED" }));
    const [plan] = await together(gpu, [{ type: "planSuspend" }, ...uses]);
    const { systemMemoryAvailableBytes } = await gpu.execute({ type: "planSuspend" });
    expect(plan).toMatchObject({ status: "fulfilled", value: { systemMemoryAvailableBytes } });
  });

  test("says when the device has no room for the objects that backups are, and the suspend says so too", async () => {
    const gpu = await bootVirtual();
    await gpu.execute({ type: "pinObject", object: await gpu.upload(patternOf(1, MIB)) });
    const { table } = gpu.device.memory;
    const { count } = table;
    table.count = OBJECTS_MAX - 1;
    const plan = await gpu.execute({ type: "planSuspend" });
    expect(plan.blockers.map((blocker) => blocker.reason)).toEqual(["LIMIT_EXCEEDED"]);
    table.count = count;
    table.allocate = () => NONE;
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("LIMIT_EXCEEDED");
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("ACTIVE");
    gpu.device.checkInvariants();
  });

  test("is refused where a suspend would be", async () => {
    const gpu = await bootVirtual();
    await gpu.execute({ type: "suspend", state: "S3" });
    expect(await reasonOf(gpu.execute({ type: "planSuspend", state: "S2IDLE" }))).toBe("DEVICE_SUSPENDED");
  });
});

async function oneOfEach(gpu: VirtualDevice): Promise<void> {
  const flags: ObjectFlag[][] = [[], ["VOLATILE"], ["PM_EARLY"], ["PM_VOLATILE"], ["CONTIGUOUS"]];
  for (const [at, each] of [...flags, ...flags].entries()) {
    const id = await gpu.upload(patternOf(at, (at + 1) * 64 * KIB), { flags: each });
    if (at >= flags.length) await gpu.execute({ type: "pinObject", object: id });
  }
  const unwanted = await gpu.upload(patternOf(99, 128 * KIB));
  await gpu.execute({ type: "adviseObject", object: unwanted, advice: "DONT_NEED" });
  await gpu.upload(patternOf(98, MIB), { regions: ["smem"] });
}

function listed(gpu: VirtualDevice): Promise<unknown> {
  return gpu.execute({ type: "listObjects", afterId: "", limit: 100, showDeviceOwned: true });
}

function phaseNs(phase: { readonly durationNs: bigint } | undefined): bigint {
  return phase?.durationNs ?? 0n;
}
