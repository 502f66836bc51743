/**
 * A backup that was swapped out between suspend and resume has no bytes in memory. This is a normal state: it
 * is populated before it is copied (i915_ttm_restore validates and populates first).
 */
import { SWAPPED } from "../backing-state.ts";
import { DeviceError, toDeviceError } from "../errors.ts";
import type { Memory } from "../memory/memory.ts";
import { swapPagesOf } from "../memory/object-runs.ts";
import { FLAG, NONE } from "../memory/object-table.ts";
import { populate } from "../memory/placement.ts";
import type { WorkingMemory } from "./working-memory.ts";

/**
 * Makes the bytes of an owner's backup ready to be copied. `system`: they are in system memory. `there`:
 * system memory had no room, so they went from swap directly to the owner's place. `lost`: swap returned
 * other bytes. The caller holds the backup's lock.
 * @throws DeviceError CONTENT_UNKNOWN for an owner that the device needs itself; COPY_FAILED;
 * SYSTEM_MEMORY_EXHAUSTED if the CPU cannot reach the owner's place.
 */
export async function populateBackup(
  { memory, services }: WorkingMemory,
  owner: number,
): Promise<"system" | "there" | "lost"> {
  const { table } = memory;
  const backup = table.backup[owner];
  if (table.resource[backup] !== NONE) return "system";
  if (table.state[backup] !== SWAPPED) return lost(memory, owner);
  try {
    await populate(memory, backup, "cpu");
    return "system";
  } catch (error) {
    const cause = toDeviceError(error);
    if (cause.reason === "CONTENT_UNKNOWN") return lost(memory, owner);
    const region = memory.region(table.region[owner]);
    if (cause.kind !== "exhausted" || !region.isVisible(table.resource[owner])) throw error;
    const place = { region, handle: table.resource[owner] };
    await memory.swap?.read(backup, swapPagesOf(memory, place, table.sizeBytes[owner]));
    services.emit({ type: "swappedIn", objects: 1, bytes: table.sizeBytes[owner] });
    return "there";
  }
}

function lost(memory: Memory, owner: number): "lost" {
  if (memory.table.has(owner, FLAG.KERNEL)) {
    throw new DeviceError(
      "CONTENT_UNKNOWN",
      `The backup of object ${memory.idOf(owner)}, which the device needs, was damaged in swap. Only a ` +
        "FACTORY reset helps.",
      { object: memory.idOf(owner) },
    );
  }
  return "lost";
}
