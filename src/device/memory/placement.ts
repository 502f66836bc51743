/**
 * Finds room for an object: in its first region without evicting, then with evicting, then in its other
 * regions (drm ttm_bo_validate as i915_ttm_get_pages calls it). The caller holds the object's lock.
 */

import assert from "node:assert/strict";
import { SWAPPED, UNKNOWN } from "../backing-state.ts";
import { sleep } from "../clock.ts";
import { DeviceError, toDeviceError } from "../errors.ts";
import type { Extent } from "../extent.ts";
import { formatBytes } from "../format.ts";
import { clearChecked, copyChecked } from "./checked-copy.ts";
import { CopyList } from "./copier.ts";
import {
  allocateSystem,
  collectVictims,
  type Eviction,
  evictVictims,
  machineExhausted,
  noSystemMemory,
  type SystemWait,
} from "./evict.ts";
import { changeState } from "./lifecycle.ts";
import type { Memory } from "./memory.ts";
import { swapPagesOf } from "./object-runs.ts";
import { NONE } from "./object-table.ts";
import { BUSY_RETRY_MS, type InUse, Patience } from "./patience.ts";
import type { Region, SpaceRequest } from "./region.ts";
import {
  bindResource,
  moveResource,
  needsClearing,
  putBackOnList,
  relist,
  spaceRequestOf,
  takeOffList,
} from "./residency.ts";
import type { Space } from "./space.ts";

/** A client's command waits for any object that may leave. */
const WAIT: SystemWait = { forArrivals: true, forUse: true };

/**
 * Gives an object that has no resource a place in one of its regions, with its bytes or zeroes in it. If the
 * CPU needs it, places within the CPU's reach come first.
 */
export async function populate(memory: Memory, slot: number, user: "cpu" | "engine"): Promise<void> {
  const plain = spaceRequestOf(memory, slot);
  const regions = memory.placementOf(slot).map((index) => memory.region(index));
  const inWindow =
    user === "cpu" && regions.some((region) => region.hasSmallWindow)
      ? [{ ...plain, visibleOnly: true, topDown: false }]
      : [];
  let failure: DeviceError | undefined;
  for (const request of [...inWindow, plain]) {
    for (const region of regions) {
      const found = await findSpace(memory, slot, { region, request });
      if (!(found instanceof DeviceError)) return fillAndBind(memory, slot, found);
      failure ??= found;
    }
  }
  throw (
    failure ??
    new DeviceError("INTERNAL", `Object ${memory.idOf(slot)} has no regions.`, { object: memory.idOf(slot) })
  );
}

/**
 * Makes an object resident in `region`, wherever it is now.
 * @throws DeviceError REGION_FULL and its siblings.
 */
export async function makeResident(memory: Memory, slot: number, region: Region): Promise<void> {
  if (memory.table.region[slot] === region.index) return;
  requireMovable(memory, slot);
  const found = await findSpace(memory, slot, { region, request: spaceRequestOf(memory, slot) });
  if (found instanceof DeviceError) throw found;
  if (memory.table.resource[slot] === NONE) await fillAndBind(memory, slot, found);
  else await moveTo(memory, slot, found);
}

/**
 * Moves a resident object to where the CPU reaches every byte: within the window of its region, else to
 * system memory if that is allowed (the CPU fault of i915_ttm_vm_fault).
 * @throws DeviceError NOT_CPU_VISIBLE.
 */
export async function makeVisible(memory: Memory, slot: number): Promise<void> {
  const { table } = memory;
  const current = memory.region(table.region[slot]);
  if (current.isVisible(table.resource[slot])) return;
  requireMovable(memory, slot);
  if (table.pinCount[slot] === 0) {
    const request = { ...spaceRequestOf(memory, slot), visibleOnly: true, topDown: false };
    for (const index of memory.placementOf(slot)) {
      const found = await findSpace(memory, slot, { region: memory.region(index), request });
      if (!(found instanceof DeviceError)) return moveTo(memory, slot, found);
    }
  }
  throw new DeviceError(
    "NOT_CPU_VISIBLE",
    `Object ${memory.idOf(slot)} lies outside the ${formatBytes(current.visibleBytes)} of region ` +
      `${current.id} that the CPU can reach, and cannot be moved.`,
    { object: memory.idOf(slot), region: current.id },
  );
}

/**
 * Brings an object to its first region if there is room without evicting, else to any of its regions. An
 * object that other work uses stays in place.
 */
