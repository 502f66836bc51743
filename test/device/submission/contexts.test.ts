/** Contexts: what is in local memory of them, what becomes of it, and what happens when it is damaged there. */
import { describe, expect, test } from "vitest";
import type { WorkCommand } from "../../../src/device/mod.ts";
import { bootVirtual, KIB, MIB, patternOf, reasonOf, type VirtualDevice } from "../../support/test-device.ts";

const SPIN: WorkCommand[] = [{ op: "spin", durationMs: 1 }];
const LOAD: WorkCommand[] = [{ op: "loadRegister", register: 5, value: 55n }];

describe("the image and ring of a context", () => {
  test("are pinned while there is work, evicted like anything else when there is none, and come back for the next", async () => {
    const gpu = await boot();
    const ctx = await context(gpu);
    const { image, ring } = await describeContext(gpu, ctx);
    await finish(gpu, await submit(gpu, ctx, LOAD));
    const spin = await submit(gpu, ctx, [{ op: "spin", durationMs: 10 }]);
    await gpu.clock.advance(1);
    for (const object of [image, ring])
      expect(await look(gpu, object)).toMatchObject({ pinCount: 1, region: "lmem0" });
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
    for (const object of [image, ring])
      expect(await look(gpu, object)).toMatchObject({ pinCount: 1, region: "lmem0" });
    await finish(gpu, spin);
    for (const object of [image, ring])
      expect(await look(gpu, object)).toMatchObject({ pinCount: 0, region: "lmem0" });
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
    for (const object of [image, ring])
      expect(await look(gpu, object)).toMatchObject({ pinCount: 0, region: "smem" });
    expect((await describeContext(gpu, ctx)).registers[5]).toBe(55n);
    await finish(gpu, await submit(gpu, ctx, SPIN));
    expect(await look(gpu, image)).toMatchObject({ region: "lmem0" });
    expect((await describeContext(gpu, ctx)).registers[5]).toBe(55n);
    gpu.device.checkInvariants();
  });

  test.each(["in local memory", "after it was evicted", "over a suspend"])(
    "[design: a damaged context image] is found when the image was damaged %s: one request fails, the next starts afresh, others do not notice",
    async (when) => {
      const gpu = await boot();
      const damaged = await context(gpu);
      const other = await context(gpu);
      for (const ctx of [damaged, other]) await finish(gpu, await submit(gpu, ctx, LOAD));
      if (when === "after it was evicted") await gpu.execute({ type: "evictRegion", region: "lmem0" });
      if (when === "over a suspend") await gpu.execute({ type: "suspend", state: "S3" });
      flip(gpu, (await describeContext(gpu, damaged)).image, 100);
      if (when === "over a suspend") await gpu.execute({ type: "resume" });
      expect((await describeContext(gpu, damaged)).registers).toEqual([]);
      const fence = await submit(gpu, damaged, SPIN);
      expect(await ended(gpu, fence)).toMatchObject({ state: "FAILED", error: { reason: "ENGINE_HUNG" } });
      await finish(gpu, await submit(gpu, damaged, SPIN));
      expect((await describeContext(gpu, damaged)).registers[5]).toBe(0n);
      await finish(gpu, await submit(gpu, other, SPIN));
      expect((await describeContext(gpu, other)).registers[5]).toBe(55n);
      expect((await gpu.execute({ type: "getDevice" })).wedged).toBe(false);
      gpu.device.checkInvariants();
    },
  );

  test("damaged while the context waits for its turn is a fault of the engine, which costs that context alone", async () => {
    const gpu = await boot();
    const object = await gpu.upload(new Uint8Array(64 * KIB));
    const running = await context(gpu);
    const damaged = await context(gpu);
    const innocent = await context(gpu);
    const spin = await submit(gpu, running, [{ op: "spin", durationMs: 20 }, ...addOne(object, 0)]);
    const fence = await submit(gpu, damaged, SPIN);
    const behind = await submit(gpu, innocent, addOne(object, 4));
    await gpu.clock.advance(1);
    flip(gpu, (await describeContext(gpu, damaged)).image, 100);
    await finish(gpu, spin);
    expect((await ended(gpu, fence)).state).toBe("FAILED");
    await finish(gpu, behind);
    expect(await gpu.execute({ type: "getEngine", engine: "rcs0" })).toMatchObject({
      resets: 1,
      state: expect.stringMatching("IDLE|RUNNING"),
      lastHang: { context: damaged, fence },
    });
    expect([await dword(gpu, object, 0), await dword(gpu, object, 4)]).toEqual([1, 1]);
    await finish(gpu, await submit(gpu, damaged, SPIN));
  });

  test.each([
    ["an opcode that does not exist", 0, 0xff],
    ["a bank that does not exist", 3, 0x40],
    ["an address beyond its bank", 22, 0x10],
    ["an address that is not a dword's", 16, 0x01],
  ])("damaged in the ring, %s is a fault: the request fails, the engine goes on", async (_what, at, bits) => {
    const gpu = await boot();
    const object = await gpu.upload(new Uint8Array(64 * KIB));
    const ctx = await context(gpu);
    const other = await context(gpu);
    // The store is the second command of the ring.
    const fence = await submit(gpu, ctx, [
      { op: "spin", durationMs: 20 },
      { op: "storeDword", object, offsetBytes: 0, value: 1 },
    ]);
    const behind = await submit(gpu, ctx, SPIN);
    await gpu.clock.advance(1);
    flip(gpu, (await describeContext(gpu, ctx)).ring, 32 + at, bits);
    expect(await ended(gpu, fence)).toMatchObject({ state: "FAILED", error: { reason: "ENGINE_HUNG" } });
    await finish(gpu, behind);
    await finish(gpu, await submit(gpu, other, addOne(object, 0)));
    expect(await dword(gpu, object, 0)).toBe(1);
    gpu.device.checkInvariants();
  });

  test("that find no room in local memory fail the request, not the context", async () => {
    const gpu = await boot({ lmem: [{ sizeBytes: 4 * MIB }] });
    const ctx = await context(gpu);
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
    const pinned: string[] = [];
    for (;;) {
      const id = await gpu.upload(patternOf(1, 64 * KIB));
      if ((await reasonOf(gpu.execute({ type: "pinObject", object: id }))) !== "none") break;
      pinned.push(id);
    }
    expect((await ended(gpu, await submit(gpu, ctx, SPIN))).error?.reason).toBe("REGION_FULL");
    await gpu.execute({ type: "unpinObject", object: pinned[0] });
    await gpu.execute({ type: "unpinObject", object: pinned[1] });
    await finish(gpu, await submit(gpu, ctx, SPIN));
    gpu.device.checkInvariants();
  });

  test("go with the context: made and deleted a thousand times, nothing of it is left", async () => {
    const gpu = await boot();
    const before = await gpu.execute({ type: "listRegions" });
    for (let round = 0; round < 1000; round++) {
      const ctx = await context(gpu);
      if (round % 3 > 0) {
        const fence = await submit(gpu, ctx, SPIN);
        if (round % 3 === 2) await finish(gpu, fence);
        else await gpu.execute({ type: "resetDevice", scope: "GT" });
      }
      if (round % 7 === 2) await gpu.execute({ type: "evictRegion", region: "lmem0" });
      await gpu.execute({ type: "deleteContext", context: ctx });
    }
    await gpu.clock.advance(1);
    const after = await gpu.execute({ type: "listRegions" });
    expect(after.map(({ usedBytes, pinnedBytes }) => [usedBytes, pinnedBytes])).toEqual(
      before.map(({ usedBytes, pinnedBytes }) => [usedBytes, pinnedBytes]),
    );
    expect(gpu.device.memory.ownedSlots.length).toBe(8);
    gpu.device.checkInvariants();
  });
});

