/**
 * What a suspend would do, without doing any of it: the same question is asked of each object as the walks ask
 * (backup.ts), and the answers are added up.
 */
import { formatBytes } from "../format.ts";
import type { Rates } from "../hardware/rates.ts";
import { WALK_SLICE_OBJECTS } from "../limits.ts";
import { LIST_PINNED } from "../memory/lists.ts";
import type { Memory } from "../memory/memory.ts";
import { RESIDENT } from "../memory/object-table.ts";
import type { Region } from "../memory/region.ts";
import { roundUp } from "../memory/region.ts";
import type { PlanBlocker, PlanShare, SuspendPlan } from "../resource.ts";
import type { Gt } from "../submission/gt.ts";
import { decide } from "./backup.ts";

interface Share {
  objects: number;
  bytes: number;
}

/** Adds up what a suspend of an ACTIVE device would move by which path, what it needs and how long it should take. */
export async function planSuspend(memory: Memory, gt: Gt, rates: Rates): Promise<SuspendPlan> {
  const evict = emptyShare();
  const backupBlit = emptyShare();
  const backupMemcpy = emptyShare();
  const discard = emptyShare();
  let requiredBytes = 0;
  let beyondWindowBytes = 0;
  let looked = 0;
  for (const region of memory.localRegions) {
    for (const slot of [...region.lists.all()]) {
      if (++looked % WALK_SLICE_OBJECTS === 0) await memory.clock.yield();
      if (memory.table.state[slot] !== RESIDENT || memory.table.region[slot] !== region.index) continue;
      const sizeBytes = memory.table.sizeBytes[slot];
      const fate = fateOf(memory, slot);
      const share = { evict, backupBlit, backupMemcpy, discard }[fate];
      share.objects++;
      share.bytes += sizeBytes;
      if (fate === "discard") continue;
      requiredBytes += roundUp(sizeBytes, memory.system.minPageBytes);
      const byCpu = fate === "backupMemcpy" || gt.wedged || memory.blitter === undefined;
      if (byCpu && !region.isVisible(memory.table.resource[slot])) beyondWindowBytes += sizeBytes;
    }
  }
  const shares = { evict, backupBlit, backupMemcpy, discard };
  const blockers = blockersOf(memory.system, requiredBytes, beyondWindowBytes);
  return {
    feasible: blockers.length === 0,
    blockers,
    ...shares,
    systemMemoryRequiredBytes: requiredBytes,
    systemMemoryAvailableBytes: memory.system.freeBytes,
    estimatedDurationNs: durationOf(shares, rates, gt.wedged || memory.blitter === undefined),
  };
}

/** What becomes of one object, in the order of tests of the walks: evicted if it can be, else backed up or given up. */
function fateOf(memory: Memory, slot: number): "evict" | "backupBlit" | "backupMemcpy" | "discard" {
  const { table } = memory;
  if (table.list[slot] % (LIST_PINNED + 1) !== LIST_PINNED) {
    return table.dontNeed[slot] === 1 ? "discard" : "evict";
  }
  if (decide(memory, slot, "pinned") === "back-up") return "backupBlit";
  return decide(memory, slot, "remaining") === "back-up" ? "backupMemcpy" : "discard";
}

function blockersOf(system: Region, requiredBytes: number, beyondWindowBytes: number): PlanBlocker[] {
  const blockers: PlanBlocker[] = [];
  if (requiredBytes > system.freeBytes) {
    blockers.push({
      reason: "SYSTEM_MEMORY_EXHAUSTED",
      message: `System memory has ${formatBytes(system.freeBytes)} free, and the suspend needs ${formatBytes(requiredBytes)}.`,
    });
  }
  if (beyondWindowBytes > 0) {
    blockers.push({
      reason: "COPY_FAILED",
      message: `${formatBytes(beyondWindowBytes)} would have to be copied by CPU, and lie where it cannot reach.`,
    });
  }
  return blockers;
}

function durationOf(
  { evict, backupBlit, backupMemcpy }: Readonly<Record<"evict" | "backupBlit" | "backupMemcpy", PlanShare>>,
  rates: Rates,
  byCpuOnly: boolean,
): bigint {
  const large = evict.bytes + backupBlit.bytes;
  const perSecond = byCpuOnly ? rates.cpuReadLocalBytesPerSecond : rates.blitterBytesPerSecond;
  const seconds = large / perSecond + backupMemcpy.bytes / rates.cpuReadLocalBytesPerSecond;
  return BigInt(Math.round(seconds * 1e9));
}

function emptyShare(): Share {
  return { objects: 0, bytes: 0 };
}
