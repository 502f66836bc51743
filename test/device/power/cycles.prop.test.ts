/**
 * A device that lives long: cycle after cycle into any sleep state and runtime PM, with random use between and faults in
 * some, all from a seed. After each the invariants hold and every transition has kept its rules; every byte is there.
 * TORPOR_TEST_CYCLES asks for more cycles than the few of every run.
 */
import { expect, test } from "vitest";
import type { Command, FailpointName, ObjectFlag, SleepState } from "../../../src/device/mod.ts";
import { ERROR_ONCE } from "../../support/faulty-device.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
import { MemoryStore } from "../../support/regions.ts";
import {
  ANY_OBJECT,
  bytesInPlace,
  hashOf,
  KIB,
  look,
  MIB,
  patternOf,
  reasonOf,
  seededRandom,
  type VirtualDevice,
} from "../../support/test-device.ts";
import { bootWatched, expectRulesKept, type WatchedDevice } from "../../support/transition-rules.ts";
import { newContext, request } from "../../support/work.ts";

const CYCLES = Number(process.env.TORPOR_TEST_CYCLES ?? 200);
const SEEDS = [1, 2, 3, 4];
const STATES: readonly SleepState[] = ["S2IDLE", "S3", "S4"];
const PLACEMENTS = [["lmem0", "smem"], ["lmem0"], ["lmem1", "smem"], ["smem"], ["smem", "lmem1"]];
const FLAGS: readonly ObjectFlag[][] = [[], [], ["PM_EARLY"], ["CONTIGUOUS"], ["CPU_ACCESS"]];
/**
 * They cost content, and are meant to; or they break what only a reset mends, and a FAILED device takes none yet; or no
 * cycle passes them, as those of snapshots.
 */
const COSTS_BYTES =
  /^(link\.down|copy\.short|copy\.corrupt|verify\.mismatch|image\.short|migrate\.pageTable|swap\.|snapshot)/;
/** What may be refused for want of room, because of pins, or because a fault has wedged the GT. */
const REFUSALS = [
  "none",
  "REGION_FULL",
  "SYSTEM_MEMORY_EXHAUSTED",
  "OBJECT_PINNED",
  "OBJECT_NOT_PINNED",
  "INVALID_REGION",
  "NOT_CPU_VISIBLE",
  "DEVICE_WEDGED",
  "CONTEXT_BANNED",
];

interface World extends WatchedDevice {
  readonly random: () => number;
  readonly contents: Map<string, Uint8Array>;
  readonly contexts: string[];
}

const kinds = new Set<string>();

test.each(SEEDS)(
  "[code:1000-cycles] [invariants 1 to 55] of random sleep, use and faults keep every byte and every rule: seed %i",
  async (seed) => {
    const world = await boot(seed);
    const { gpu, failpoints, rules } = world;
    const cycles = Math.ceil(CYCLES / SEEDS.length);
    for (let cycle = 0; cycle < cycles; cycle++) {
      for (let step = 0; step < 6; step++) await use(world);
      await sleepAndWake(world);
      // Work may be under way that began before a sleep to D3hot was stopped.
      if (!gpu.device.gt.idle) await gpu.clock.advance(20_000);
      gpu.device.checkInvariants();
      expect(rules.broken, `cycle ${cycle}`).toEqual([]);
      const whole = cycle % 8 === 0 || cycle === cycles - 1;
      if (whole) {
        for (const [id, content] of world.contents) {
          expect(hashOf(await contentOf(gpu, id)), `cycle ${cycle}, object ${id}`).toBe(hashOf(content));
        }
      }
      failpoints.reset();
    }
    await expectRulesKept(world, cycles);
    for (const kind of rules.ended.keys()) kinds.add(kind);
  },
  600_000,
);

test("every kind of transition was among them, with every end", () => {
  expect([...kinds].sort()).toEqual(
    ["RESUME", "RUNTIME_RESUME", "RUNTIME_SUSPEND", "SUSPEND"].flatMap((kind) =>
      (kind.endsWith("SUSPEND") ? ["CANCELLED", "FAILED", "SUCCEEDED"] : ["FAILED", "SUCCEEDED"]).map(
        (end) => `${kind} ${end}`,
      ),
    ),
  );
});

async function boot(seed: number): Promise<World> {
  const watched = await bootWatched({
    lmem: [{ sizeBytes: 4 * MIB }, { sizeBytes: 2 * MIB, visibleBytes: MIB }],
    smem: { sizeBytes: 10 * MIB },
    stolenBytes: 64 * KIB,
    swap: new MemoryStore(4 * MIB),
    engines: ["rcs0", "bcs0", "bcs1"],
    images: new MemoryImageStore(),
  });
  const contexts = [];
  for (const engine of ["rcs0", "bcs0", "bcs1"]) contexts.push(await newContext(watched.gpu, engine));
  return { ...watched, random: seededRandom(seed), contents: new Map(), contexts };
}

