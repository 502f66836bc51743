/**
 * What a suspend would do, without doing any of it: the same question is asked of each object as the walks
 * ask (backup.ts), and the answers are added up.
 */
import { toDeviceError } from "../errors.ts";
import { formatBytes } from "../format.ts";
import type { Rates } from "../hardware/rates.ts";
import { OBJECTS_MAX, WALK_SLICE_OBJECTS } from "../limits.ts";
import type { Memory } from "../memory/memory.ts";
import { FLAG, NONE } from "../memory/object-table.ts";
import { roundUp } from "../memory/region.ts";
import type { PowerPolicy } from "../policy.ts";
import type { PlanBlocker, PlanShare, SuspendPlan } from "../resource.ts";
import type { Gt } from "../submission/gt.ts";
import { decide } from "./backup.ts";
import { imageBytesMaxOf } from "./image/amounts.ts";
import type { SuspendTarget } from "./parts.ts";
import type { WorkingMemory } from "./working-memory.ts";

interface Share {
  objects: number;
  bytes: number;
}

export interface PlanOptions extends WorkingMemory {
  readonly gt: Gt;
  readonly rates: Rates;
  readonly policy: PowerPolicy;
  readonly target: SuspendTarget;
}

/**
 * Adds up what a suspend of an ACTIVE device would move by which path, what it needs and how long it should
 * take.
 */
export async function planSuspend(options: PlanOptions): Promise<SuspendPlan> {
  const { memory, services, gt, rates, policy, target } = options;
  const shares = {
    evict: emptyShare(),
    backupBlit: emptyShare(),
    backupMemcpy: emptyShare(),
    discard: emptyShare(),
  };
  const room = { purgeable: 0, swappable: 0 };
  let requiredBytes = 0;
  let beyondWindowBytes = 0;
  let volatileBytes = 0;
  const { table, system } = memory;
  const byCpuOnly = gt.wedged || memory.blitter === undefined;
  // By slot and not by list: clients go on meanwhile, and a list that is walked in slices leads astray when
  // it changes.
  for (let slot = 0; slot < table.slotsUsed; slot++) {
    if ((slot + 1) % WALK_SLICE_OBJECTS === 0) await services.clock.yield();
    if (table.resource[slot] === NONE) continue;
    const region = memory.region(table.region[slot]);
    if (region === system) addRoom(memory, slot, room);
    if (region.kind !== "LOCAL") continue;
    const sizeBytes = table.sizeBytes[slot];
    const fate = fateOf(memory, slot);
    shares[fate].objects++;
    shares[fate].bytes += sizeBytes;
    if (fate === "discard") continue;
    if (fate === "evict" && table.has(slot, FLAG.VOLATILE)) volatileBytes += sizeBytes;
    requiredBytes += roundUp(sizeBytes, system.minPageBytes);
    const byCpu = fate === "backupMemcpy" || byCpuOnly;
    if (byCpu && !region.isVisible(table.resource[slot])) beyondWindowBytes += sizeBytes;
  }
  const freeBytes = system.freeBytes + room.purgeable + volatileBytes;
  const backupBytes = shares.backupBlit.bytes + shares.backupMemcpy.bytes;
  const needs = { freeBytes, evictBytes: shares.evict.bytes, backupBytes };
  const swap = { swappable: room.swappable, swapBytes: memory.swap?.freeBytes ?? 0, swaps: target.swaps };
  const availableBytes = availableOf(needs, swap, policy);
  const blockers = blockersOf(availableBytes, requiredBytes, beyondWindowBytes);
  const unbacked = machineBlockerOf(memory, requiredBytes);
  if (unbacked !== undefined) blockers.push(unbacked);
  const backups = shares.backupBlit.objects + shares.backupMemcpy.objects;
  if (table.count + backups > OBJECTS_MAX) blockers.push(tooManyBackups(table.count, backups));
  return {
    feasible: blockers.length === 0,
    blockers,
    ...shares,
    systemMemoryRequiredBytes: requiredBytes,
    systemMemoryAvailableBytes: availableBytes,
    imageBytesMax: await imageBytesMaxOf(options),
    estimatedDurationNs: durationOf(shares, rates, byCpuOnly),
  };
}

