/** Scenarios H of docs/conformance.md: what goes on inside of a suspend, and who comes in the middle of it. */
import { describe, expect, test } from "vitest";
import {
  type Command,
  DEFAULT_POLICY,
  type FailpointName,
  type ObjectFlag,
  type SleepState,
} from "../../../src/device/mod.ts";
import { ERROR_ONCE, unpinUnderneath } from "../../support/faulty-device.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
import {
  ANY_OBJECT,
  bytesInPlace,
  create,
  hashOf,
  KIB,
  look,
  MIB,
  patternOf,
  reasonOf,
  type VirtualDevice,
  wrongContents,
} from "../../support/test-device.ts";
import { momentOf, type SeenObject } from "../../support/transition-moments.ts";
import { bootWatched, expectRulesKept, type WatchedDevice } from "../../support/transition-rules.ts";
import { dwords, finish, newContext, request, SHORT, store, submit } from "../../support/work.ts";

const STATES: readonly SleepState[] = ["S2IDLE", "S3", "S4"];

describe("one object of each class", () => {
  /** The decision table of section 1.3: what becomes of each, in which phase, and by which path if bytes move. */
  const TABLE: Readonly<Record<string, readonly string[]>> = {
    idle: ["evict evicted blitter"],
    inFlight: ["evict_pinned evicted blitter"],
    "image of a busy context": ["evict_pinned evicted blitter"],
    "ring of a busy context": ["evict_pinned evicted blitter"],
    "image of an idle context": ["evict evicted blitter"],
    "ring of an idle context": ["evict evicted blitter"],
    pinned: ["evict_pinned backed up blitter", "restore_late restored blitter"],
    pinnedEarly: ["memcpy backed up memcpy", "restore_early restored memcpy"],
    pinnedVolatile: [],
    looseEarly: ["evict evicted blitter"],
    looseVolatile: ["evict evicted blitter"],
    unneeded: ["evict thrown away"],
    inSystem: [],
    pinnedInSystem: [],
    unpopulated: [],
    "firmware image": ["memcpy backed up memcpy", "restore_early restored memcpy"],
    "migrate page table": ["memcpy backed up memcpy", "restore_early restored memcpy"],
    "kernel context image": [],
    stolen: [],
  };

  test.each(STATES)(
    "[code:TPM] [kms_pipe_crc_basic@suspend-read-crc] goes through a suspend to %s as the decision table says",
    async (state) => {
      const log = new Map<string, string[]>();
      let last: ReturnType<typeof momentOf> | undefined;
      const ids = new Map<string, string>();
      const watched = await boot({
        stolenBytes: 64 * KIB,
        emit: (event) => {
          if (last === undefined || event.type !== "phaseEnded") return;
          const now = momentOf(watched.gpu.device);
          const { phase, blitterBytes } = event.phase;
          for (const [name, id] of ids) {
            const what = change(last.objects.get(id), now.objects.get(id));
            const path = blitterBytes > 0 ? "blitter" : "memcpy";
            if (what === undefined) continue;
            log.get(name)?.push(`${phase} ${what}${what === "thrown away" ? "" : ` ${path}`}`);
          }
          last = now;
        },
      });
      const { gpu } = watched;
      await makeOneOfEach(gpu, ids);
      expect([...ids.keys()].sort()).toEqual(Object.keys(TABLE).sort());
      for (const name of ids.keys()) log.set(name, []);
      last = momentOf(gpu.device);
      // One more was deleted, and is still there as long as work uses it.
      expect(last.dying).toBe(1);
      await gpu.execute({ type: "suspend", state });
      expect(last.dying).toBe(0);
      await gpu.execute({ type: "resume" });
      expect(Object.fromEntries(log)).toEqual(TABLE);
      for (const [name, seed] of Object.entries(SEEDS)) {
        if (name === "pinnedVolatile" || name === "inFlight") continue;
        expect([name, hashOf(await gpu.download(ids.get(name) ?? ""))]).toEqual([
          name,
          hashOf(patternOf(seed, 64 * KIB)),
        ]);
      }
      const volatile = hashOf(bytesInPlace(gpu, ids.get("pinnedVolatile") ?? ""));
      expect(volatile === hashOf(patternOf(SEEDS.pinnedVolatile, 64 * KIB))).toBe(state === "S2IDLE");
      await expectRulesKept(watched, 2);
    },
  );
});

