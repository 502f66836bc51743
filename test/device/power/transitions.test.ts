import { describe, expect, test } from "vitest";
import { settledWithin } from "../../../src/device/clock.ts";
import { HELD_COMMANDS_MAX, HELD_COMMANDS_OF_ONE_MAX } from "../../../src/device/limits.ts";
import { bootFaulty, ERROR_ONCE } from "../../support/faulty-device.ts";
import {
  bootVirtual,
  create,
  hashOf,
  MIB,
  patternOf,
  reasonOf,
  type VirtualDevice,
} from "../../support/test-device.ts";

describe("a failed suspend", () => {
  test.each([
    ["evict", 2 * MIB],
    ["evict_pinned", 9 * MIB],
  ])(
    "for want of system memory in %s ends ACTIVE with every byte, no backup, and can be repeated",
    async (phase, smem) => {
      const gpu = await bootVirtual({ smem: { sizeBytes: smem } });
      const { hashes, evictable } = await half(gpu);
      const failure = gpu.execute({ type: "suspend", state: "S3" });
      await expect(failure).rejects.toMatchObject({
        reason: "SYSTEM_MEMORY_EXHAUSTED",
        metadata: { transition: "1" },
      });
      const transition = await gpu.execute({ type: "getTransition", transition: "1" });
      expect(transition).toMatchObject({ state: "FAILED", recovered: true });
      expect(transition.phases.map((each) => each.phase).slice(-2)).toEqual([phase, "recover"]);
      expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("ACTIVE");
      gpu.device.checkInvariants();
      await expectBytes(gpu, hashes);

      for (const object of evictable) {
        await gpu.execute({ type: "deleteObject", object });
        hashes.delete(object);
      }
      if (smem < 9 * MIB) return;
      await gpu.execute({ type: "suspend", state: "S3" });
      await gpu.execute({ type: "resume" });
      await expectBytes(gpu, hashes);
    },
  );
});

test("a suspend for which system memory has no room ends, however many batches there are to evict", async () => {
  const gpu = await bootVirtual({ lmem: [{ sizeBytes: 256 * MIB }], smem: { sizeBytes: 2 * MIB } });
  for (let at = 0; at < 6; at++) {
    const object = await create(gpu, { sizeBytes: 32 * MIB, regions: ["lmem0"] });
    await gpu.execute({ type: "pinObject", object });
    await gpu.execute({ type: "unpinObject", object });
  }
  const { system } = gpu.device.memory;
  const allocate = system.allocate.bind(system);
  let asked = 0;
  system.allocate = (request) => {
    // Nothing else could end a walk that never lets go of the event loop, the test's own timeout neither.
    if (++asked > 1000) throw new Error("the same objects are tried again and again");
    return allocate(request);
  };
  expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("SYSTEM_MEMORY_EXHAUSTED");
  expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("ACTIVE");
  gpu.device.checkInvariants();
});