/** A plan with what the store of images has to say: whether the image would find room. */
export async function withStore(
  plan: SuspendPlan,
  store: { requireRoom(bytesMax: number): Promise<void> },
): Promise<SuspendPlan> {
  try {
    await store.requireRoom(plan.imageBytesMax);
    return plan;
  } catch (error) {
    const { reason, message } = toDeviceError(error);
    return { ...plan, feasible: false, blockers: [...plan.blockers, { reason, message }] };
  }
}

/**
 * What becomes of one object, in the order of tests of the walks: evicted if it can be, else backed up or
 * given up.
 */
function fateOf(memory: Memory, slot: number): "evict" | "backupBlit" | "backupMemcpy" | "discard" {
  const { table } = memory;
  if (table.pinCount[slot] === 0) return table.dontNeed[slot] === 1 ? "discard" : "evict";
  if (decide(memory, slot, "pinned") === "back-up") return "backupBlit";
  return decide(memory, slot, "remaining") === "back-up" ? "backupMemcpy" : "discard";
}

/** Adds what the shrinker could make of an object in system memory: by throwing it away, or by swapping. */
function addRoom({ table }: Memory, slot: number, room: { purgeable: number; swappable: number }): void {
  if (table.has(slot, FLAG.KERNEL) || table.pinCount[slot] > 0) return;
  if (table.dontNeed[slot] === 1 || table.has(slot, FLAG.VOLATILE)) room.purgeable += table.sizeBytes[slot];
  else room.swappable += table.sizeBytes[slot];
}

/** What swapping could do: how much could go, and how much there is room for. */
interface SwapRoom {
  readonly swappable: number;
  readonly swapBytes: number;
  /** Whether steps 1 to 3 may swap. */
  readonly swaps: boolean;
}

/**
 * How much system memory the suspend could have: what is free, and what swapping adds where it is allowed.
 */
function availableOf(
  needs: { readonly freeBytes: number; readonly evictBytes: number; readonly backupBytes: number },
  { swappable, swapBytes, swaps }: SwapRoom,
  policy: PowerPolicy,
): number {
  const { freeBytes, evictBytes, backupBytes } = needs;
  const evictsEarly = policy.notifier === "opportunistic";
  // What was evicted can itself be swapped for what comes after it.
  const withSwap = freeBytes + Math.min(swappable + evictBytes, swapBytes);
  // So can backups, once they have their bytes.
  if (swaps) return freeBytes + Math.min(swappable + evictBytes + backupBytes, swapBytes);
  if (evictsEarly && policy.preallocateBackups) return withSwap;
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
      message:
        `System memory has ${formatBytes(availableBytes)} that are or can be made free, and ` +
        `the suspend needs ${formatBytes(requiredBytes)}.`,
    });
  }
  if (beyondWindowBytes > 0) {
    blockers.push({
      reason: "COPY_FAILED",
      message:
        `${formatBytes(beyondWindowBytes)} would have to be copied by CPU, and lie where it ` +
        `cannot reach.`,
    });
  }
  return blockers;
}

/** What stops a suspend for which the machine would have to give more memory than it has. */
function machineBlockerOf({ system }: Memory, requiredBytes: number): PlanBlocker | undefined {
  const { spareBytes, promisedBytes } = system.bank;
  const usedBytes = system.sizeBytes - system.freeBytes;
  // What has been given once and is free now can be taken again.
  const newBytes = requiredBytes - Math.max(0, promisedBytes - usedBytes);
  if (newBytes <= spareBytes) return undefined;
  return {
    reason: "MACHINE_MEMORY_EXHAUSTED",
    message:
      `The suspend needs ${formatBytes(newBytes)} of system memory that has never been used, and the ` +
      `machine, or the memory limit of the daemon, has ${formatBytes(Math.max(0, spareBytes))} left for ` +
      "devices.",
  };
}

function tooManyBackups(objects: number, backups: number): PlanBlocker {
  return {
    reason: "LIMIT_EXCEEDED",
    message:
      `The device holds ${objects} objects, and ${backups} backups more would be more than ` +
      `the ${OBJECTS_MAX} that it can.`,
  };
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