describe.each(STATES)("a suspend to %s", (state) => {
  test("[code:empty] [invariant 18] of an empty device moves nothing but what the hardware starts from, and takes no time but that", async () => {
    const watched = await boot();
    const { gpu } = watched;
    const before = gpu.clock.monotonicNs();
    const suspended = await gpu.execute({ type: "suspend", state });
    expect(Number(gpu.clock.monotonicNs() - before) / 1e6).toBeLessThan(50);
    expect(suspended).toMatchObject({ evictedObjects: 0, backupObjects: 2 });
    expect(await gpu.execute({ type: "resume" })).toMatchObject({ restoredObjects: 2 });
    await expectRulesKept(watched, 2);
  });

  test("[mail:bug-11] firmware that does not load at the resume leaves early objects restored and late backups kept; later all comes back", async () => {
    const images = new MemoryImageStore();
    const watched = await boot({ images });
    const { gpu, failpoints } = watched;
    const contents = await fill(gpu);
    const [pinned] = contents.keys();
    const early = await gpu.upload(patternOf(50, MIB), { flags: ["PM_EARLY"] });
    contents.set(early, patternOf(50, MIB));
    for (const object of [pinned, early]) await gpu.execute({ type: "pinObject", object });
    await gpu.execute({ type: "suspend", state });
    failpoints.arm("firmware.load", ERROR_ONCE);
    expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("FIRMWARE_LOAD_FAILED");
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "FAILED", wedged: true });
    expect((await look(gpu, early)).hasBackup).toBe(false);
    expect((await look(gpu, pinned)).hasBackup).toBe(true);
    expect(images.usable()).toHaveLength(state === "S4" ? 1 : 0);
    expect(await gpu.execute({ type: "resume" })).toMatchObject({ state: "SUCCEEDED", wedged: false });
    expect(images.usable()).toEqual([]);
    expect(await wrongContents(gpu, contents)).toEqual([]);
    gpu.device.checkInvariants();
    await expectRulesKept(watched, 3);
  });

  const STEPS: readonly FailpointName[] = [
    "evict.before",
    "evict.object",
    "evictPinned.before",
    "evictPinned.object",
    "memcpy.object",
    "firmware.stop",
    ...(state === "S4" ? ["image.write" as const] : []),
    "powerOff.before",
    "powerOn.before",
    "restoreEarly.object",
    "restoreLate.object",
  ];
  test.each(STEPS)(
    "[code:REG] [invariants 34, 36, 37, 38] what is created, deleted or moved at %s is refused, or held until all is done",
    async (name) => {
      const watched = await boot();
      const { gpu, failpoints } = watched;
      const contents = await fill(gpu);
      const [pinned, first, second, third] = contents.keys();
      await gpu.execute({ type: "pinObject", object: pinned });
      const hold = "refuse";
      const attempts: readonly Command[] = [
        { ...ANY_OBJECT, hold },
        { type: "deleteObject", object: first, hold },
        { type: "moveObject", object: second, region: "lmem0", hold },
        { type: "unpinObject", object: pinned, hold },
        { type: "pinObject", object: third, hold },
        { type: "adviseObject", object: third, advice: "DONT_NEED", hold },
        { type: "evictRegion", region: "lmem0", hold },
      ];
      failpoints.arm(name, { ...ERROR_ONCE, action: "DELAY", delayMs: 50 });
      const reaches = async (): Promise<boolean> => {
        for (let wait = 0; wait < 200 && failpoints.get(name).hits === 0; wait++) await gpu.clock.advance(1);
        return failpoints.get(name).hits > 0;
      };
      await gpu.execute({ type: "suspend", state, waitMs: 0 });
      const inSuspend = await reaches();
      if (!inSuspend) {
        await gpu.execute({ type: "resume", waitMs: 0 });
        expect(await reaches()).toBe(true);
      }
      const refused = await Promise.all(attempts.map((command) => reasonOf(gpu.device.execute(command))));
      expect(new Set(refused)).toEqual(new Set(["DEVICE_TRANSITION"]));
      const waiting: readonly Command[] = [
        { ...ANY_OBJECT, label: "held", hold: "transition" },
        { type: "deleteObject", object: first, hold: "transition" },
        { type: "moveObject", object: second, region: "lmem0", hold: "transition" },
      ];
      const held = Promise.all(waiting.map((command) => reasonOf(gpu.device.execute(command))));
      contents.delete(first);
      if (inSuspend) {
        const { transition } = await gpu.execute({ type: "getDevice" });
        await gpu.clock.advance(5000);
        expect((await gpu.execute({ type: "getTransition", transition })).state).toBe("SUCCEEDED");
        await gpu.execute({ type: "resume" });
      }
      expect(await gpu.clock.run(held)).toEqual(["none", "none", "none"]);
      expect(await reasonOf(look(gpu, first))).toBe("OBJECT_NOT_FOUND");
      expect(await look(gpu, second)).toMatchObject({ region: "lmem0" });
      expect(await look(gpu, pinned)).toMatchObject({ pinCount: 1, hasBackup: false });
      expect(await look(gpu, third)).toMatchObject({ pinCount: 0, madvise: "WILL_NEED" });
      expect(await wrongContents(gpu, contents)).toEqual([]);
      gpu.device.checkInvariants();
      await expectRulesKept(watched, 2);
    },
  );
});

