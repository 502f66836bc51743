/** Scenarios G of docs/conformance.md: runtime PM, where runtime-pm.test.ts does not hold them. */
import { describe, expect, test } from "vitest";
import { COMMANDS, type Command, type SleepState } from "../../../src/device/mod.ts";
import { ERROR_ONCE } from "../../support/faulty-device.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
import {
  ANY_OBJECT,
  hashOf,
  KIB,
  look,
  MIB,
  patternOf,
  together,
  type VirtualDevice,
} from "../../support/test-device.ts";
import { bootWatched, expectRulesKept, type WatchedDevice } from "../../support/transition-rules.ts";
import { dwords, finish, newContext, request, SHORT, store, submit } from "../../support/work.ts";

const DELAY_MS = 1000;
const HOT = { enabled: true, autosuspendDelayMs: DELAY_MS, d3coldThresholdBytes: 0 };
const COLD = { ...HOT, d3coldThresholdBytes: 16 * MIB };
const STATES: readonly SleepState[] = ["S2IDLE", "S3", "S4"];

describe.each([
  ["d3hot", "D3HOT", HOT],
  ["d3cold", "D3COLD", COLD],
] as const)("a device in %s", (_name, dState, runtimePm) => {
  test("[i915_pm_rpm@gem-mmap-type] [i915_pm_rpm@gem-execbuf-stress] [i915_pm_rpm@gem-evict-pwrite] [invariant 70] is woken by every call that touches it, and goes back to sleep", async () => {
    const watched = await boot({ runtimePm });
    const { gpu } = watched;
    const context = await newContext(gpu, "rcs0");
    const object = await gpu.upload(patternOf(1, MIB));
    const bytes = { offsetBytes: 0, lengthBytes: 8 };
    const template = { sizeBytes: 64 * KIB, regions: [], flags: [], alignmentBytes: 0, label: "" };
    const later = await gpu.execute({ type: "batchCreateObjects", template, count: 3 });
    const [one, two, three] = later.objects;
    const touches: readonly Command[] = [
      { type: "evictRegion", region: "lmem0" },
      { ...ANY_OBJECT, sizeBytes: 64 * KIB },
      { type: "pinObject", object },
      { type: "unpinObject", object },
      { type: "moveObject", object, region: "smem" },
      { type: "adviseObject", object, advice: "WILL_NEED" },
      { type: "batchCreateObjects", template, count: 2 },
      { type: "batchPinObjects", objects: [one] },
      { type: "batchUnpinObjects", objects: [one] },
      { type: "batchDeleteObjects", objects: [one, two] },
      { type: "deleteObject", object: three },
      { type: "checksumObject", object },
      { type: "readObject", object, ...bytes },
      { type: "writeObject", object, offsetBytes: 0, data: patternOf(1, 8) },
      { type: "resetEngine", engine: "rcs0" },
      { type: "createContext", engine: "bcs0", priority: "LOW" },
      request(context, [store(object, 1, 1)]),
      { type: "deleteContext", context: "2" },
    ];
    const touching = Object.entries(COMMANDS).filter(([, { access }]) => access === "access");
    expect(touches.map(({ type }) => type).sort()).toEqual(touching.map(([type]) => type).sort());
    for (const [at, command] of touches.entries()) {
      await gpu.clock.advance(3 * DELAY_MS);
      expect((await gpu.execute({ type: "getDevice" })).dState, command.type).toBe(dState);
      await gpu.execute(command);
      expect((await gpu.execute({ type: "getDevice" })).dState, command.type).toBe("D0");
      expect((await gpu.execute({ type: "getRuntimePm" })).suspends).toBe(at + 1);
    }
    gpu.device.checkInvariants();
    await expectRulesKept(watched, 2 * touches.length);
  });

  test("[i915_pm_rpm@debugfs-read] [i915_pm_rpm@sysfs-read] is not woken by who only looks", async () => {
    const watched = await boot({ runtimePm });
    const { gpu } = watched;
    await gpu.clock.advance(3 * DELAY_MS);
    const looks: readonly Command[] = [
      { type: "getDevice" },
      { type: "listRegions" },
      { type: "listEngines" },
      { type: "getUsage" },
      { type: "getRuntimePm" },
      { type: "listTransitions", beforeId: "", limit: 10 },
    ];
    const answers = await together(gpu, looks);
    expect(answers.filter(({ status }) => status === "rejected")).toEqual([]);
    expect((await gpu.execute({ type: "getDevice" })).dState).toBe(dState);
    await expectRulesKept(watched);
  });

  test("[xe_pm@mmap-system] [xe_pm@mmap-vram] keeps what is in system memory and in local memory, and writes reach both", async () => {
    const watched = await boot({ runtimePm });
    const { gpu } = watched;
    for (const regions of [["smem"], ["lmem0"]]) {
      const bytes = patternOf(1, MIB);
      const object = await gpu.upload(bytes, { regions });
      await gpu.clock.advance(3 * DELAY_MS);
      await gpu.execute({ type: "writeObject", object, offsetBytes: 5, data: patternOf(2, 100) });
      bytes.set(patternOf(2, 100), 5);
      await gpu.clock.advance(3 * DELAY_MS);
      expect((await gpu.execute({ type: "getDevice" })).dState).toBe(dState);
      expect(hashOf(await gpu.download(object))).toBe(hashOf(bytes));
    }
    await expectRulesKept(watched, 8);
  });

  test("[xe_pm@multiple-execs] [invariant 51] keeps contexts of every engine, their registers and the order of their work", async () => {
    const watched = await boot({ runtimePm });
    const { gpu } = watched;
    const object = await gpu.upload(new Uint8Array(64 * KIB));
    const contexts: string[] = [];
    for (let at = 0; at < 8; at++) contexts.push(await newContext(gpu, ["rcs0", "bcs0"][at % 2]));
    for (const [at, context] of contexts.entries()) {
      await finish(gpu, await submit(gpu, context, { op: "loadRegister", register: 1, value: BigInt(at) }));
    }
    for (let round = 0; round < 3; round++) {
      await gpu.clock.advance(3 * DELAY_MS);
      expect((await gpu.execute({ type: "getDevice" })).dState).toBe(dState);
      const requests = contexts.flatMap((context, at) => [
        request(context, [store(object, 2 * at, round)]),
        request(context, [{ op: "storeRegister", register: 1, object, offsetBytes: 8 * at }]),
      ]);
      const answers = await together(gpu, requests);
      for (const answer of answers) {
        if (answer.status === "fulfilled") await finish(gpu, answer.value.id);
        else throw answer.reason;
      }
      const values = await dwords(gpu, object, 16);
      expect(values.filter((_, at) => at % 2 === 0)).toEqual(contexts.map((_, at) => at));
    }
    await expectRulesKept(watched, 6);
  });

  test.each(STATES)(
    "[i915_pm_rpm@system-suspend] [i915_pm_rpm@system-suspend-execbuf] suspended to %s during the delay, sleeps by itself again after the resume",
    async (state) => {
      const watched = await boot({ runtimePm });
      const { gpu, failpoints } = watched;
      const bytes = patternOf(3, MIB);
      const object = await gpu.upload(bytes);
      const context = await newContext(gpu, "rcs0");
      await finish(gpu, await submit(gpu, context, SHORT));
      await gpu.clock.advance(DELAY_MS / 2);
      // It takes longer than the delay, which must not matter.
      failpoints.arm("powerOff.before", { ...ERROR_ONCE, action: "DELAY", delayMs: 3 * DELAY_MS });
      await gpu.execute({ type: "suspend", state });
      await gpu.clock.advance(10 * DELAY_MS);
      expect(await gpu.execute({ type: "getRuntimePm" })).toMatchObject({ suspends: 0 });
      failpoints.arm("powerOn.before", { ...ERROR_ONCE, action: "DELAY", delayMs: 3 * DELAY_MS });
      await gpu.execute({ type: "resume" });
      expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "ACTIVE", dState: "D0" });
      await finish(gpu, await submit(gpu, context, SHORT));
      await gpu.clock.advance(3 * DELAY_MS);
      expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "ACTIVE", dState });
      expect(await gpu.execute({ type: "getRuntimePm" })).toMatchObject({ status: "SUSPENDED", suspends: 1 });
      await finish(gpu, await submit(gpu, context, SHORT));
      expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "ACTIVE", dState: "D0" });
      expect(hashOf(await gpu.download(object))).toBe(hashOf(bytes));
      await expectRulesKept(watched, 4);
    },
  );
});

