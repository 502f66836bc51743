/** What each step of a suspend owes the next: none of this could be left out unnoticed. Each was a mutation at first. */
import { describe, expect, test } from "vitest";
import type { PhaseName, PhaseRecord, TransitionResource } from "../../../src/device/mod.ts";
import { bootFaulty, ERROR_ONCE } from "../../support/faulty-device.ts";
import { boot, populate } from "../../support/hibernation.ts";
import { MemoryStore } from "../../support/regions.ts";
import { bootVirtual, hashOf, look, MIB, patternOf, reasonOf, together } from "../../support/test-device.ts";

const BYTES = patternOf(1, 8 * MIB);
const SMALL_WINDOW = { lmem: [{ sizeBytes: 16 * MIB, visibleBytes: 4 * MIB }] };

describe("a command in progress", () => {
  test("ends before anything is copied: what a suspend takes along is whole", async () => {
    const { gpu, failpoints } = await bootFaulty();
    const object = await gpu.upload(BYTES, { regions: ["lmem0", "smem"] });
    // The CPU takes its time over what the blitter did not copy.
    failpoints.arm("copy.blit", ERROR_ONCE);
    const [moved, suspended] = await together(gpu, [
      { type: "moveObject", object, region: "smem" },
      { type: "suspend", state: "S3" },
    ]);
    expect([moved.status, suspended.status]).toEqual(["fulfilled", "fulfilled"]);
    const { transition } = await gpu.execute({ type: "getDevice" });
    const prepare = phaseOf(await gpu.execute({ type: "getTransition", transition }), "prepare");
    expect(prepare.durationNs).toBeGreaterThan(50_000_000n);
    await gpu.execute({ type: "resume" });
    expect(hashOf(await gpu.download(object))).toBe(hashOf(BYTES));
  });

  test("keeps a device awake that would suspend itself", async () => {
    const runtimePm = { enabled: true, autosuspendDelayMs: 10, d3coldThresholdBytes: 0 };
    const { gpu, failpoints } = await bootFaulty({ runtimePm });
    const object = await gpu.upload(BYTES, { regions: ["lmem0", "smem"] });
    const { transition } = await gpu.execute({ type: "getDevice" });
    failpoints.arm("copy.blit", ERROR_ONCE);
    await gpu.execute({ type: "moveObject", object, region: "smem" });
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ dState: "D0", transition });
  });
});

test("commands that were held run in the order in which they came", async () => {
  const gpu = await bootVirtual();
  const object = await gpu.upload(new Uint8Array(MIB));
  await gpu.execute({ type: "suspend", state: "S3" });
  const writes = [1, 2, 3].map((seed) =>
    gpu.device.execute({
      type: "writeObject",
      object,
      offsetBytes: 0,
      data: patternOf(seed, MIB),
      hold: "until-active",
    }),
  );
  await gpu.execute({ type: "resume" });
  await gpu.clock.run(Promise.all(writes));
  expect(hashOf(await gpu.download(object))).toBe(hashOf(patternOf(3, MIB)));
});

test("what work used in step 1 is evicted in step 2, and not backed up", async () => {
  const gpu = await bootVirtual({ engines: ["rcs0", "bcs0"] });
  const object = await gpu.upload(BYTES);
  const { id: context } = await gpu.execute({ type: "createContext", engine: "rcs0", priority: "NORMAL" });
  await gpu.execute({
    type: "submitWork",
    context,
    commands: [
      { op: "storeDword", object, offsetBytes: 0, value: 1 },
      { op: "spin", durationMs: 20 },
    ],
    waitFences: [],
  });
  const suspended = await gpu.execute({ type: "suspend", state: "S3" });
  expect(phaseOf(suspended, "evict").objects).toBe(0);
  expect(phaseOf(suspended, "evict_pinned").objects).toBeGreaterThan(0);
  expect(suspended.evictedBytes).toBeGreaterThanOrEqual(BYTES.length);
  expect(await look(gpu, object)).toMatchObject({ region: "smem", hasBackup: false });
});

test("what the blitter lives on is copied by the CPU, when the blitter has been withdrawn", async () => {
  const gpu = await bootVirtual();
  const suspended = await gpu.execute({ type: "suspend", state: "S3" });
  expect(phaseOf(suspended, "evict_pinned").objects).toBe(0);
  expect(phaseOf(suspended, "memcpy").memcpyBytes).toBe(suspended.backupBytes);
});

