/**
 * What a suspend would do, without doing any of it: the same question is asked of each object as the walks ask
 * (backup.ts), and the answers are added up.
 */
import { formatBytes } from "../format.ts";
import type { Rates } from "../hardware/rates.ts";
import { WALK_SLICE_OBJECTS } from "../limits.ts";
import { LIST_PINNED, PRIORITIES } from "../memory/lists.ts";
import type { Memory } from "../memory/memory.ts";
import { FLAG, NONE, RESIDENT } from "../memory/object-table.ts";
import { roundUp } from "../memory/region.ts";
import type { PlanBlocker, PlanShare, SuspendPlan } from "../resource.ts";
import type { Gt } from "../submission/gt.ts";
import { decide } from "./backup.ts";
import { imageBytesMaxOf } from "./image/amounts.ts";
import type { SuspendTarget } from "./parts.ts";
import type { PowerPolicy } from "./policy.ts";

interface Share {
  objects: number;
  bytes: number;
}

export interface PlanOptions {
  readonly memory: Memory;
  readonly gt: Gt;
  readonly rates: Rates;
  readonly policy: PowerPolicy;
  readonly target: SuspendTarget;
}

/** Adds up what a suspend of an ACTIVE device would move by which path, what it needs and how long it should take. */
export async function planSuspend({ memory, gt, rates, policy, target }: PlanOptions): Promise<SuspendPlan> {
  const evict = emptyShare();
  const backupBlit = emptyShare();
  const backupMemcpy = emptyShare();
  const discard = emptyShare();
  let requiredBytes = 0;
  let beyondWindowBytes = 0;
  let volatileBytes = 0;
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
      if (fate === "evict" && memory.table.has(slot, FLAG.VOLATILE)) volatileBytes += sizeBytes;
      requiredBytes += roundUp(sizeBytes, memory.system.minPageBytes);
      const byCpu = fate === "backupMemcpy" || gt.wedged || memory.blitter === undefined;
      if (byCpu && !region.isVisible(memory.table.resource[slot])) beyondWindowBytes += sizeBytes;
    }
  }
  const shares = { evict, backupBlit, backupMemcpy, discard };
  const room = await roomOf(memory);
  const freeBytes = memory.system.freeBytes + room.purgeable + volatileBytes;
  const needs = { freeBytes, evictBytes: evict.bytes, backupBytes: backupBlit.bytes + backupMemcpy.bytes };
  const availableBytes = availableOf(needs, room, policy, target.swaps);
  const blockers = blockersOf(availableBytes, requiredBytes, beyondWindowBytes);
  return {
    feasible: blockers.length === 0,
    blockers,
    ...shares,
    systemMemoryRequiredBytes: requiredBytes,
    systemMemoryAvailableBytes: availableBytes,
    imageBytesMax: await imageBytesMaxOf(memory),
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

/** What the shrinker could make of system memory as it is: by throwing away, and by swapping. */
interface Room {
  readonly purgeable: number;
  readonly swappable: number;
  readonly swapBytes: number;
}

async function roomOf(memory: Memory): Promise<Room> {
  const { table, system, swap } = memory;
  let purgeable = 0;
  let swappable = 0;
  let looked = 0;
  for (let priority = 0; priority < PRIORITIES; priority++) {
    for (let slot = system.lists.head(priority); slot !== NONE; slot = table.listNext[slot]) {
      if (++looked % WALK_SLICE_OBJECTS === 0) await memory.clock.yield();
      if (table.has(slot, FLAG.KERNEL)) continue;
      if (table.dontNeed[slot] === 1 || table.has(slot, FLAG.VOLATILE)) purgeable += table.sizeBytes[slot];
      else swappable += table.sizeBytes[slot];
    }
  }
  return { purgeable, swappable, swapBytes: swap?.freeBytes ?? 0 };
}

/** How much system memory the suspend could have: what is free, and what swapping adds where it is allowed. */
function availableOf(
  needs: { readonly freeBytes: number; readonly evictBytes: number; readonly backupBytes: number },
  { swappable, swapBytes }: Room,
  policy: PowerPolicy,
  swaps: boolean,
): number {
  const { freeBytes, evictBytes, backupBytes } = needs;
  const evictsEarly = policy.notifier === "opportunistic";
  // What was evicted can itself be swapped for what comes after it.
  const withSwap = freeBytes + Math.min(swappable + evictBytes, swapBytes);
  if (swaps || (evictsEarly && policy.preallocateBackups)) return withSwap;
  // `prepare` swaps for one of the two only, and no more than that one takes.
  if (evictsEarly) return Math.max(freeBytes, Math.min(evictBytes, withSwap));
  if (!policy.preallocateBackups) return freeBytes;
  return Math.max(freeBytes, Math.min(backupBytes, freeBytes + Math.min(swappable, swapBytes)));
}

function blockersOf(availableBytes: number, requiredBytes: number, beyondWindowBytes: number): PlanBlocker[] {
  const blockers: PlanBlocker[] = [];
  if (requiredBytes > availableBytes) {
    blockers.push({
      reason: "SYSTEM_MEMORY_EXHAUSTED",
      message: `System memory has ${formatBytes(availableBytes)} that are or can be made free, and the suspend needs ${formatBytes(requiredBytes)}.`,
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
