/**
 * Random runs of a device, with failures and cancels: whatever happened, what the counters say is what the device's own
 * transitions say. Two ways to the same number: the counters come from events, the transitions from their records.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { FailpointName, PhaseRecord, TransitionResource } from "../../../src/device/mod.ts";
import { probeDevice } from "../../../src/server/metrics/device-state.ts";
import { Metrics } from "../../../src/server/metrics/metrics.ts";
import { bootFaulty, ERROR_ONCE, type FaultyDevice } from "../../support/faulty-device.ts";
import { type MetricsText, parseMetrics } from "../../support/metrics-text.ts";
import { KIB, MIB, patternOf, reasonOf } from "../../support/test-device.ts";

/** Where a step may fail, on the way down and on the way up. */
const FAULTS = [
  "evict.object",
  "evictPinned.object",
  "memcpy.object",
  "powerOff.before",
  "copy.blit",
  "idle.timeout",
  "restoreEarly.object",
  "restoreLate.object",
  "firmware.load",
] as const satisfies readonly FailpointName[];

type Step =
  | { readonly do: "upload"; readonly kib: number; readonly pin: boolean; readonly volatile: boolean }
  | { readonly do: "evict"; readonly kib: number }
  | { readonly do: "fault"; readonly name: FailpointName; readonly after: number }
  | { readonly do: "suspend"; readonly state: "S2IDLE" | "S3"; readonly verify: boolean }
  | { readonly do: "cancel" }
  | { readonly do: "resume" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("upload" as const),
      kib: fc.integer({ min: 1, max: 700 }),
      pin: fc.boolean(),
      volatile: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("evict" as const), kib: fc.nat({ max: 1000 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("fault" as const),
      name: fc.constantFrom(...FAULTS),
      after: fc.nat({ max: 2 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("suspend" as const),
      state: fc.constantFrom("S2IDLE" as const, "S3" as const),
      verify: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "cancel" as const }) },
  { weight: 3, arbitrary: fc.constant({ do: "resume" as const }) },
);

test("counters agree with the transitions after any run", async () => {
  let failures = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
      const metrics = new Metrics({ version: "0.0.0", revision: "" });
      const emit = metrics.countDevice("card0", ["lmem0", "smem"], ["bcs0"]);
      const faulty = await bootFaulty({
        lmem: [{ sizeBytes: 4 * MIB }],
        smem: { sizeBytes: 12 * MIB },
        emit,
      });
      metrics.watchDevice(() => probeDevice(faulty.gpu.device));
      for (const [at, each] of steps.entries()) await run(faulty, each, at);
      // One that can no longer be cancelled may still run.
      await faulty.gpu.clock.advance(1_000);
      const list = { type: "listTransitions", beforeId: "", limit: 256 } as const;
      const { transitions } = await faulty.gpu.execute(list);
      failures += transitions.filter(({ state }) => state !== "SUCCEEDED").length;
      const { body } = await faulty.gpu.clock.run(metrics.scrape(undefined));
      compare(parseMetrics(body), transitions);
    }),
    { numRuns: 40 },
  );
  expect(failures, "some transitions failed").toBeGreaterThan(10);
}, 60_000);

async function run({ gpu, failpoints }: FaultyDevice, step: Step, seed: number): Promise<void> {
  switch (step.do) {
    case "upload":
      await reasonOf(upload(gpu, step, seed));
      return;
    case "evict":
      await reasonOf(gpu.execute({ type: "evictRegion", region: "lmem0", bytes: step.kib * KIB }));
      return;
    case "fault":
      failpoints.arm(step.name, { ...ERROR_ONCE, after: step.after });
      return;
    case "suspend":
      await reasonOf(gpu.execute({ type: "suspend", state: step.state, verify: step.verify }));
      return;
    case "cancel":
      await reasonOf(
        gpu
          .execute({ type: "suspend", state: "S3", waitMs: 0 })
          .then(({ id }) => gpu.execute({ type: "cancelTransition", transition: id })),
      );
      return;
    case "resume":
      await reasonOf(gpu.execute({ type: "resume" }));
      return;
    default:
      step satisfies never;
  }
}

async function upload(
  gpu: FaultyDevice["gpu"],
  { kib, pin, volatile }: Extract<Step, { do: "upload" }>,
  seed: number,
): Promise<void> {
  const id = await gpu.upload(patternOf(seed, kib * KIB), { flags: volatile ? ["PM_VOLATILE"] : [] });
  if (pin) await gpu.execute({ type: "pinObject", object: id, region: "lmem0" });
}

function compare(text: MetricsText, transitions: readonly TransitionResource[]): void {
  const total = (pick: (transition: TransitionResource) => number) =>
    transitions.reduce((sum, each) => sum + pick(each), 0);
  const suspends = transitions.filter(({ kind }) => kind === "SUSPEND");
  const resumes = transitions.filter(({ kind }) => kind === "RESUME");
  expect(text.sum("torpor_evictions_total", { cause: "suspend" })).toBe(total((each) => each.evictedObjects));
  expect(text.sum("torpor_eviction_bytes_total", { cause: "suspend" })).toBe(
    total((each) => each.evictedBytes),
  );
  expect(text.sum("torpor_backup_bytes_total")).toBe(total((each) => each.backupBytes));
  expect(text.sum("torpor_restore_bytes_total")).toBe(total((each) => each.restoredBytes));
  for (const [path, key] of [
    ["blitter", "blitterBytes"],
    ["memcpy", "memcpyBytes"],
  ] as const) {
    const out = text.sum("torpor_eviction_bytes_total", { cause: "suspend", path });
    const copied = text.sum("torpor_backup_bytes_total", { path });
    expect(out + copied, `out by ${path}`).toBe(sumOf(suspends, (phase) => phase[key]));
    const back = text.sum("torpor_restore_bytes_total", { path });
    expect(back, `back by ${path}`).toBe(sumOf(resumes, (phase) => phase[key]));
  }
  const early = text.sum("torpor_restore_bytes_total", { early: "true" });
  expect(early).toBe(sumOf(resumes, (phase) => (phase.phase === "restore_early" ? phase.bytes : 0)));
  for (const [kind, those] of [
    ["suspend", suspends],
    ["resume", resumes],
  ] as const) {
    expect(text.sum("torpor_transitions_total", { kind })).toBe(countOf(those, () => true));
    const failed = (each: TransitionResource) => each.state === "FAILED" || each.state === "CANCELLED";
    expect(text.sum("torpor_transition_failures_total", { kind })).toBe(countOf(those, failed));
    for (const phase of new Set(those.flatMap((each) => each.phases.map((record) => record.phase)))) {
      const seconds = sumOf(those, (each) => (each.phase === phase ? Number(each.durationNs) / 1e9 : 0));
      expect(text.value("torpor_phase_seconds_total", { kind, phase })).toBeCloseTo(seconds, 9);
      const count = sumOf(those, (each) => (each.phase === phase ? 1 : 0));
      expect(text.sum("torpor_phase_duration_seconds_count", { kind, phase })).toBe(count);
    }
  }
  const recovered = countOf(suspends, (each) => each.recovered);
  expect(text.value("torpor_recoveries_total")).toBe(recovered);
}

function sumOf(transitions: readonly TransitionResource[], pick: (phase: PhaseRecord) => number): number {
  return transitions.flatMap(({ phases }) => phases).reduce((sum, phase) => sum + pick(phase), 0);
}

function countOf(
  transitions: readonly TransitionResource[],
  test: (transition: TransitionResource) => boolean,
): number {
  return transitions.filter((each) => each.state !== "RUNNING" && test(each)).length;
}