test("[code:step-3-evictable] what is unpinned after step 2 is backed up by CPU in step 3, and restored", async () => {
  const watched = await boot();
  const { gpu, failpoints } = watched;
  const bytes = patternOf(1, MIB);
  const object = await gpu.upload(bytes, { flags: ["PM_VOLATILE"] });
  await gpu.execute({ type: "pinObject", object });
  failpoints.arm("firmware.stop", ERROR_ONCE);
  failpoints.arm("evictPinned.object", { ...ERROR_ONCE, action: "DELAY", delayMs: 50 });
  const other = await gpu.upload(patternOf(2, MIB));
  await gpu.execute({ type: "pinObject", object: other });
  for (const round of ["fails after step 3", "succeeds"]) {
    const { id } = await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
    // Step 2 has evicted what it could, and now backs up the other one.
    for (let wait = 0; wait < 200 && failpoints.get("evictPinned.object").hits === 0; wait++) {
      await gpu.clock.advance(1);
    }
    await gpu.clock.run(unpinUnderneath(gpu, object));
    await gpu.clock.advance(5000);
    const transition = await gpu.execute({ type: "getTransition", transition: id });
    const memcpy = transition.phases.find(({ phase }) => phase === "memcpy");
    expect(memcpy, round).toMatchObject({ objects: 3, blitterBytes: 0 });
    if (round === "succeeds") {
      expect(transition.state).toBe("SUCCEEDED");
      break;
    }
    expect(transition).toMatchObject({ state: "FAILED", recovered: true });
    expect(hashOf(bytesInPlace(gpu, object))).toBe(hashOf(bytes));
    await gpu.execute({ type: "pinObject", object });
    failpoints.arm("evictPinned.object", { ...ERROR_ONCE, action: "DELAY", delayMs: 50 });
  }
  await gpu.execute({ type: "resume" });
  expect(hashOf(bytesInPlace(gpu, object))).toBe(hashOf(bytes));
  gpu.device.checkInvariants();
  // What was done here underneath is seen by the rules, and is all that they see.
  expect(watched.rules.broken.map((broken) => broken.replace(/^.*\): |:.*$/g, ""))).toEqual(["11", "11"]);
});

