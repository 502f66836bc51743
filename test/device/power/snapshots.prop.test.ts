/**
 * Random commands, snapshots, restores and forks on devices with tight memory and swap, against a plain model: bytes by
 * hash after each step, and after a restore everything that could be seen when the snapshot was taken.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Command, DeviceError } from "../../../src/device/mod.ts";
import { MemoryStore } from "../../support/regions.ts";
import {
  bootWithSnapshots,
  lookAtAll,
  newStore,
  restore,
  type SnapshotDevice,
  take,
} from "../../support/snapshots.ts";
import { bytesInPlace, hashOf, KIB, MIB, patternOf } from "../../support/test-device.ts";
import { newContext, request } from "../../support/work.ts";

const OBJECTS_MAX = 12;
const SNAPSHOTS = ["a", "b", "c"];

/** What the model knows: the bytes of each object, which are zeroes before they are written. */
type Contents = Map<string, Uint8Array>;

interface World {
  readonly gpus: readonly SnapshotDevice[];
  /** By device. */
  readonly contents: Contents[];
  readonly saved: Map<
    string,
    { readonly device: number; readonly contents: Contents; readonly seen: unknown }
  >;
  /** Of which device each one is now: itself, or the one whose snapshot it was restored from. */
  readonly lineage: number[];
  readonly done: Map<string, number>;
}

const step = fc.record({
  device: fc.constantFrom(0, 0, 0, 1),
  what: fc.constantFrom(
    ...([
      "create",
      "create",
      "write",
      "write",
      "write",
      "engine",
      "engine",
      "delete",
      "pin",
      "unpin",
    ] as const),
    ...([
      "move",
      "evict",
      "advise",
      "cycle",
      "take",
      "take",
      "restore",
      "restore",
      "forget",
      "fail",
    ] as const),
  ),
  which: fc.nat({ max: 100 }),
  at: fc.nat({ max: 3 * MIB }),
  length: fc.constantFrom(1, 4, 4 * KIB, 64 * KIB, 200 * KIB, MIB),
  seed: fc.nat({ max: 1_000_000 }),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

test("a device that goes back to a snapshot is what it was, whatever happened since", async () => {
  const done = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60, size: "max" }), async (steps) => {
      const world = await newWorld(done);
      for (const each of steps) {
        await run(world, each);
        for (const [device, gpu] of world.gpus.entries()) {
          gpu.device.checkInvariants();
          expectBytes(gpu, world.contents[device]);
        }
        world.gpus[0].store.pool.checkInvariants();
      }
      for (const name of SNAPSHOTS) if (world.saved.has(name)) world.gpus[0].store.delete(name);
      expect(world.gpus[0].store.pool.usedBytes).toBe(0);
    }),
    { numRuns: Number(process.env.TORPOR_TEST_SNAPSHOTS ?? 25) },
  );
  for (const what of ["take", "restore", "fork", "cycle", "engine", "fail"])
    expect(done.get(what) ?? 0, what).toBeGreaterThan(0);
}, 240_000);

async function newWorld(done: Map<string, number>): Promise<World> {
  const store = newStore(192 * MIB);
  const boot = async (name: string, uid: string): Promise<SnapshotDevice> => {
    const swap = new MemoryStore(24 * MIB);
    const gpu = await bootWithSnapshots(
      { name, uid, smem: { sizeBytes: 12 * MIB }, swap, failpoints },
      store,
    );
    swap.clock = gpu.clock;
    await newContext(gpu, "bcs0");
    return gpu;
  };
  let isBroken = false;
  const failpoints = {
    idle: false,
    pass: async (name: string) => {
      if (isBroken && name === "snapshotRestore.object")
        throw new DeviceError("COPY_FAILED", "The test says so.");
    },
    fires: () => false,
    letGo: () => {},
    pausedAt: () => "" as const,
  };
  const gpus = [
    await boot("card0", "11111111-4b5a-4978-8c6d-0123456789ab"),
    await boot("card1", "22222222-4b5a-4978-8c6d-0123456789ab"),
  ];
  const world: World = { gpus, contents: [new Map(), new Map()], saved: new Map(), lineage: [0, 1], done };
  breakers.set(world, (broken) => {
    isBroken = broken;
  });
  return world;
}

/** Makes restores of a world fail, or work again. */
const breakers = new WeakMap<World, (broken: boolean) => void>();

async function run(world: World, each: Step): Promise<void> {
  const gpu = world.gpus[each.device];
  const contents = world.contents[each.device];
  if (each.what === "take") return runTake(world, each);
  if (each.what === "restore" || each.what === "fail") return runRestore(world, each);
  if (each.what === "forget") {
    const name = SNAPSHOTS[each.which % SNAPSHOTS.length];
    if (world.saved.delete(name)) gpu.store.delete(name);
    return;
  }
  if (each.what === "create") {
    if (contents.size >= OBJECTS_MAX) return;
    const sizeBytes = 64 * KIB * (1 + (each.at % 50));
    const regions = each.seed % 3 === 0 ? ["smem"] : ["lmem0", "smem"];
    const create = {
      type: "createObject",
      sizeBytes,
      regions,
      flags: [],
      alignmentBytes: 0,
      label: `n${each.seed % 5}`,
    };
    const { id } = await gpu.execute(create as Extract<Command, { type: "createObject" }>);
    contents.set(id, new Uint8Array(sizeBytes));
    return;
  }
  if (each.what === "cycle") {
    if ((await tried(gpu, { type: "suspend", state: "S3" })) && (await tried(gpu, { type: "resume" })))
      note(world, "cycle");
    return;
  }
  const id = [...contents.keys()][each.which % contents.size];
  if (id !== undefined) await runOn(world, each, id);
}

