/**
 * What a suspend would do, without doing it. The plan asks each object the same questions as the walks
 * (backup.ts), and adds up the answers.
 */
import { toDeviceError } from "../errors.ts";
import { formatBytes } from "../format.ts";
import { OBJECTS_MAX, WALK_SLICE_OBJECTS } from "../limits.ts";
import type { Memory } from "../memory/memory.ts";
import { FLAG, NONE } from "../memory/object-table.ts";
import { roundUp } from "../memory/region.ts";
import type { PowerPolicy } from "../policy.ts";
import type { PlanBlocker, PlanShare, SuspendPlan } from "../resource.ts";
import type { Gt } from "../submission/gt.ts";
import { decide } from "./backup.ts";
import { type Estimate, estimate, type Pace } from "./estimate.ts";
import { imageBytesMaxOf } from "./image/amounts.ts";
import type { SuspendTarget } from "./parts.ts";
import type { WorkingMemory } from "./working-memory.ts";

interface Share {
  objects: number;
  bytes: number;
}

export interface PlanOptions extends WorkingMemory {
  readonly gt: Gt;
  readonly pace: Pace;
  readonly policy: PowerPolicy;
  readonly target: SuspendTarget;
}

/** The sums over all objects. */
interface Totals {
  readonly shares: Readonly<Record<"evict" | "backupBlit" | "backupMemcpy" | "discard", Share>>;
  /** All content of clients, wherever it is. Verification takes checksums of it. */
  readonly verified: Share;
  readonly room: { purgeable: number; swappable: number };
  requiredBytes: number;
  beyondWindowBytes: number;
  volatileBytes: number;
}

/**
 * Adds up what a suspend of an ACTIVE device would move by which path, what it needs and how long it should
 * take.
 */
export async function planSuspend(options: PlanOptions): Promise<SuspendPlan> {
  const { memory, policy, target } = options;
  const byCpuOnly = isByCpuOnly(options);
  const totals = await addUp(options, byCpuOnly);
  const { shares, room, requiredBytes, beyondWindowBytes } = totals;
  const freeBytes = memory.system.freeBytes + room.purgeable + totals.volatileBytes;
  const backupBytes = shares.backupBlit.bytes + shares.backupMemcpy.bytes;
  const needs = { freeBytes, evictBytes: shares.evict.bytes, backupBytes };
  const swap = { swappable: room.swappable, swapBytes: memory.swap?.freeBytes ?? 0, swaps: target.swaps };
  const availableBytes = availableOf(needs, swap, policy);
  const blockers = blockersOf(availableBytes, requiredBytes, beyondWindowBytes);
  const newBytes = newSystemBytes(memory, requiredBytes);
  const unbacked = machineBlockerOf(memory, newBytes);
  if (unbacked !== undefined) blockers.push(unbacked);
  const backups = shares.backupBlit.objects + shares.backupMemcpy.objects;
  if (memory.table.count + backups > OBJECTS_MAX) blockers.push(tooManyBackups(memory.table.count, backups));
  const imageBytesMax = await imageBytesMaxOf(options);
  const duration = durationOf(options, totals, { newBytes, imageBytesMax });
  return {
    feasible: blockers.length === 0,
    blockers,
    ...shares,
    systemMemoryRequiredBytes: requiredBytes,
    systemMemoryAvailableBytes: availableBytes,
    imageBytesMax,
    durationMinNs: duration.minNs,
    durationMaxNs: duration.maxNs,
    unmeasured: duration.unmeasured,
  };
}

/**
 * Walks by slot and not by list: clients go on meanwhile, and a list that changes leads a walk in slices
 * astray.
 */
async function addUp({ memory, services }: PlanOptions, byCpuOnly: boolean): Promise<Totals> {
  const { table } = memory;
  const totals: Totals = {
    shares: { evict: empty(), backupBlit: empty(), backupMemcpy: empty(), discard: empty() },
    verified: empty(),
    room: { purgeable: 0, swappable: 0 },
    requiredBytes: 0,
    beyondWindowBytes: 0,
    volatileBytes: 0,
  };
  for (let slot = 0; slot < table.slotsUsed; slot++) {
    if ((slot + 1) % WALK_SLICE_OBJECTS === 0) await services.clock.yield();
    const isResident = table.resource[slot] !== NONE;
    if (!table.has(slot, FLAG.KERNEL) && (isResident || memory.swap?.has(slot) === true))
      add(totals.verified, table.sizeBytes[slot]);
    if (isResident) addResident(memory, slot, { totals, byCpuOnly });
  }
  return totals;
}

function addResident(
  memory: Memory,
  slot: number,
  { totals, byCpuOnly }: { readonly totals: Totals; readonly byCpuOnly: boolean },
): void {
  const { table, system } = memory;
  const region = memory.region(table.region[slot]);
  if (region === system) addRoom(memory, slot, totals.room);
  if (region.kind !== "LOCAL") return;
  const sizeBytes = table.sizeBytes[slot];
  const fate = fateOf(memory, slot);
  add(totals.shares[fate], sizeBytes);
  if (fate === "discard") return;
  if (fate === "evict" && table.has(slot, FLAG.VOLATILE)) totals.volatileBytes += sizeBytes;
  totals.requiredBytes += roundUp(sizeBytes, system.minPageBytes);
  const byCpu = fate === "backupMemcpy" || byCpuOnly;
  if (byCpu && !region.isVisible(table.resource[slot])) totals.beyondWindowBytes += sizeBytes;
}

