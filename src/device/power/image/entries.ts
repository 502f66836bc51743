/**
 * The entries of an image that another device takes over, and the checks on each. A faulty or malicious
 * program can make an image with correct checksums. Contradictions are refused before they can trip an
 * assertion.
 */

import { PURGED, RESIDENT, SWAPPED, UNKNOWN, UNPOPULATED } from "../../backing-state.ts";
import type { Clock } from "../../clock.ts";
import { contradicts } from "../../image/image-error.ts";
import type { ImageObject, ImagePlace, ImageTables } from "../../image/image-model.ts";
import { CONTEXTS_MAX, WORK_SLICE_ITEMS } from "../../limits.ts";
import { FLAG, FLAG_BACKUP } from "../../memory/object-table.ts";

/**
 * Visits in order whatever a device takes over, and lets other work run now and then: clients' objects, the
 * images and rings of their contexts, and the backups of all these. The device's own objects are not
 * included, because the firmware makes them anew at boot.
 * @throws DeviceError IMAGE_CORRUPT if the image contradicts itself; earlier visits stand.
 */
export async function visitEntries(
  tables: ImageTables,
  clock: Clock,
  visit: (entry: ImageObject, index: number) => void,
): Promise<void> {
  const ofContexts = objectsOfContexts(tables);
  const owners = new Map<number, ImageObject>();
  const before = { CLIENT: 0, OWNED: 0, BACKUP: 0 };
  for (let index = 0; index < tables.objectCount; index++) {
    if ((index + 1) % WORK_SLICE_ITEMS === 0) await clock.yield();
    const entry = tables.object(index);
    if (entry.kind === "OWNED" && !ofContexts.has(entry.id)) continue;
    if (entry.kind === "BACKUP" && isBackupOfSkipped(tables, ofContexts, entry)) continue;
    const defect =
      defectOf(tables, entry, before[entry.kind]) ?? defectOfBackup(entry, owners.get(entry.owner));
    if (defect !== undefined) throw contradicts(`entry ${index} (${entry.kind} ${entry.id}) ${defect}`);
    before[entry.kind] = entry.id;
    // An owner has at most one backup.
    if (entry.kind === "BACKUP") owners.delete(entry.owner);
    else if (entry.place === "LOCAL") owners.set(index, entry);
    visit(entry, index);
  }
}