export async function bringForUse(memory: Memory, slot: number): Promise<void> {
  const { table } = memory;
  if (table.resource[slot] === NONE) return populate(memory, slot, "engine");
  const allowed = memory.placementOf(slot);
  const atHome = table.region[slot] === allowed[0];
  if (!atHome && table.pinCount[slot] === 0 && table.active[slot] === 0) {
    const preferred = memory.region(allowed[0]);
    const handle = preferred.allocate(spaceRequestOf(memory, slot));
    if (handle !== NONE) {
      memory.services.emit({ type: "allocated", region: preferred.id, objects: 1 });
      return moveTo(memory, slot, { region: preferred, handle });
    }
    if (!allowed.includes(table.region[slot])) return makeResident(memory, slot, preferred);
  }
  relist(memory, slot);
}

/** @throws DeviceError OBJECT_ACTIVE for an object that running work uses where it is. */
function requireMovable(memory: Memory, slot: number): void {
  if (memory.table.active[slot] === 0) return;
  const id = memory.idOf(slot);
  throw new DeviceError("OBJECT_ACTIVE", `Object ${id} is in use by running work and cannot be moved.`, {
    object: id,
  });
}

/** Moves an object to the space that was found for it. */
async function moveTo(memory: Memory, slot: number, space: Space): Promise<void> {
  const { table } = memory;
  const list = new CopyList();
  const from = memory.region(table.region[slot]);
  list.addResource({ region: from, handle: table.resource[slot] }, space, table.sizeBytes[slot]);
  // Its old place is about to be free, and others may be waiting for it.
  takeOffList(memory, slot);
  try {
    await copyChecked(memory, list);
  } catch (error) {
    space.region.giveUp(space.handle);
    putBackOnList(memory, slot);
    throw error;
  }
  moveResource(memory, slot, space);
}

/** The space to look for, and where. */
interface Wanted {
  readonly region: Region;
  readonly request: SpaceRequest;
}

/** Finds space for an object in one region, after evicting others if necessary; or says why there is none. */
async function findSpace(
  memory: Memory,
  slot: number,
  { region, request }: Wanted,
): Promise<Space | DeviceError> {
  const patience = new Patience(region);
  for (;;) {
    const handle =
      region === memory.system
        ? await allocateSystem(memory, request.sizeBytes, WAIT)
        : region.allocate(request);
    if (handle !== NONE) {
      memory.services.emit({ type: "allocated", region: region.id, objects: 1 });
      return { region, handle };
    }
    const error = await makeRoom(memory, slot, { region, request });
    if (error === undefined) continue;
    // Objects on their way arrive or leave after a bounded time, however long the copy takes.
    const isMoving = error === "moving";
    if (isMoving || ((error === "busy" || error === "active") && patience.allows(error))) {
      await sleep(memory.services.clock, BUSY_RETRY_MS);
      continue;
    }
    const failure = error instanceof DeviceError ? error : regionFull(memory, slot, region);
    memory.services.emit({ type: "allocationFailed", region: region.id, reason: failure.reason });
    return failure;
  }
}

/**
 * Evicts about the requested amount from a region. Undefined if something left, so that the caller tries
 * again.
 */
async function makeRoom(
  memory: Memory,
  slot: number,
  { region, request }: Wanted,
): Promise<DeviceError | "moving" | InUse | "full" | undefined> {
  if (region === memory.system) return noSystemMemory(memory, "the object");
  if (!region.couldMakeRoom(request)) return "full";
  const { sizeBytes: bytesWanted, visibleOnly: inWindow } = request;
  const victims = collectVictims(memory, region, { bytesWanted, inWindow, except: slot });
  if (victims.slots.length === 0) {
    if (region.inHands > 0 || region.arriving > 0) return "moving";
    if (victims.someActive) return "active";
    return victims.someBusy ? "busy" : "full";
  }
  let evicted: Eviction;
  try {
    evicted = await evictVictims(memory, victims, "pressure");
  } catch (error) {
    // There is no room here then, but the object may find some in another of its regions.
    return toDeviceError(error);
  }
  if (evicted.objects > 0 || evicted.purgedBytes > 0) return undefined;
  return noSystemMemory(
    memory,
    `the ${formatBytes(victims.bytes)} that would have to leave region ${region.id}`,
  );
}

/**
 * Puts an object's bytes, or zeroes, into the space that was found for it, and binds the space to the object.
 */