test("[code:xe_pm_d3cold_allowed_toggle] [invariant 71] is D3cold when what is used, in whole MiB, is less than the threshold, and D3hot from there on", async () => {
  const watched = await boot({ runtimePm: COLD });
  const { gpu } = watched;
  const object = await gpu.upload(patternOf(1, MIB), { regions: ["lmem0"] });
  const region = await gpu.execute({ type: "getRegion", region: "lmem0" });
  const usedBytes = Math.ceil(region.usedBytes / MIB) * MIB;
  for (const [d3coldThresholdBytes, dState] of [
    [usedBytes, "D3HOT"],
    [usedBytes + 1, "D3COLD"],
    [usedBytes - 1, "D3HOT"],
    [0, "D3HOT"],
  ] as const) {
    await gpu.execute({ type: "pinObject", object });
    await gpu.execute({ type: "updateRuntimePm", d3coldThresholdBytes });
    await gpu.execute({ type: "unpinObject", object });
    await gpu.clock.advance(3 * DELAY_MS);
    expect([d3coldThresholdBytes, await dStateOf(gpu)]).toEqual([d3coldThresholdBytes, dState]);
    const { transitions } = await gpu.execute({ type: "listTransitions", beforeId: "", limit: 1 });
    const moved = transitions[0].phases.reduce((sum, phase) => sum + phase.bytes, 0);
    expect(moved > 0).toBe(dState === "D3COLD");
  }
  expect(await look(gpu, object)).toMatchObject({ region: "lmem0" });
  await expectRulesKept(watched, 4);
});

function boot(options: Parameters<typeof bootWatched>[0]): Promise<WatchedDevice> {
  return bootWatched({ engines: ["rcs0", "bcs0"], images: new MemoryImageStore(), ...options });
}

async function dStateOf(gpu: VirtualDevice): Promise<string> {
  return (await gpu.execute({ type: "getDevice" })).dState;
}