describe("transitions", () => {
  test("tell with each phase what ended it before it was done", async () => {
    const gpu = await bootVirtual({ smem: { sizeBytes: 2 * MIB } });
    await half(gpu);
    await reasonOf(gpu.execute({ type: "suspend", state: "S3" }));
    const ends = gpu.events.flatMap((event) =>
      event.type === "phaseEnded" ? [[event.phase.phase, event.error?.reason]] : [],
    );
    expect(ends).toEqual([
      ["prepare", undefined],
      ["evict", "SYSTEM_MEMORY_EXHAUSTED"],
      ["recover", undefined],
    ]);
  });

  test("have times that fit together though the wall clock is coarse and set back meanwhile", async () => {
    const gpu = await bootVirtual();
    await half(gpu);
    const wallNs = gpu.clock.wallNs.bind(gpu.clock);
    let readings = 0n;
    gpu.clock.wallNs = () => wallNs() - 1_000_000_000n * readings++;
    const { phases, startTimeNs, endTimeNs } = await gpu.execute({ type: "suspend", state: "S3" });
    let nextNs = startTimeNs;
    for (const { startTimeNs: beganNs, durationNs } of phases) {
      expect(beganNs).toBeGreaterThanOrEqual(nextNs);
      nextNs = beganNs + durationNs;
    }
    expect(endTimeNs).toBeGreaterThanOrEqual(nextNs);
  });

  test("answer at once when told not to wait, and refuse a second one meanwhile", async () => {
    const gpu = await bootVirtual();
    await half(gpu);
    const running = await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
    expect(running.state).toBe("RUNNING");
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("TRANSITION_IN_PROGRESS");
    expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("TRANSITION_IN_PROGRESS");
    await gpu.clock.advance(1000);
    expect((await gpu.execute({ type: "getTransition", transition: running.id })).state).toBe("SUCCEEDED");
  });

  test("to the state that the device is in run nothing", async () => {
    const gpu = await bootVirtual();
    expect(await gpu.execute({ type: "resume" })).toMatchObject({ alreadyInState: true, kind: "RESUME" });
    const suspended = await gpu.execute({ type: "suspend", state: "S3" });
    const again = await gpu.execute({ type: "suspend", state: "S3" });
    expect(again).toMatchObject({ id: suspended.id, alreadyInState: true });
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S2IDLE" }))).toBe("DEVICE_SUSPENDED");
    expect((await gpu.execute({ type: "getDevice" })).suspendCount).toBe(1);
  });

  test("are listed newest first", async () => {
    const gpu = await bootVirtual();
    await gpu.execute({ type: "suspend", state: "S3" });
    await gpu.execute({ type: "resume" });
    const page = await gpu.execute({ type: "listTransitions", beforeId: "", limit: 1 });
    expect(page.transitions.map((each) => each.kind)).toEqual(["RESUME"]);
    const rest = await gpu.execute({ type: "listTransitions", beforeId: page.nextBeforeId, limit: 10 });
    expect(rest.transitions.map((each) => each.kind)).toEqual(["SUSPEND"]);
    expect(rest.nextBeforeId).toBe("");
  });

  test("can be cancelled until power_off begins; every byte is as before", async () => {
    const gpu = await bootVirtual();
    const { hashes } = await half(gpu);
    const { id } = await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
    const cancelled = await gpu.execute({ type: "cancelTransition", transition: id });
    expect(cancelled).toMatchObject({ state: "CANCELLED", recovered: true });
    expect(cancelled.error?.reason).toBe("TRANSITION_CANCELLED");
    await expectBytes(gpu, hashes);
    expect(await reasonOf(gpu.execute({ type: "cancelTransition", transition: id }))).toBe(
      "TRANSITION_NOT_CANCELLABLE",
    );
    expect(await reasonOf(gpu.execute({ type: "cancelTransition", transition: "99" }))).toBe(
      "TRANSITION_NOT_FOUND",
    );
  });

  test("hear a cancel between two objects that a failpoint delays", async () => {
    const { gpu, failpoints } = await bootFaulty();
    const { hashes } = await half(gpu);
    failpoints.arm("evict.object", { ...ERROR_ONCE, action: "DELAY", delayMs: 60_000, count: 0 });
    const { id } = await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
    const cancelled = gpu.device.execute({ type: "cancelTransition", transition: id });
    await gpu.clock.advance(61_000);
    expect((await gpu.execute({ type: "getTransition", transition: id })).state).toBe("CANCELLED");
    await gpu.clock.run(cancelled);
    failpoints.reset();
    await expectBytes(gpu, hashes);
  });

  test("show the phase that runs, with what it has done so far", async () => {
    const gpu = await bootVirtual();
    await half(gpu);
    const { id } = await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
    const seen: number[] = [];
    for (let state = "RUNNING"; state === "RUNNING"; ) {
      await gpu.clock.advance(0.1);
      const transition = await gpu.execute({ type: "getTransition", transition: id });
      state = transition.state;
      seen.push(transition.evictedBytes + transition.backupBytes);
      const names = transition.phases.map((each) => each.phase);
      expect(new Set(names).size).toBe(names.length);
    }
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(new Set(seen).size).toBeGreaterThan(3);
  });

  test("count exactly the bytes that they move, by path", async () => {
    const gpu = await bootVirtual();
    await half(gpu);
    const suspended = await gpu.execute({ type: "suspend", state: "S3" });
    const phases = new Map(suspended.phases.map((phase) => [phase.phase, phase]));
    expect(phases.get("evict")).toMatchObject({ objects: 6, blitterBytes: 6 * MIB, memcpyBytes: 0 });
    expect(phases.get("evict_pinned")).toMatchObject({ objects: 4, blitterBytes: 4 * MIB, memcpyBytes: 0 });
    expect(phases.get("memcpy")).toMatchObject({ objects: 2, blitterBytes: 0, skippedVolatile: 4 });
    expect(suspended).toMatchObject({ evictedBytes: 6 * MIB, backupObjects: 6 });
    const resumed = await gpu.execute({ type: "resume" });
    expect(resumed).toMatchObject({ restoredObjects: 6, restoredBytes: suspended.backupBytes });
  });
});

