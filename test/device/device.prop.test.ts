/**
 * A whole device under random commands against a plain model: what each object holds and how often it is pinned.
 * After every step the invariants hold, every transition keeps its rules, and every byte is what the model says.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { SleepState } from "../../src/device/mod.ts";
import { MemoryImageStore } from "../support/image-store.ts";
import { hashOf, KIB, MIB, patternOf, reasonOf, type VirtualDevice } from "../support/test-device.ts";
import { bootWatched, expectRulesKept } from "../support/transition-rules.ts";

interface ModelObject {
  readonly id: string;
  readonly content: Uint8Array;
  pins: number;
}

interface World {
  readonly gpu: VirtualDevice;
  readonly objects: ModelObject[];
}

type Step =
  | { readonly do: "create"; readonly sizeKib: number; readonly placement: number }
  | { readonly do: "write"; readonly which: number; readonly at: number; readonly seed: number }
  | { readonly do: "delete" | "pin" | "unpin" | "move-out" | "move-in"; readonly which: number }
  | { readonly do: "evict"; readonly kib: number }
  | { readonly do: "cycle"; readonly state: SleepState }
  | { readonly do: "cancel" };

const PLACEMENTS = [["lmem0", "smem"], ["lmem0"], ["smem"], ["smem", "lmem0"]];
/** What may be refused for want of room or because of pins; anything else is a failure of the test. */
const REFUSALS = [
  "none",
  "REGION_FULL",
  "SYSTEM_MEMORY_EXHAUSTED",
  "OBJECT_PINNED",
  "OBJECT_NOT_PINNED",
  "INVALID_REGION",
];

const which = fc.nat({ max: 30 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("create" as const),
      sizeKib: fc.integer({ min: 1, max: 900 }),
      placement: fc.nat({ max: 3 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("write" as const),
      which,
      at: fc.nat({ max: 1_000_000 }),
      seed: fc.nat(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom(
        "delete" as const,
        "pin" as const,
        "unpin" as const,
        "move-out" as const,
        "move-in" as const,
      ),
      which,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("evict" as const), kib: fc.nat({ max: 2000 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("cycle" as const),
      state: fc.constantFrom("S3" as const, "S2IDLE" as const, "S4" as const),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "cancel" as const }) },
);

test("any sequence of commands keeps the invariants and every byte", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), fc.nat(), async (steps, seed) => {
      const watched = await bootWatched({
        lmem: [{ sizeBytes: 4 * MIB }],
        smem: { sizeBytes: 12 * MIB },
        images: new MemoryImageStore(),
      });
      const { gpu } = watched;
      const world: World = { gpu, objects: [] };
      for (const [at, each] of steps.entries()) {
        await run(world, each, seed + at);
        gpu.device.checkInvariants();
      }
      for (const object of world.objects) {
        expect(hashOf(await gpu.download(object.id)), `object ${object.id}`).toBe(hashOf(object.content));
      }
      await expectRulesKept(watched, 0);
    }),
    { numRuns: 40 },
  );
}, 60_000);

async function run(world: World, step: Step, seed: number): Promise<void> {
  const { gpu, objects } = world;
  const target = "which" in step ? objects[step.which % Math.max(1, objects.length)] : undefined;
  switch (step.do) {
    case "create":
      return create(world, step.sizeKib * KIB, PLACEMENTS[step.placement], seed);
    case "write":
      return target === undefined ? undefined : write(world, target, step.at, step.seed);
    case "evict":
      await tolerate(gpu.execute({ type: "evictRegion", region: "lmem0", bytes: step.kib * KIB }));
      return;
    case "cycle":
      if (await tolerate(gpu.execute({ type: "suspend", state: step.state })))
        await gpu.execute({ type: "resume" });
      return;
    case "cancel": {
      const { id } = await gpu.execute({ type: "suspend", state: "S3", waitMs: 0 });
      await gpu.execute({ type: "cancelTransition", transition: id });
      return;
    }
    default:
      if (target !== undefined) await change(world, target, step.do);
  }
}

async function create(world: World, sizeBytes: number, regions: string[], seed: number): Promise<void> {
  const { gpu, objects } = world;
  const made = await gpu.execute({
    type: "createObject",
    sizeBytes,
    regions,
    flags: [],
    alignmentBytes: 0,
    label: "",
  });
  const content = patternOf(seed, made.sizeBytes);
  const written = await tolerate(
    gpu.execute({ type: "writeObject", object: made.id, offsetBytes: 0, data: content }),
  );
  if (written) objects.push({ id: made.id, content, pins: 0 });
  else await gpu.execute({ type: "deleteObject", object: made.id });
}

async function write(world: World, target: ModelObject, at: number, seed: number): Promise<void> {
  const offsetBytes = at % target.content.length;
  const data = patternOf(seed, Math.min(target.content.length - offsetBytes, 5000));
  await world.gpu.execute({ type: "writeObject", object: target.id, offsetBytes, data });
  target.content.set(data, offsetBytes);
}

async function change(world: World, target: ModelObject, what: string): Promise<void> {
  const { gpu, objects } = world;
  const object = target.id;
  switch (what) {
    case "delete":
      if (await tolerate(gpu.execute({ type: "deleteObject", object })))
        objects.splice(objects.indexOf(target), 1);
      else expect(target.pins).toBeGreaterThan(0);
      return;
    case "pin":
      if (await tolerate(gpu.execute({ type: "pinObject", object }))) target.pins++;
      return;
    case "unpin":
      if (await tolerate(gpu.execute({ type: "unpinObject", object }))) target.pins--;
      else expect(target.pins).toBe(0);
      return;
    default:
      await tolerate(
        gpu.execute({ type: "moveObject", object, region: what === "move-out" ? "smem" : "lmem0" }),
      );
  }
}

/** Whether the command succeeded; refusals that the model does not predict are let pass. */
async function tolerate(command: Promise<unknown>): Promise<boolean> {
  const reason = await reasonOf(command);
  expect(REFUSALS).toContain(reason);
  return reason === "none";
}