async function runOn(world: World, each: Step, object: string): Promise<void> {
  const gpu = world.gpus[each.device];
  const contents = world.contents[each.device];
  const bytes = contents.get(object) ?? new Uint8Array(0);
  const offsetBytes = (each.at - (each.at % 4)) % bytes.length;
  const lengthBytes = Math.min(each.length, bytes.length - offsetBytes);
  switch (each.what) {
    case "write": {
      const data = patternOf(each.seed, lengthBytes);
      if (await tried(gpu, { type: "writeObject", object, offsetBytes, data })) bytes.set(data, offsetBytes);
      return;
    }
    case "engine": {
      const length = Math.max(4, lengthBytes - (lengthBytes % 4));
      const pattern = each.seed >>> 0;
      const fill = { op: "fill", object, offsetBytes, lengthBytes: length, pattern } as const;
      const load = { op: "loadRegister", register: each.seed % 16, value: BigInt(each.seed) } as const;
      const work = { ...request("1", [load, fill]), waitMs: 60_000 };
      const fence = await gpu.execute(work).catch(refused);
      if (fence?.state !== "SIGNALED") return;
      note(world, "engine");
      new Uint32Array(bytes.buffer, offsetBytes, length / 4).fill(pattern);
      return;
    }
    case "delete":
      if (await tried(gpu, { type: "deleteObject", object })) contents.delete(object);
      return;
    case "pin":
      await tried(gpu, { type: "pinObject", object });
      return;
    case "unpin":
      await tried(gpu, { type: "unpinObject", object });
      return;
    case "move":
      await tried(gpu, { type: "moveObject", object, region: each.seed % 2 === 0 ? "smem" : "lmem0" });
      return;
    case "evict":
      await tried(gpu, { type: "evictRegion", region: "lmem0" });
      return;
    default:
      await tried(gpu, {
        type: "adviseObject",
        object,
        advice: each.seed % 4 === 0 ? "DONT_NEED" : "WILL_NEED",
      });
  }
}

async function runTake(world: World, { device, which }: Step): Promise<void> {
  const gpu = world.gpus[device];
  const name = SNAPSHOTS[which % SNAPSHOTS.length];
  if (world.saved.delete(name)) gpu.store.delete(name);
  await take(gpu, name);
  note(world, "take");
  const contents = copyOf(world.contents[device]);
  world.saved.set(name, { device: world.lineage[device], contents, seen: await lookAtAll(gpu) });
}

async function runRestore(world: World, { device, which, what }: Step): Promise<void> {
  const gpu = world.gpus[device];
  const name = SNAPSHOTS[which % SNAPSHOTS.length];
  const saved = world.saved.get(name);
  if (saved === undefined) return;
  const of = gpu.store.get(name).device;
  const isFork = of !== gpu.device.name;
  if (isFork) await gpu.execute({ type: "resetDevice", scope: "FACTORY" });
  const breaks = breakers.get(world);
  breaks?.(what === "fail" && saved.contents.size > 0);
  try {
    await restore(gpu, name);
  } catch (error) {
    if (!(error instanceof DeviceError) || error.reason !== "COPY_FAILED") throw error;
    note(world, "fail");
    await expectNew(gpu);
    world.contents[device] = new Map();
    await newContext(gpu, "bcs0");
    return;
  } finally {
    breaks?.(false);
  }
  note(world, isFork ? "fork" : "restore");
  world.contents[device] = copyOf(saved.contents);
  const seen = await lookAtAll(gpu);
  expect(withoutUids(seen)).toEqual(withoutUids(saved.seen));
}

/** A restore that failed leaves nothing of either state. */
async function expectNew(gpu: SnapshotDevice): Promise<void> {
  const { objects } = await gpu.execute({
    type: "listObjects",
    afterId: "",
    limit: 10,
    showDeviceOwned: false,
  });
  const { contexts } = await gpu.execute({ type: "listContexts", afterId: "", limit: 10 });
  const { powerState } = await gpu.execute({ type: "getDevice" });
  expect({ objects, contexts, powerState }).toEqual({ objects: [], contexts: [], powerState: "ACTIVE" });
}

/** Uids follow from the device, and a fork or a device that was reset has one of its own. */
function withoutUids(seen: unknown): unknown {
  return JSON.parse(
    JSON.stringify(seen, (key, value) =>
      key === "uid" ? "" : typeof value === "bigint" ? `${value}` : value,
    ),
  );
}

/** Every resident object has the bytes that the model knows. */
function expectBytes(gpu: SnapshotDevice, contents: Contents): void {
  const { memory } = gpu.device;
  for (const [id, bytes] of contents) {
    const slot = memory.findObject(id);
    expect(slot, `object ${id} exists`).toBeGreaterThanOrEqual(0);
    if (memory.table.resource[slot] < 0) continue;
    expect(hashOf(bytesInPlace(gpu, id)), `bytes of object ${id}`).toBe(hashOf(bytes));
  }
}

function copyOf(contents: Contents): Contents {
  return new Map([...contents].map(([id, bytes]) => [id, bytes.slice()]));
}

/** Whether the command was carried out; a refusal is fine. */
async function tried(gpu: SnapshotDevice, command: Command): Promise<boolean> {
  const answer = await gpu.execute(command).then(() => true, refused);
  return answer === true;
}

/** A refusal by the device, and nothing else. */
function refused(error: unknown): undefined {
  if (!(error instanceof DeviceError)) throw error;
}

function note({ done }: World, what: string): void {
  done.set(what, (done.get(what) ?? 0) + 1);
}
