/**
 * What may be seen of a device after each step, given what the model knows: which changes of state an object may have
 * made of itself, where it may lie, who may have had to leave, and when there may have been no room.
 */
import { expect } from "vitest";
import type { Extent, ObjectFlag, ObjectResource } from "../../src/device/mod.ts";
import { type Move, PAGES, RESERVED, SIZES, type Thing, WINDOWS, type World } from "./memory-model.ts";
import { KIB, look, type VirtualDevice } from "./test-device.ts";

/** Commands that read or write content. */
const BY_CPU = ["readObject", "writeObject", "checksumObject"];

/** Looks at every object: what it is now must follow from what it was. `targets` are those that were used. */
export async function sync(world: World, targets: readonly Thing[]): Promise<void> {
  for (const thing of world.things) {
    const now = await look(world.gpu, thing.id);
    const was = thing.seen;
    const what = `object ${thing.id}: ${was.state} in ${was.region} to ${now.state} in ${now.region}`;
    expect([now.pinCount, now.regions, now.sizeBytes], what).toEqual([
      thing.pins,
      thing.regions,
      thing.bytes.length,
    ]);
    expect(now.madvise === "DONT_NEED", what).toBe(thing.dontNeed);
    if (was.pinCount > 0 && now.pinCount > 0)
      expect([now.region, now.extents], what).toEqual([was.region, was.extents]);
    const used = targets.includes(thing);
    // What nobody needs is thrown away when it has to leave, never copied.
    if (was.madvise === "DONT_NEED" && thing.dontNeed && now.state === "RESIDENT") {
      expect([now.region, now.extents], what).toEqual([was.region, was.extents]);
    }
    if (now.state !== was.state) {
      const loose = was.pinCount === 0 || used;
      const legal = {
        UNPOPULATED: was.state === "RESIDENT" && thing.flags.includes("VOLATILE") && loose,
        RESIDENT: (was.state === "UNPOPULATED" || was.state === "SWAPPED") && used,
        // Used and swapped again by the time somebody looked, when several commands ran at once.
        SWAPPED:
          (was.state === "RESIDENT" || (was.state === "UNPOPULATED" && used)) &&
          !thing.flags.includes("VOLATILE") &&
          !thing.dontNeed &&
          loose,
        PURGED: thing.dontNeed && loose,
        UNKNOWN: false,
      };
      expect(legal[now.state], what).toBe(true);
    }
    if (now.state === "UNPOPULATED") thing.bytes.fill(0);
    if (now.state === "RESIDENT") expectInPlace(world.gpu, thing, now, what);
    else expect([now.region, now.extents.length, now.pinCount], what).toEqual(["", 0, 0]);
    thing.seen = now;
  }
}

/** A resident object lies where it may lie, in one piece if it must, aligned, within reach if it must; every byte is right. */
function expectInPlace(gpu: VirtualDevice, thing: Thing, now: ObjectResource, what: string): void {
  expect([...thing.regions, "smem"], what).toContain(now.region);
  const local = now.region !== "smem";
  if (local && thing.flags.includes("CONTIGUOUS")) expect(now.extents.length, what).toBe(1);
  const inWindow = thing.flags.includes("CPU_ACCESS") || thing.flags.includes("PM_EARLY");
  for (const { offsetBytes, lengthBytes } of local ? now.extents : []) {
    expect(offsetBytes % Math.max(thing.alignmentBytes, PAGES[now.region]), what).toBe(0);
    if (inWindow) expect(offsetBytes + lengthBytes, what).toBeLessThanOrEqual(WINDOWS[now.region]);
    if (now.region !== "lmem0") continue;
    expect(
      offsetBytes + lengthBytes <= RESERVED.offsetBytes ||
        offsetBytes >= RESERVED.offsetBytes + RESERVED.lengthBytes,
    ).toBe(true);
  }
  forEachExtent(gpu, thing, (bytes, at) => {
    const same = Buffer.compare(bytes, thing.bytes.subarray(at, at + bytes.length)) === 0;
    expect(same, `${what}: bytes from ${at}`).toBe(true);
  });
}

/** The bytes of a resident object where they lie, piece by piece, behind the device's back. */
export function forEachExtent(
  gpu: VirtualDevice,
  thing: Thing,
  visit: (bytes: Uint8Array, at: number) => void,
): void {
  const { memory } = gpu.device;
  const slot = memory.findObject(thing.id);
  const region = memory.region(memory.table.region[slot]);
  let at = 0;
  for (const { offsetBytes, lengthBytes } of region.extents(memory.table.resource[slot])) {
    const length = Math.min(lengthBytes, thing.bytes.length - at);
    if (length > 0) visit(region.bank.bytes.subarray(offsetBytes, offsetBytes + length), at);
    at += length;
  }
}