async function fillAndBind(memory: Memory, slot: number, space: Space): Promise<void> {
  const { region, handle } = space;
  if (memory.table.state[slot] === SWAPPED && !region.isVisible(handle)) {
    return swapInBeyondWindow(memory, slot, space);
  }
  try {
    if (memory.table.state[slot] === SWAPPED) await swapIn(memory, slot, space);
    else if (needsClearing(memory, slot)) await clear(memory, region, handle);
  } catch (error) {
    region.giveUp(handle);
    throw error;
  }
  bindResource(memory, slot, space);
  memory.swap?.discard(slot);
}

/** The CPU reads swap and cannot reach beyond the window, so the bytes go through system memory. */
async function swapInBeyondWindow(memory: Memory, slot: number, space: Space): Promise<void> {
  const { system } = memory;
  try {
    const bounce = await allocateSystem(memory, memory.table.sizeBytes[slot], WAIT);
    if (bounce === NONE) throw noSystemMemory(memory, `object ${memory.idOf(slot)} on its way from swap`);
    await fillAndBind(memory, slot, { region: system, handle: bounce });
  } catch (error) {
    space.region.giveUp(space.handle);
    throw error;
  }
  await moveTo(memory, slot, space);
}

/** Zeroes the bytes that are not known to be zero. */
async function clear(memory: Memory, region: Region, handle: number): Promise<void> {
  const dirty: Extent[] = [];
  addDirtyRanges(dirty, region, handle);
  if (dirty.length > 0) await clearChecked(memory, region.bank.index, dirty);
}

/** Adds the ranges of a resource that are not known to be zero, and joins neighbours. */
export function addDirtyRanges(dirty: Extent[], region: Region, handle: number): void {
  region.forEachBlock(handle, (offsetBytes, lengthBytes, cleared) => {
    if (cleared) return;
    const last = dirty.at(-1);
    if (last === undefined || last.offsetBytes + last.lengthBytes !== offsetBytes) {
      dirty.push({ offsetBytes, lengthBytes });
    } else {
      dirty[dirty.length - 1] = {
        offsetBytes: last.offsetBytes,
        lengthBytes: last.lengthBytes + lengthBytes,
      };
    }
  });
}

/**
 * Brings a swapped object's bytes back.
 * @throws DeviceError CONTENT_UNKNOWN if swap returned other bytes.
 */
async function swapIn(memory: Memory, slot: number, space: Space): Promise<void> {
  assert(space.region.isVisible(space.handle), "the CPU brings bytes from swap to where it reaches");
  const sizeBytes = memory.table.sizeBytes[slot];
  try {
    await memory.services.failpoints.pass("swap.read");
    await memory.swap?.read(slot, swapPagesOf(memory, space, sizeBytes));
  } catch (error) {
    const cause = toDeviceError(error);
    if (cause.reason !== "CHECKSUM_MISMATCH") {
      throw new DeviceError(
        "COPY_FAILED",
        `Object ${memory.idOf(slot)} could not be read from swap: ${cause.message}`,
        {
          object: memory.idOf(slot),
        },
      );
    }
    memory.swap?.discard(slot);
    changeState(memory, slot, UNKNOWN);
    memory.services.emit({ type: "contentLost", object: memory.idOf(slot), bytes: sizeBytes });
    throw new DeviceError(
      "CONTENT_UNKNOWN",
      `The content of object ${memory.idOf(slot)} was damaged in swap.`,
      {
        object: memory.idOf(slot),
      },
    );
  }
  memory.services.emit({ type: "swappedIn", objects: 1, bytes: sizeBytes });
}

function regionFull(memory: Memory, slot: number, region: Region): DeviceError {
  const sizeBytes = memory.table.sizeBytes[slot];
  if (region.shortOfMachine)
    return machineExhausted(memory, `the ${formatBytes(sizeBytes)} of object ${memory.idOf(slot)}`);
  const largest = region.largestFreeBytes();
  const why =
    region.freeBytes < sizeBytes
      ? `is larger than the free space (${formatBytes(region.freeBytes)})`
      : `does not fit the free space, whose largest block is ${formatBytes(largest)},`;
  return new DeviceError(
    "REGION_FULL",
    `Size (${formatBytes(sizeBytes)}) of object ${memory.idOf(slot)} ${why} of region ${region.id}, ` +
      `and evicting cannot make room for it.`,
    {
      region: region.id,
      sizeBytes: String(sizeBytes),
      availableBytes: String(region.freeBytes),
      largestFreeBytes: String(largest),
    },
  );
}