test("a backup whose copy failed is attached to nobody", async () => {
  const { gpu, failpoints } = await bootFaulty(SMALL_WINDOW);
  const object = await gpu.upload(BYTES, { regions: ["lmem0", "smem"] });
  await gpu.execute({ type: "pinObject", object, region: "lmem0" });
  failpoints.arm("copy.blit", ERROR_ONCE);
  expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("COPY_FAILED");
  const { transition } = await gpu.execute({ type: "getDevice" });
  expect(await gpu.execute({ type: "getTransition", transition })).toMatchObject({ recovered: true });
  const recover = phaseOf(await gpu.execute({ type: "getTransition", transition }), "recover");
  expect(recover.durationNs).toBeLessThan(1_000_000_000n);
  expect((await look(gpu, object)).hasBackup).toBe(false);
  gpu.device.checkInvariants();
  await gpu.execute({ type: "suspend", state: "S3" });
  await gpu.execute({ type: "resume" });
  await gpu.execute({ type: "unpinObject", object });
  expect(hashOf(await gpu.download(object))).toBe(hashOf(BYTES));
});

test("no cancel is taken once the power is being cut", async () => {
  const { gpu, failpoints } = await bootFaulty();
  failpoints.arm("powerOff.after", { ...ERROR_ONCE, action: "DELAY", delayMs: 1000 });
  const { id } = await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
  await gpu.clock.advance(500);
  const cancelled = reasonOf(gpu.execute({ type: "cancelTransition", transition: id }));
  expect(await cancelled).toBe("TRANSITION_NOT_CANCELLABLE");
  await gpu.clock.advance(1000);
  expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("SUSPENDED");
});

test("S4 loses swap too: nothing that was swapped out can be read there any more", async () => {
  const swap = new MemoryStore(4 * MIB);
  const { gpu } = await boot({ swap });
  const { markers } = await populate(gpu);
  const swapped = (): string[] => [...markers.values()].filter((marker) => includes(swap.bytes, marker));
  expect(swapped().length).toBeGreaterThan(0);
  const { objects } = await gpu.execute({
    type: "listObjects",
    afterId: "",
    limit: 1000,
    showDeviceOwned: false,
  });
  const then = objects.filter(({ state }) => state === "SWAPPED").map(({ id }) => markers.get(id));
  expect(then.length).toBeGreaterThan(0);
  await gpu.execute({ type: "suspend", state: "S4" });
  expect(swapped().filter((marker) => then.includes(marker))).toEqual([]);
});

function phaseOf({ phases }: TransitionResource, name: PhaseName): PhaseRecord {
  const found = phases.find(({ phase }) => phase === name);
  if (found === undefined) throw new Error(`the transition has no phase ${name}`);
  return found;
}

function includes(bytes: Uint8Array, text: string): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(text);
}

test("power loss destroys what was used since the last one, and no more: its cost follows what is in local memory", async () => {
  const gpu = await bootVirtual();
  const { bank } = gpu.device.memory.region(1);
  const object = await gpu.upload(patternOf(1, MIB), { regions: ["lmem0"] });
  const [{ offsetBytes }] = (await gpu.execute({ type: "getObject", object })).extents;
  const wordThere = (): number => bank.words[offsetBytes / 4];
  await gpu.execute({ type: "suspend", state: "S3" });
  await gpu.clock.run(gpu.device.rail.restored());
  const pattern = wordThere();
  await gpu.execute({ type: "resume" });
  await gpu.execute({ type: "suspend", state: "S3" });
  await gpu.clock.run(gpu.device.rail.restored());
  expect(wordThere()).toBe(pattern);
  await gpu.execute({ type: "resume" });
  await gpu.execute({ type: "moveObject", object, region: "lmem0" });
  const isThere = () => Buffer.from(bank.memory.buffer).includes(patternOf(1, 64));
  expect(isThere()).toBe(true);
  await gpu.execute({ type: "suspend", state: "S3" });
  await gpu.clock.run(gpu.device.rail.restored());
  expect(isThere()).toBe(false);
  await gpu.execute({ type: "resume" });
  expect(hashOf(await gpu.download(object))).toBe(hashOf(patternOf(1, MIB)));
});

test("power loss destroys what stays in its place each time, although nobody takes that place anew", async () => {
  const gpu = await bootVirtual();
  const { bank } = gpu.device.memory.region(1);
  const object = await gpu.upload(patternOf(2, MIB), { regions: ["lmem0"] });
  await gpu.execute({ type: "pinObject", object });
  const isThere = () => Buffer.from(bank.memory.buffer).includes(patternOf(2, 64));
  for (let cycle = 0; cycle < 3; cycle++) {
    expect(isThere()).toBe(true);
    await gpu.execute({ type: "suspend", state: "S3" });
    await gpu.clock.run(gpu.device.rail.restored());
    expect(isThere()).toBe(false);
    await gpu.execute({ type: "resume" });
  }
  expect(hashOf(await gpu.download(object))).toBe(hashOf(patternOf(2, MIB)));
});