function isByCpuOnly({ gt, memory }: PlanOptions): boolean {
  return gt.wedged || memory.blitter === undefined;
}

/** The plan with a blocker if the store of images has no room for the image. */
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
 * What happens to one object, in the walks' order of tests: it is evicted if possible, else backed up or
 * given up.
 */
function fateOf(memory: Memory, slot: number): "evict" | "backupBlit" | "backupMemcpy" | "discard" {
  const { table } = memory;
  if (table.pinCount[slot] === 0) return table.dontNeed[slot] === 1 ? "discard" : "evict";
  if (decide(memory, slot, "pinned") === "back-up") return "backupBlit";
  return decide(memory, slot, "remaining") === "back-up" ? "backupMemcpy" : "discard";
}

/** Adds the room that the shrinker could make from an object in system memory, by purging or swapping it. */
function addRoom({ table }: Memory, slot: number, room: { purgeable: number; swappable: number }): void {
  if (table.has(slot, FLAG.KERNEL) || table.pinCount[slot] > 0) return;
  if (table.dontNeed[slot] === 1 || table.has(slot, FLAG.VOLATILE)) room.purgeable += table.sizeBytes[slot];
  else room.swappable += table.sizeBytes[slot];
}

/** How much could be swapped out, and how much swap is free. */
interface SwapRoom {
  readonly swappable: number;
  readonly swapBytes: number;
  /** Whether steps 1 to 3 may swap. */
  readonly swaps: boolean;
}

/**
 * How much system memory the suspend could have: the free part, and what swapping adds where it is allowed.
 */
function availableOf(
  needs: { readonly freeBytes: number; readonly evictBytes: number; readonly backupBytes: number },
  { swappable, swapBytes, swaps }: SwapRoom,
  policy: PowerPolicy,
): number {
  const { freeBytes, evictBytes, backupBytes } = needs;
  const evictsEarly = policy.notifier === "opportunistic";
  // Evicted objects can be swapped out for those that follow.
  const withSwap = freeBytes + Math.min(swappable + evictBytes, swapBytes);
  // So can backups that have their bytes.
  if (swaps) return freeBytes + Math.min(swappable + evictBytes + backupBytes, swapBytes);
  if (evictsEarly && policy.preallocateBackups) return withSwap;
  // `prepare` swaps only for one of the two, and only as much as that one needs.
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

/** How much of this the machine has to give for the first time. What it gave before is taken first. */
function newSystemBytes({ system }: Memory, requiredBytes: number): number {
  const usedBytes = system.sizeBytes - system.freeBytes;
  return Math.max(0, requiredBytes - Math.max(0, system.bank.promisedBytes - usedBytes));
}

/** The blocker of a suspend that needs more memory than the machine has left. */
function machineBlockerOf({ system }: Memory, newBytes: number): PlanBlocker | undefined {
  const { spareBytes } = system.bank;
  if (newBytes <= Math.max(0, spareBytes)) return undefined;
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
  options: PlanOptions,
  { shares, verified }: Totals,
  { newBytes, imageBytesMax }: { readonly newBytes: number; readonly imageBytesMax: number },
): Estimate {
  const { gt, target, pace } = options;
  const { evict, backupBlit, backupMemcpy } = shares;
  const large = sum(evict, backupBlit);
  const blitter = isByCpuOnly(options) ? empty() : large;
  const memcpy = isByCpuOnly(options) ? sum(large, backupMemcpy) : backupMemcpy;
  const copied = blitter.bytes + memcpy.bytes;
  const copy = (share: PlanShare) => ({
    ...share,
    newBytes: copied > 0 ? (newBytes * share.bytes) / copied : 0,
  });
  const waitMs = gt.scheduler.idle ? 0 : target.idleTimeoutMs;
  return estimate(
    {
      waits: NOTHING,
      ...(target.verify ? { verify: { ...verified, newBytes: 0 } } : {}),
      ...(target.copies && blitter.bytes > 0 ? { blitter: copy(blitter) } : {}),
      ...(target.copies && memcpy.bytes > 0 ? { memcpy: copy(memcpy) } : {}),
      ...(target.image ? { image: { objects: verified.objects, bytes: imageBytesMax, newBytes: 0 } } : {}),
    },
    pace,
    waitMs,
  );
}

const NOTHING = { objects: 0, bytes: 0, newBytes: 0 };

function empty(): Share {
  return { objects: 0, bytes: 0 };
}

function add(share: Share, bytes: number): void {
  share.objects++;
  share.bytes += bytes;
}

function sum(one: PlanShare, other: PlanShare): PlanShare {
  return { objects: one.objects + other.objects, bytes: one.bytes + other.bytes };
}
