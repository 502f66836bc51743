/** `verify` and `validateOnly`: what is promised about bytes and about calls, before and after. */
import { describe, expect, test } from "vitest";
import { type Command, DEFAULT_POLICY, type WorkCommand } from "../../../src/device/mod.ts";
import { takeChecksums } from "../../../src/device/power/verify.ts";
import { bootFaulty, ERROR_ONCE, type FaultyDevice } from "../../support/faulty-device.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
import { MemoryStore } from "../../support/regions.ts";
import {
  bytesInPlace,
  hashOf,
  look,
  MIB,
  patternOf,
  reasonOf,
  type VirtualDevice,
} from "../../support/test-device.ts";

describe("verify", () => {
  test.each([0, 1])(
    "gives up what is not what it was, by name, whether evicted or pinned (object %i): the rest is right",
    async (after) => {
      const { gpu, failpoints } = await boot();
      const { hashes, ids } = await populate(gpu);
      await gpu.execute({ type: "suspend", state: "S3", verify: true });
      failpoints.arm("verify.mismatch", { ...ERROR_ONCE, after });
      const lost = ids[after];
      await expect(gpu.execute({ type: "resume" })).rejects.toMatchObject({
        reason: "CHECKSUM_MISMATCH",
        metadata: { objects: lost, count: "1" },
      });
      expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("FAILED");
      expect(await gpu.execute({ type: "getObject", object: lost })).toMatchObject({
        state: "UNKNOWN",
        region: "",
        pinCount: 0,
      });
      expect((await gpu.execute({ type: "resume" })).state).toBe("SUCCEEDED");
      gpu.device.checkInvariants();
      expect(await reasonOf(gpu.download(lost))).toBe("CONTENT_UNKNOWN");
      expect(await reasonOf(gpu.execute({ type: "pinObject", object: lost }))).toBe("CONTENT_UNKNOWN");
      hashes.delete(lost);
      for (const [id, hash] of hashes) expect(hashOf(await gpu.download(id))).toBe(hash);
      await gpu.execute({ type: "suspend", state: "S3", verify: true });
      await gpu.execute({ type: "resume", verify: true });
      await gpu.execute({ type: "deleteObject", object: lost });
      gpu.device.checkInvariants();
    },
  );

  test("finds a single bit that changed in system memory while the device slept", async () => {
    const { gpu } = await boot();
    const { ids } = await populate(gpu);
    await gpu.execute({ type: "suspend", state: "S3", verify: true });
    const [evicted] = ids;
    const { memory } = gpu.device;
    const slot = memory.findObject(evicted);
    const [extent] = memory.system.extents(memory.table.resource[slot]);
    expect(bytesInPlace(gpu, evicted).length).toBe(MIB);
    memory.system.bank.bytes[extent.offsetBytes + 12_345] ^= 1;
    await expect(gpu.execute({ type: "resume" })).rejects.toMatchObject({ metadata: { objects: evicted } });
  });

  test("takes the checksum of what work still uses when that work has ended", async () => {
    const { gpu } = await boot();
    const object = await gpu.upload(patternOf(1, MIB));
    const { id: context } = await gpu.execute({ type: "createContext", engine: "bcs0", priority: "NORMAL" });
    const changes: WorkCommand[] = [
      { op: "spin", durationMs: 5 },
      { op: "fill", object, offsetBytes: 0, lengthBytes: MIB, pattern: 7 },
    ];
    await gpu.execute({ type: "submitWork", context, commands: changes, waitFences: [] });
    await gpu.execute({ type: "suspend", state: "S3", verify: true });
    expect((await gpu.execute({ type: "resume", verify: true })).state).toBe("SUCCEEDED");
    expect(new Uint32Array((await gpu.download(object)).buffer).every((word) => word === 7)).toBe(true);
  });

  test("keeps an object where it is while its checksum is taken: work that was accepted before still makes room", async () => {
    const { gpu } = await boot();
    await gpu.upload(patternOf(1, 8 * MIB));
    const evicting: Command = { type: "evictRegion", region: "lmem0" };
    const both = Promise.all([takeChecksums(gpu.device), gpu.device.execute(evicting)]);
    const [checksums, evicted] = await gpu.clock.run(both);
    expect([checksums.size, evicted]).toEqual([1, { objects: 0, bytes: 0 }]);
    gpu.device.checkInvariants();
    expect(await gpu.execute(evicting)).toMatchObject({ objects: 1 });
  });

  test("finds what a blit got wrong in an object that was swapped out after that", async () => {
    const { gpu, failpoints } = await boot(4 * MIB, new MemoryImageStore(), new MemoryStore(8 * MIB));
    const evicted: string[] = [];
    for (let seed = 0; seed < 3; seed++) evicted.push(await gpu.upload(patternOf(seed, MIB)));
    for (let seed = 3; seed < 6; seed++) {
      const object = await gpu.upload(patternOf(seed, MIB));
      await gpu.execute({ type: "pinObject", object });
    }
    failpoints.arm("copy.corrupt", ERROR_ONCE);
    await gpu.execute({ type: "suspend", state: "S4", verify: true });
    const [wrong] = evicted;
    expect((await look(gpu, wrong)).state).toBe("SWAPPED");
    await expect(gpu.execute({ type: "resume" })).rejects.toMatchObject({
      reason: "CHECKSUM_MISMATCH",
      metadata: { objects: wrong, count: "1" },
    });
    await gpu.execute({ type: "resume" });
    expect(await reasonOf(gpu.download(wrong))).toBe("CONTENT_UNKNOWN");
    for (const [seed, id] of evicted.entries()) {
      if (id !== wrong) expect(hashOf(await gpu.download(id))).toBe(hashOf(patternOf(seed, MIB)));
    }
    gpu.device.checkInvariants();
  });

  test.each(["idle_only", "chain"] as const)(
    "finds what a blit got wrong in an object that work used when the suspend began (%s)",
    async (step1) => {
      const policy = { ...DEFAULT_POLICY, step1 };
      const { gpu, failpoints } = await bootFaulty({ policy });
      const object = await gpu.upload(patternOf(1, MIB));
      const { id: context } = await gpu.execute({
        type: "createContext",
        engine: "bcs0",
        priority: "NORMAL",
      });
      const commands: WorkCommand[] = [
        { op: "spin", durationMs: 5 },
        { op: "fill", object, offsetBytes: 0, lengthBytes: MIB, pattern: 7 },
      ];
      await gpu.execute({ type: "submitWork", context, commands, waitFences: [] });
      failpoints.arm("evict.before", { ...ERROR_ONCE, action: "DELAY", delayMs: 20 });
      failpoints.arm("copy.corrupt", ERROR_ONCE);
      await gpu.execute({ type: "suspend", state: "S3", verify: true });
      expect(failpoints.get("copy.corrupt").hits).toBe(1);
      await expect(gpu.execute({ type: "resume" })).rejects.toMatchObject({
        reason: "CHECKSUM_MISMATCH",
        metadata: { objects: object },
      });
    },
  );

  test.each(["idle_only", "chain"] as const)(
    "takes the checksum of what work waits to change when that work has ended (%s)",
    async (step1) => {
      const { gpu } = await bootFaulty({
        engines: ["bcs0", "ccs0"],
        policy: { ...DEFAULT_POLICY, step1 },
      });
      const object = await gpu.upload(patternOf(1, MIB));
      const context = async (engine: string): Promise<string> =>
        (await gpu.execute({ type: "createContext", engine, priority: "NORMAL" })).id;
      const long = { type: "submitWork", context: await context("ccs0"), waitFences: [] } as const;
      const { id: first } = await gpu.execute({ ...long, commands: [{ op: "spin", durationMs: 5 }] });
      const fill = { op: "fill", object, offsetBytes: 0, lengthBytes: MIB, pattern: 7 } as const;
      const waiting = { type: "submitWork", context: await context("bcs0"), waitFences: [first] } as const;
      await gpu.execute({ ...waiting, commands: [fill] });
      await gpu.execute({ type: "suspend", state: "S3", verify: true });
      expect((await gpu.execute({ type: "resume", verify: true })).state).toBe("SUCCEEDED");
      expect(new Uint32Array((await gpu.download(object)).buffer).every((word) => word === 7)).toBe(true);
    },
  );

  test("cannot be asked of a resume whose suspend took no checksums", async () => {
    const { gpu } = await boot();
    await gpu.execute({ type: "suspend", state: "S3" });
    expect(await reasonOf(gpu.execute({ type: "resume", verify: true }))).toBe("INVALID_REQUEST");
    expect((await gpu.execute({ type: "resume" })).state).toBe("SUCCEEDED");
  });
});