/** Regions count what their objects have, in all and in the window; usage counts what clients' objects are. */
export async function expectAccounts(world: World): Promise<void> {
  const { gpu, things } = world;
  const list = { type: "listObjects", afterId: "", limit: 1000, showDeviceOwned: true } as const;
  const { objects } = await gpu.execute(list);
  for (const region of await gpu.execute({ type: "listRegions" })) {
    if (region.kind === "STOLEN") continue;
    const extents = objects
      .filter((object) => object.region === region.id)
      .flatMap((object) => object.extents);
    if (region.id === "lmem0") extents.push(RESERVED);
    const windowBytes = WINDOWS[region.id];
    const sum = (bytesOf: (extent: Extent) => number): number =>
      extents.reduce((total, extent) => total + bytesOf(extent), 0);
    expect([region.usedBytes, region.visibleBytes - region.visibleAvailableBytes], region.id).toEqual([
      sum((extent) => extent.lengthBytes),
      sum(({ offsetBytes, lengthBytes }) => Math.max(0, Math.min(windowBytes - offsetBytes, lengthBytes))),
    ]);
  }
  const usage = await gpu.execute({ type: "getUsage" });
  const used = usage.map((each) => [
    each.objects,
    each.localBytes,
    each.systemBytes,
    each.swappedBytes,
    each.pinnedBytes,
  ]);
  const bytes = (counts: (thing: Thing) => boolean): number =>
    things.filter(counts).reduce((total, thing) => total + thing.bytes.length, 0);
  expect(
    [0, 1, 2, 3, 4].map((at) => used.reduce((total, each) => total + each[at], 0)),
    "usage",
  ).toEqual([
    things.length,
    bytes((thing) => thing.seen.region.startsWith("lmem")),
    bytes((thing) => thing.seen.region === "smem"),
    bytes((thing) => thing.seen.state === "SWAPPED"),
    bytes((thing) => thing.pins > 0),
  ]);
  expect(gpu.device.memory.swap?.usedBytes, "swap").toBe(
    things
      .filter((thing) => thing.seen.state === "SWAPPED")
      .reduce((total, thing) => total + roundUp(thing.bytes.length, 64 * KIB), 0),
  );
}

/** What the CPU has just used lies where the CPU reaches it. */
export function expectReached(move: Move): void {
  if (!BY_CPU.includes(move.command.type)) return;
  for (const { seen } of move.targets) {
    const ends = seen.extents.map((extent) => extent.offsetBytes + extent.lengthBytes);
    expect(Math.max(...ends), `object ${seen.id} in ${seen.region}`).toBeLessThanOrEqual(
      WINDOWS[seen.region],
    );
  }
}

/** An eviction takes the first in line: by priority, then the least recently used. `before` is what was where. */
export function expectOrder(world: World, region: string, before: ReadonlyMap<Thing, ObjectResource>): void {
  const candidates = world.things.filter((thing) => before.get(thing)?.region === region && thing.pins === 0);
  const left = candidates.filter((thing) => thing.seen.region !== region);
  const stayed = candidates.filter((thing) => thing.seen.region === region);
  for (const gone of left) {
    for (const here of stayed) {
      const sooner =
        priorityOf(here) < priorityOf(gone) ||
        (priorityOf(here) === priorityOf(gone) && here.usedAt < gone.usedAt);
      expect(sooner, `object ${gone.id} left ${region} before object ${here.id}`).toBe(false);
    }
  }
}

function priorityOf(thing: Thing): number {
  if (thing.dontNeed || thing.flags.includes("VOLATILE")) return 0;
  return thing.flags.includes("CPU_ACCESS") ? 2 : 1;
}

/**
 * An answer that there is no room is right only when there is none: everything that could have left had left. For a
 * command by itself on one object.
 */
export async function expectNoRoom(world: World, move: Move, reason: string): Promise<void> {
  const [thing] = move.targets;
  const { gpu, things } = world;
  const sizeBytes = thing.bytes.length;
  const smem = await gpu.execute({ type: "getRegion", region: "smem" });
  const swapFreeBytes = gpu.device.memory.swap?.freeBytes ?? 0;
  const others = things.filter((each) => each !== thing && each.pins === 0);
  const couldLeaveSystem = others.some(
    (each) =>
      each.seen.region === "smem" &&
      (each.dontNeed ||
        each.flags.includes("VOLATILE") ||
        roundUp(each.bytes.length, 64 * KIB) <= swapFreeBytes),
  );
  const leaving = others
    .filter((each) => each.seen.region.startsWith("lmem"))
    .map((each) => each.bytes.length);
  const systemFull = !couldLeaveSystem && smem.availableBytes < Math.max(sizeBytes, ...leaving);
  if (reason === "SYSTEM_MEMORY_EXHAUSTED") return expect(systemFull, "system memory had room").toBe(true);
  const { command } = move;
  const byCpu = BY_CPU.includes(command.type);
  if (byCpu && thing.pins > 0) return;
  if (byCpu && thing.regions.includes("smem")) {
    const hadRoom = couldLeaveSystem || smem.availableBytes >= sizeBytes;
    return expect(hadRoom, "system memory had room").toBe(false);
  }
  // Nobody can leave a local region then, so it may be as full as it likes.
  if (systemFull) return;
  const constrained = ["CONTIGUOUS", "CPU_ACCESS", "PM_EARLY"].some((flag) =>
    thing.flags.includes(flag as ObjectFlag),
  );
  if (constrained || thing.alignmentBytes > 0) return;
  const named = "region" in command ? command.region : undefined;
  const region = named ?? thing.regions[0];
  if (region === "smem") return;
  const endBytes = byCpu ? WINDOWS[region] : SIZES[region];
  const list = { type: "listObjects", afterId: "", limit: 1000, showDeviceOwned: true } as const;
  const { objects } = await gpu.execute({ ...list, filter: { region } });
  // Its own bytes are in its way too: they can be given up only when they have arrived elsewhere.
  const stays = (object: ObjectResource): boolean => object.pinCount > 0 || object.id === thing.id;
  const fixed = objects.filter(stays).flatMap((object) => object.extents);
  if (region === "lmem0") fixed.push(RESERVED);
  const taken = fixed.map(({ offsetBytes, lengthBytes }) =>
    Math.max(0, Math.min(endBytes - offsetBytes, lengthBytes)),
  );
  const free = endBytes - taken.reduce((sum, bytes) => sum + bytes, 0);
  expect(free, `room that eviction could have made in ${region}`).toBeLessThan(sizeBytes);
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