describe("commands during a transition", () => {
  test("are refused while it runs and while suspended; metadata is always served", async () => {
    const gpu = await bootVirtual();
    const { hashes } = await half(gpu);
    const [object] = [...hashes.keys()];
    const read = { type: "readObject", object, offsetBytes: 0, lengthBytes: 1 } as const;
    await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
    expect(await reasonOf(gpu.execute(read))).toBe("DEVICE_TRANSITION");
    expect((await gpu.execute({ type: "getObject", object })).id).toBe(object);
    await gpu.clock.advance(1000);
    expect(await reasonOf(gpu.execute(read))).toBe("DEVICE_SUSPENDED");
    expect(await reasonOf(gpu.execute({ ...read, hold: "transition" }))).toBe("DEVICE_SUSPENDED");
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("SUSPENDED");
  });

  test("that asked to be held run exactly once when the device is ACTIVE", async () => {
    const gpu = await bootVirtual();
    await half(gpu);
    await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
    const held = gpu.device.execute({
      type: "createObject",
      sizeBytes: MIB,
      regions: [],
      flags: [],
      alignmentBytes: 0,
      label: "held",
      hold: "transition",
    });
    await gpu.clock.advance(1000);
    expect(await settledWithin(gpu.clock, Promise.resolve(), 0)).toBe(true);
    await gpu.execute({ type: "resume" });
    expect((await gpu.clock.run(held)).label).toBe("held");
    const list = { type: "listObjects", afterId: "", limit: 100, showDeviceOwned: false } as const;
    const { objects } = await gpu.execute({ ...list, filter: { label: "held" } });
    expect(objects).toHaveLength(1);
  });

  test("of one caller are no more than its share", async () => {
    const gpu = await bootVirtual();
    const object = await create(gpu, { sizeBytes: MIB });
    await gpu.execute({ type: "suspend", state: "S3" });
    const sum = (caller: string | undefined) =>
      gpu.device.execute({ type: "checksumObject", object, hold: "until-active", caller });
    const greedy = Array.from({ length: HELD_COMMANDS_OF_ONE_MAX }, () => sum("token greedy"));
    await expect(sum("token greedy")).rejects.toMatchObject({
      reason: "LIMIT_EXCEEDED",
      message:
        `${HELD_COMMANDS_OF_ONE_MAX} commands of this caller are already held until the device is active, ` +
        `its share of ${HELD_COMMANDS_MAX}.`,
    });
    // Callers who are not told apart share all places.
    const others = [sum("token modest"), ...greedy.map(() => sum(undefined)), sum(undefined)];
    await gpu.execute({ type: "resume" });
    expect(await gpu.clock.run(Promise.all([...greedy, ...others]))).toHaveLength(2 * greedy.length + 2);
    expect((await gpu.execute({ type: "checksumObject", object })).crc32c).toBeDefined();
  });

  test("are held no longer than the limit", async () => {
    const gpu = await bootVirtual();
    await gpu.execute({ type: "suspend", state: "S3" });
    const held = gpu.device.execute({ type: "checksumObject", object: "1", hold: "until-active" });
    const reason = reasonOf(held);
    await gpu.clock.advance(61_000);
    expect(await reason).toBe("DEVICE_SUSPENDED");
  });
});

/** Ten objects of 1 MiB, four of them pinned. */
async function half(gpu: VirtualDevice): Promise<{ hashes: Map<string, string>; evictable: string[] }> {
  const hashes = new Map<string, string>();
  const evictable: string[] = [];
  for (let seed = 0; seed < 10; seed++) {
    const bytes = patternOf(seed, MIB);
    const id = await gpu.upload(bytes);
    hashes.set(id, hashOf(bytes));
    if (seed < 4) await gpu.execute({ type: "pinObject", object: id });
    else evictable.push(id);
  }
  return { hashes, evictable };
}

async function expectBytes(gpu: VirtualDevice, hashes: ReadonlyMap<string, string>): Promise<void> {
  for (const [id, hash] of hashes) expect(hashOf(await gpu.download(id)), `object ${id}`).toBe(hash);
}
