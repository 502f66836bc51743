/** Describes objects as plain data read from the tables. Never waits for a lock. */
import type { ListObjects } from "../command.ts";
import { DeviceError } from "../errors.ts";
import { PAGE_SIZE_MAX } from "../limits.ts";
import type { BackingState, ObjectResource } from "../resource.ts";
import type { ChangeSource } from "./changes.ts";
import { STATE_NAMES } from "./lifecycle.ts";
import { type Memory, objectNotFound } from "./memory.ts";
import { FLAG, NONE } from "./object-table.ts";
import { isEvictable } from "./residency.ts";
import { visitClientSlots } from "./walk.ts";

/** @throws DeviceError OBJECT_NOT_FOUND. */
export function getObject(memory: Memory, id: string): ObjectResource {
  const slot = memory.findObject(id);
  if (slot === NONE) throw objectNotFound(id);
  return describeObject(memory, slot);
}

export function describeObject(memory: Memory, slot: number): ObjectResource {
  const { table } = memory;
  const resource = table.resource[slot];
  const region = resource === NONE ? undefined : memory.region(table.region[slot]);
  return {
    id: memory.idOf(slot),
    uid: uidOf(memory, slot),
    sizeBytes: table.sizeBytes[slot],
    label: table.labels.get(slot),
    flags: memory.flagsOf(slot),
    regions: memory.placementOf(slot).map((index) => memory.region(index).id),
    region: region?.id ?? "",
    state: stateOf(memory, slot),
    extents: region?.extents(resource) ?? [],
    pinCount: table.pinCount[slot],
    active: memory.reservations.isActive(slot),
    evictable: region?.kind === "LOCAL" && isEvictable(memory, slot),
    hasBackup: table.backup[slot] !== NONE,
    madvise: table.dontNeed[slot] === 1 ? "DONT_NEED" : "WILL_NEED",
    createTimeNs: table.createTimeNs[slot],
    etag: etagOf(memory, slot),
  };
}

/** Changes whenever placement, pins, state or backup of the object do. */
export function etagOf(memory: Memory, slot: number): string {
  const version = memory.table.version[slot].toString(16);
  return memory.replacements === 0 ? `"${version}"` : `"${version}-${memory.replacements}"`;
}

/** The state of an object, as clients see it. */
export function changeSource(memory: Memory): ChangeSource {
  const { changes } = memory;
  const describe = (slot: number) => describeObject(memory, slot);
  return {
    get pendingCount() {
      return changes.pendingCount;
    },
    open: (onPending) => changes.open(onPending),
    close: () => changes.close(),
    take(objectsMax) {
      const taken = changes.take(objectsMax);
      return { ...taken, created: taken.created.map(describe), changed: taken.changed.map(describe) };
    },
  };
}

/** A page of objects by ascending id: clients' first, then, when asked for, the device's own. */
export async function listObjects(
  memory: Memory,
  command: ListObjects,
): Promise<{ objects: readonly ObjectResource[]; nextAfterId: string }> {
  if (!Number.isInteger(command.limit) || command.limit < 1 || command.limit > PAGE_SIZE_MAX) {
    throw new DeviceError(
      "INVALID_REQUEST",
      `A page of ${command.limit} objects is not between 1 and ${PAGE_SIZE_MAX}.`,
      { pageSize: String(command.limit), limit: String(PAGE_SIZE_MAX) },
    );
  }
  const objects: ObjectResource[] = [];
  /** Returns whether there is one more object than the page holds. */
  const take = (slot: number): boolean => {
    if (!matches(memory, slot, command.filter)) return false;
    if (objects.length === command.limit) return true;
    objects.push(describeObject(memory, slot));
    return false;
  };
  const { afterId, showDeviceOwned } = command;
  const pastClients = afterId.startsWith("k");
  const afterOwned = pastClients ? Number(afterId.slice(1)) : 0;
  let isMore = !pastClients && (await visitClientSlots(memory, afterId, take));
  if (showDeviceOwned && !isMore)
    isMore = memory.ownedSlots.some((slot) => memory.table.id[slot] > afterOwned && take(slot));
  return { objects, nextAfterId: isMore ? objects[objects.length - 1].id : "" };
}

function matches(memory: Memory, slot: number, filter: ListObjects["filter"]): boolean {
  if (filter === undefined) return true;
  const { table } = memory;
  if (filter.label !== undefined && table.labels.get(slot) !== filter.label) return false;
  if (filter.state !== undefined && stateOf(memory, slot) !== filter.state) return false;
  if (filter.region === undefined) return true;
  const region = table.resource[slot] === NONE ? "" : memory.region(table.region[slot]).id;
  return region === filter.region;
}

function stateOf(memory: Memory, slot: number): BackingState {
  return STATE_NAMES[memory.table.state[slot]];
}

/** A UUID of its own for each object: the device's, with the object's number in its last group. */
function uidOf(memory: Memory, slot: number): string {
  const kernel = memory.table.has(slot, FLAG.KERNEL) ? 0x8000_0000_0000 : 0;
  const last = (memory.table.id[slot] + kernel).toString(16).padStart(12, "0");
  return `${memory.deviceUid.slice(0, 24)}${last}`;
}