describe("validateOnly", () => {
  test("of a suspend answers what it would be, and runs nothing", async () => {
    const { gpu } = await boot();
    await populate(gpu);
    const rehearsed = await gpu.execute({ type: "suspend", state: "S3", validateOnly: true });
    expect(rehearsed).toMatchObject({
      id: "",
      kind: "SUSPEND",
      sleepState: "S3",
      dState: "D3COLD",
      phases: [],
    });
    expect((await gpu.execute({ type: "listTransitions", beforeId: "", limit: 1 })).transitions).toEqual([]);
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("ACTIVE");
    const real = await gpu.execute({ type: "suspend", state: "S3" });
    const { evictedObjects, evictedBytes, backupObjects, backupBytes } = rehearsed;
    expect(real).toMatchObject({ evictedObjects, evictedBytes, backupObjects, backupBytes });
    const back = await gpu.execute({ type: "resume", validateOnly: true });
    expect(back).toMatchObject({ id: "", kind: "RESUME", restoredObjects: backupObjects });
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("SUSPENDED");
  });

  test("answers the error that the call would: of the request, of the state, of the room", async () => {
    const { gpu } = await boot(4 * MIB);
    const suspend = { type: "suspend", state: "S3", validateOnly: true } as const;
    expect(await reasonOf(gpu.execute({ ...suspend, idleTimeoutMs: -1 }))).toBe("INVALID_REQUEST");
    expect(await reasonOf(gpu.execute({ ...suspend, state: "S2IDLE", hybrid: true }))).toBe(
      "INVALID_REQUEST",
    );
    for (let seed = 0; seed < 6; seed++) await gpu.upload(patternOf(seed, MIB));
    const refusal = {
      reason: "SYSTEM_MEMORY_EXHAUSTED",
      message: expect.stringMatching(/^System memory \(4 MiB\) has .* free, which is not enough for .*\.$/),
      metadata: { region: "smem", availableBytes: expect.stringMatching(/^\d+$/) },
    };
    await expect(gpu.execute(suspend)).rejects.toMatchObject(refusal);
    await expect(gpu.execute({ ...suspend, validateOnly: false })).rejects.toMatchObject(refusal);
    await gpu.execute({ type: "resetDevice", scope: "FACTORY" });
    await gpu.execute({ type: "suspend", state: "S3" });
    expect(await reasonOf(gpu.execute({ ...suspend, state: "S2IDLE" }))).toBe("DEVICE_SUSPENDED");
    expect(await gpu.execute(suspend)).toMatchObject({ alreadyInState: true });
  });

  test("of S4 finds out whether the store has room, and leaves nothing there", async () => {
    const small = new MemoryImageStore(MIB);
    const { gpu } = await boot(64 * MIB, small);
    await populate(gpu);
    const suspend = { type: "suspend", state: "S4", validateOnly: true } as const;
    expect(await reasonOf(gpu.execute(suspend))).toBe("IMAGE_STORE_FULL");
    expect(small.images.size).toBe(0);
    const large = new MemoryImageStore();
    const { gpu: other } = await boot(64 * MIB, large);
    await populate(other);
    expect(await other.execute(suspend)).toMatchObject({ kind: "SUSPEND", sleepState: "S4" });
    expect(large.images.size).toBe(0);
    const { gpu: none } = await boot();
    expect(await reasonOf(none.execute(suspend))).toBe("IMAGE_STORE_MISSING");
  });
});

function boot(smemBytes = 64 * MIB, images?: MemoryImageStore, swap?: MemoryStore): Promise<FaultyDevice> {
  return bootFaulty({
    smem: { sizeBytes: smemBytes },
    ...(images === undefined ? {} : { images }),
    ...(swap === undefined ? {} : { swap }),
  });
}

/** An object that will be evicted, and one that is pinned. */
async function populate(gpu: VirtualDevice): Promise<{ hashes: Map<string, string>; ids: string[] }> {
  const hashes = new Map<string, string>();
  for (let seed = 0; seed < 2; seed++) {
    const bytes = patternOf(seed, MIB);
    hashes.set(await gpu.upload(bytes), hashOf(bytes));
  }
  const ids = [...hashes.keys()];
  await gpu.execute({ type: "pinObject", object: ids[1] });
  return { hashes, ids };
}