test("[invariants 52, 53] firmware that has forgotten every context is told of each before its next use", async () => {
  const gpu = await boot();
  const contexts: string[] = [];
  for (let index = 0; index < 8; index++) contexts.push(await context(gpu));
  for (const sleep of ["S2IDLE", "S3"] as const) {
    for (const ctx of contexts) await finish(gpu, await submit(gpu, ctx, SPIN));
    await gpu.execute({ type: "suspend", state: sleep });
    await gpu.execute({ type: "resume" });
    const fences: string[] = [];
    for (const ctx of contexts) fences.push(await submit(gpu, ctx, SPIN));
    for (const fence of fences) await finish(gpu, fence);
    await gpu.execute({ type: "evictRegion", region: "lmem0" });
  }
  expect(gpu.events.some(({ type }) => type === "blitterFallback" || type === "engineReset")).toBe(false);
});

function boot(options: Parameters<typeof bootVirtual>[0] = {}): Promise<VirtualDevice> {
  return bootVirtual({ engines: ["rcs0", "bcs0"], ...options });
}

async function context(gpu: VirtualDevice): Promise<string> {
  return (await gpu.execute({ type: "createContext", engine: "rcs0", priority: "NORMAL" })).id;
}

function describeContext(gpu: VirtualDevice, context: string) {
  return gpu.execute({ type: "getContext", context });
}

function look(gpu: VirtualDevice, object: string) {
  return gpu.execute({ type: "getObject", object });
}

async function submit(
  gpu: VirtualDevice,
  context: string,
  commands: readonly WorkCommand[],
): Promise<string> {
  return (await gpu.execute({ type: "submitWork", context, commands, waitFences: [] })).id;
}

function ended(gpu: VirtualDevice, fence: string) {
  return gpu.execute({ type: "waitFence", fence, timeoutMs: 60_000 });
}

async function finish(gpu: VirtualDevice, fence: string): Promise<void> {
  const { state, error } = await ended(gpu, fence);
  expect(state, error?.message).toBe("SIGNALED");
}

function addOne(object: string, offsetBytes: number): WorkCommand[] {
  return [{ op: "add", object, offsetBytes, lengthBytes: 4, value: 1 }];
}

async function dword(gpu: VirtualDevice, object: string, offsetBytes: number): Promise<number> {
  const data = await gpu.execute({ type: "readObject", object, offsetBytes, lengthBytes: 4 });
  return new DataView(data.buffer, data.byteOffset).getUint32(0, true);
}

/** Flips bits of an object's byte where it is, as a fault of the memory would. */
function flip(gpu: VirtualDevice, object: string, offsetBytes: number, bits = 0x10): void {
  const { memory } = gpu.device;
  const slot = memory.findObject(object);
  const region = memory.region(memory.table.region[slot]);
  const [extent] = region.extents(memory.table.resource[slot]);
  region.bank.bytes[extent.offsetBytes + offsetBytes] ^= bits;
}