/** Checks the counters and contexts of an image by themselves. @throws DeviceError IMAGE_CORRUPT. */
export function checkCountersAndContexts(tables: ImageTables): void {
  const { contexts, device } = tables;
  for (const name of COUNTERS) {
    if (!isCount(device[name])) throw contradicts(`${name} is ${device[name]}`);
  }
  if (contexts.length > CONTEXTS_MAX) throw contradicts(`it has more than ${CONTEXTS_MAX} contexts`);
  if (!UUID.test(device.uid)) throw contradicts(`its device has the uid ${device.uid}`);
  let before = 0;
  for (const context of contexts) {
    if (!(isCount(context.id) && context.id > before && context.id < device.nextContextId)) {
      throw contradicts(
        `context ${context.id} follows context ${before} and is not below ${device.nextContextId}`,
      );
    }
    if (!isCount(context.seqno) || !isCount(context.hangs)) {
      throw contradicts(
        `context ${context.id} has ${context.hangs} hangs and sequence number ${context.seqno}`,
      );
    }
    before = context.id;
  }
  const objects = objectsOfContexts(tables).size;
  if (objects !== 2 * contexts.length) throw contradicts("two contexts have the same image or ring");
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const COUNTERS = [
  "suspendCount",
  "nextObjectId",
  "nextOwnedId",
  "nextContextId",
  "nextFenceId",
  "nextTransitionId",
] as const;

function objectsOfContexts(tables: ImageTables): ReadonlySet<number> {
  return new Set(tables.contexts.flatMap((context) => [context.imageObject, context.ringObject]));
}

function isBackupOfSkipped(
  tables: ImageTables,
  ofContexts: ReadonlySet<number>,
  entry: ImageObject,
): boolean {
  if (!isCount(entry.owner) || entry.owner >= tables.objectCount) return false;
  const owner = tables.object(entry.owner);
  return owner.kind === "OWNED" && !ofContexts.has(owner.id);
}

const STATES: Readonly<Record<ImagePlace, readonly number[]>> = {
  NONE: [UNPOPULATED, PURGED, UNKNOWN],
  LOCAL: [RESIDENT],
  SYSTEM: [RESIDENT],
  SWAP: [SWAPPED],
};

/** The fault of an entry; undefined if there is none. `before` is the previous id of the same kind. */
function defectOf(tables: ImageTables, entry: ImageObject, before: number): string | undefined {
  const { kind, id, flags, place, pinCount } = entry;
  const { device } = tables;
  const nextId = kind === "CLIENT" ? device.nextObjectId : device.nextOwnedId;
  const inMemory = place === "LOCAL" || place === "SYSTEM";
  if (kind !== "BACKUP" && !(isCount(id) && id > before && id < nextId)) {
    return `follows number ${before} and is not below ${nextId}`;
  }
  if (!isCount(entry.sizeBytes) || entry.sizeBytes === 0) return `has ${entry.sizeBytes} bytes`;
  const isOurs = (flags & FLAG.KERNEL) !== 0;
  const isBackup = (flags & FLAG_BACKUP) !== 0;
  if (isOurs !== (kind !== "CLIENT") || isBackup !== (kind === "BACKUP")) return `has the flags ${flags}`;
  if (!STATES[place].includes(entry.state)) return `is in state ${entry.state} and in ${place}`;
  if (!isCount(pinCount) || (pinCount > 0 && !inMemory)) return `has ${pinCount} pins and is in ${place}`;
  const isPlain = pinCount === 0 && !entry.dontNeed && place !== "SWAP";
  if (kind !== "CLIENT" && !isPlain)
    return "is pinned, called unneeded, or in swap, which only clients' objects are";
  const { alignmentBytes } = entry;
  if (alignmentBytes !== 0 && !(isCount(alignmentBytes) && Number.isInteger(Math.log2(alignmentBytes)))) {
    return `is aligned to ${alignmentBytes} bytes`;
  }
  const known = entry.regions.every((region) => isCount(region) && region <= device.lmem.length);
  if (!known || entry.regions.length === 0 || new Set(entry.regions).size !== entry.regions.length) {
    return `may be in the regions ${entry.regions.join(", ")}`;
  }
  return place === "LOCAL" ? defectOfExtents(tables, entry) : undefined;
}

function defectOfExtents(tables: ImageTables, entry: ImageObject): string | undefined {
  const { region, extents, sizeBytes, flags } = entry;
  const local = tables.device.lmem[region - 1];
  if (local === undefined) return `is in region ${region}`;
  let bytes = 0;
  for (const { offsetBytes, lengthBytes } of extents) {
    const end = offsetBytes + lengthBytes;
    const whole = isCount(offsetBytes) && isCount(lengthBytes) && lengthBytes > 0 && end <= local.sizeBytes;
    if (!whole) return `has ${lengthBytes} bytes at ${offsetBytes} of a region of ${local.sizeBytes}`;
    bytes += lengthBytes;
  }
  if ((flags & FLAG.CONTIGUOUS) !== 0 && extents.length !== 1)
    return `is contiguous in ${extents.length} extents`;
  return bytes >= sizeBytes ? undefined : `has extents of ${bytes} bytes for ${sizeBytes}`;
}

function defectOfBackup(entry: ImageObject, owner: ImageObject | undefined): string | undefined {
  if (entry.kind !== "BACKUP") return undefined;
  if (owner === undefined) return `is a backup of entry ${entry.owner}, which needs none`;
  const isKept = entry.place === "SYSTEM" || entry.place === "SWAP";
  if (isKept && entry.sizeBytes === owner.sizeBytes) return undefined;
  return `is a backup of ${entry.sizeBytes} bytes in ${entry.place} for an object of ${owner.sizeBytes}`;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