test("[mail:xe-pm-block] [invariant 73] clients that go on submitting while the notifier evicts are held, and all of their work runs afterwards", async () => {
  const policy = { ...DEFAULT_POLICY, notifier: "opportunistic", producers: "blocked" } as const;
  const watched = await boot({ policy });
  const { gpu, failpoints } = watched;
  const contents = await fill(gpu);
  const target = await gpu.upload(new Uint8Array(64 * KIB));
  const context = await newContext(gpu, "rcs0");
  failpoints.arm("evict.object", { ...ERROR_ONCE, action: "DELAY", delayMs: 3, count: 0 });
  const { id } = await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
  const held: Promise<{ readonly id: string }>[] = [];
  for (let at = 0; at < 100; at++) {
    await gpu.clock.advance(0.2);
    const [object] = contents.keys();
    held.push(gpu.device.execute(request(context, [store(target, at, at + 1), store(object, 0, at)])));
  }
  await gpu.clock.advance(1000);
  const suspended = await gpu.execute({ type: "getTransition", transition: id });
  expect(suspended).toMatchObject({ state: "SUCCEEDED", wedged: false });
  expect(suspended.phases.map(({ phase, objects }) => [phase, objects]).slice(0, 2)).toEqual([
    ["prepare", contents.size + 1],
    ["evict", 0],
  ]);
  await gpu.execute({ type: "resume" });
  const fences = await gpu.clock.run(Promise.all(held));
  await finish(gpu, ...fences.map((fence) => fence.id));
  expect(await dwords(gpu, target, 100)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
  await expectRulesKept(watched, 2);
});

function boot(options: Parameters<typeof bootWatched>[0] = {}): Promise<WatchedDevice> {
  return bootWatched({ engines: ["rcs0", "bcs0"], images: new MemoryImageStore(), ...options });
}

/** Six objects of 1 MiB in local memory. */
async function fill(gpu: VirtualDevice): Promise<Map<string, Uint8Array>> {
  const contents = new Map<string, Uint8Array>();
  for (let seed = 1; seed <= 6; seed++) {
    contents.set(await gpu.upload(patternOf(seed, MIB)), patternOf(seed, MIB));
  }
  return contents;
}

/** Seeds of those whose bytes are looked at. */
const SEEDS = {
  idle: 1,
  inFlight: 2,
  pinned: 3,
  pinnedEarly: 4,
  pinnedVolatile: 5,
  looseEarly: 6,
  looseVolatile: 7,
  inSystem: 8,
  pinnedInSystem: 9,
} as const;

/** Makes an object of each class of the decision table, with work in flight. Notes their ids by name. */
async function makeOneOfEach(gpu: VirtualDevice, ids: Map<string, string>): Promise<void> {
  for (const [name, seed] of Object.entries(SEEDS)) {
    const regions = name.endsWith("System") ? ["smem"] : ["lmem0", "smem"];
    const flags: ObjectFlag[] = [];
    if (name.endsWith("Early")) flags.push("PM_EARLY");
    if (name.endsWith("Volatile")) flags.push("PM_VOLATILE");
    const object = await gpu.upload(patternOf(seed, 64 * KIB), { regions, flags });
    if (name.startsWith("pinned")) await gpu.execute({ type: "pinObject", object });
    ids.set(name, object);
  }
  ids.set("unpopulated", await create(gpu, { sizeBytes: 64 * KIB }));
  const unneeded = await gpu.upload(patternOf(20, 64 * KIB));
  await gpu.execute({ type: "adviseObject", object: unneeded, advice: "DONT_NEED" });
  ids.set("unneeded", unneeded);
  const { memory } = gpu.device;
  for (const [name, label] of [
    ["firmware image", "firmware image"],
    ["migrate page table", "migrate page table"],
    ["kernel context image", "rcs0 kernel context image"],
    ["stolen", "stolen"],
  ] as const) {
    const slot = memory.ownedSlots.find((each) => memory.table.labels.get(each) === label);
    if (slot !== undefined) ids.set(name, memory.idOf(slot));
  }
  const deleted = await gpu.upload(patternOf(21, 64 * KIB));
  for (const [name, work] of [
    ["an idle", [SHORT]],
    [
      "a busy",
      [store(ids.get("inFlight") ?? "", 0, 1), store(deleted, 0, 1), { op: "spin", durationMs: 50 }],
    ],
  ] as const) {
    const context = await newContext(gpu, "rcs0");
    const fence = await submit(gpu, context, ...work);
    if (name === "an idle") await finish(gpu, fence);
    else await gpu.clock.advance(2);
    const { image, ring } = await gpu.execute({ type: "getContext", context });
    ids.set(`image of ${name} context`, image);
    ids.set(`ring of ${name} context`, ring);
  }
  await gpu.execute({ type: "deleteObject", object: deleted });
}

/** What became of an object between two moments. */
function change(
  before: SeenObject | undefined,
  after: SeenObject | undefined,
): "evicted" | "thrown away" | "backed up" | "restored" | undefined {
  if (before === undefined || after === undefined) return undefined;
  if (before.hasBackup !== after.hasBackup) return after.hasBackup ? "backed up" : "restored";
  if (before.kind !== "LOCAL" || after.kind === "LOCAL") return undefined;
  return after.kind === "SYSTEM" ? "evicted" : "thrown away";
}