/** One command of a client. */
async function use(world: World): Promise<void> {
  const { gpu, random, contents, contexts } = world;
  const object = pick(random, [...contents.keys()]);
  const what = random();
  if (object === undefined || (what < 0.3 && contents.size < 16)) return create(world);
  if (what < 0.45) return write(world, object);
  if (what < 0.6) return fill(world, object);
  const command = pick<Command>(random, [
    { type: "pinObject", object },
    { type: "unpinObject", object },
    { type: "moveObject", object, region: "smem" },
    { type: "moveObject", object, region: pick(random, ["lmem0", "lmem1"]) ?? "lmem0" },
    { type: "evictRegion", region: "lmem0", bytes: Math.floor(random() * 2 * MIB) },
    { type: "deleteObject", object },
    { type: "resetEngine", engine: "bcs0" },
    request(contexts[0], [{ op: "spin", durationMs: random() < 0.1 ? 5000 : 3 }]),
  ]);
  if (command === undefined) return;
  const done = await tolerated(gpu.execute(command));
  if (done && command.type === "deleteObject") contents.delete(object);
}

async function create({ gpu, random, contents }: World): Promise<void> {
  const regions = pick(random, PLACEMENTS) ?? [];
  const [flags = []] = [pick(random, FLAGS)];
  const local = regions.some((region) => region !== "smem");
  const sizeBytes = Math.ceil(random() * 500) * KIB;
  const wanted = local && regions.length === 2 ? flags : [];
  const { id, sizeBytes: size } = await gpu.execute({ ...ANY_OBJECT, sizeBytes, regions, flags: wanted });
  const data = patternOf(random() * 2 ** 32, size);
  const written = await tolerated(gpu.execute({ type: "writeObject", object: id, offsetBytes: 0, data }));
  if (written) contents.set(id, data);
  else await gpu.execute({ type: "deleteObject", object: id });
}

async function write({ gpu, random, contents }: World, object: string): Promise<void> {
  const content = contents.get(object);
  if (content === undefined) return;
  const offsetBytes = Math.floor(random() * (content.length - 4096));
  const data = patternOf(random() * 2 ** 32, 4096);
  const command = { type: "writeObject", object, offsetBytes, data } as const;
  if (await tolerated(gpu.execute(command))) content.set(data, offsetBytes);
}

/** Work that writes; when it fails, nobody can say how far it came. */
async function fill({ gpu, random, contents, contexts }: World, object: string): Promise<void> {
  const pattern = Math.floor(random() * 2 ** 32);
  const fill = { op: "fill", object, offsetBytes: 0, lengthBytes: 4096, pattern } as const;
  const command = { ...request(pick(random, contexts) ?? "", [fill]), waitMs: 60_000 };
  await tolerated(gpu.execute(command));
  contents.set(object, await contentOf(gpu, object));
}

/** A cycle: into some state and back, with a fault in one of three, until the device is ACTIVE and well. */
async function sleepAndWake(world: World): Promise<void> {
  const { gpu, random, failpoints } = world;
  const arms = random() < 0.35;
  const kind = random();
  if (arms) armSome(world, kind >= 0.2);
  if (kind < 0.2) {
    await gpu.execute({ type: "updateRuntimePm", enabled: true, autosuspendDelayMs: 50 });
    await gpu.clock.advance(kind < 0.1 ? 50 + random() * 3 : 10_000);
    await gpu.execute({ type: "updateRuntimePm", enabled: false }).catch(() => {});
  } else {
    const state = pick(random, STATES) ?? "S3";
    const hybrid = state === "S3" && random() < 0.2;
    const { id } = await gpu.execute({ type: "suspend", state, hybrid, waitMs: 0 });
    if (random() < 0.1) {
      await gpu.clock.advance(random() * 5);
      await gpu.execute({ type: "cancelTransition", transition: id }).catch(() => {});
    }
    await gpu.clock.advance(120_000);
    expect((await gpu.execute({ type: "getTransition", transition: id })).state).not.toBe("RUNNING");
  }
  const { powerState } = await gpu.execute({ type: "getDevice" });
  if (powerState !== "ACTIVE") await gpu.execute({ type: "resume" }).catch(() => {});
  failpoints.reset();
  if ((await gpu.execute({ type: "getDevice" })).powerState !== "ACTIVE")
    await gpu.execute({ type: "resume" });
  const { wedged, dState } = await gpu.execute({ type: "getDevice" });
  if (wedged || dState !== "D0") await gpu.execute({ type: "resetDevice", scope: "GT" });
}

/** Arms one failpoint, to fail somewhere. @param withImages whether there may be one */
function armSome({ random, failpoints }: World, withImages: boolean): void {
  const all = failpoints.list().map(({ name }) => name);
  const names = all.filter((name) => withImages || !name.startsWith("image."));
  const name = pick<FailpointName>(
    random,
    names.filter((each) => !COSTS_BYTES.test(each)),
  );
  if (name === undefined) return;
  try {
    failpoints.arm(name, { ...ERROR_ONCE, after: Math.floor(random() * 4) });
  } catch {
    failpoints.arm(name, { ...ERROR_ONCE, action: "DELAY", delayMs: 100 });
  }
}

/** An object's bytes, wherever the CPU can reach: where it is resident nothing moves for it. */
async function contentOf(gpu: VirtualDevice, object: string): Promise<Uint8Array> {
  return (await look(gpu, object)).state === "RESIDENT" ? bytesInPlace(gpu, object) : gpu.download(object);
}

function pick<T>(random: () => number, from: readonly T[]): T | undefined {
  return from[Math.floor(random() * from.length)];
}

/** Whether the command succeeded. */
async function tolerated(command: Promise<unknown>): Promise<boolean> {
  const reason = await reasonOf(command);
  expect(REFUSALS).toContain(reason);
  return reason === "none";
}
