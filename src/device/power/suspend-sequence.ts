/**
 * The sequences of suspend and of recover, phase by phase. The hardware dictates the order: it reads
 * firmware, page table and contexts from the memory that loses its power.
 */

import { type Clock, elapsedMs, settledWithin } from "../clock.ts";
import { DeviceError, toDeviceError } from "../errors.ts";
import { PREPARE_DRAIN_TIMEOUT_MS } from "../limits.ts";
import type { Memory } from "../memory/memory.ts";
import type { CardState, PlanShare } from "../resource.ts";
import { backUpRegions, dropPreallocated, evictRegions, preallocateBackups } from "./backup.ts";
import type { Parts, SuspendProgress, SuspendTarget } from "./parts.ts";
import { recoverRegions, requireNoBackups } from "./restore.ts";
import type { PhaseCounts, Transition } from "./transition.ts";
import { addChecksums, checksumMoving, takeChecksums } from "./verify.ts";

/** Runs the phases from `prepare` to `power_off`. Throws the error that stopped it; `progress` says where. */
export async function runSuspend(parts: Parts, run: SuspendRun): Promise<void> {
  const { memory, services, gt, hibernation } = parts;
  const { failpoints, clock } = services;
  const { transition, target, progress } = run;
  const learn = parts.pace.log.begin();
  await transition.phase("prepare", (counts) => prepare(parts, { ...run, counts }));
  if (target.copies) await transition.phase("evict", (counts) => evict(parts, { ...run, counts }));
  await transition.phase("idle", async () => {
    await idle(parts, transition, target);
    if (progress.checksums !== undefined) {
      await addChecksums(parts, progress.checksums);
    }
  });
  if (target.copies) {
    await transition.phase("evict_pinned", async (counts) => {
      await failpoints.pass("evictPinned.before");
      await forgiving(parts, transition, async () => {
        const walk = { memory, services, transition, counts };
        await evictRegions(walk, "evictPinned.object");
        await timed(clock, counts, () => backUpRegions(walk, "pinned", progress.preallocated));
      });
    });
    await transition.phase("memcpy", async (counts) => {
      gt.withdrawBlitter();
      const walk = { memory, services, transition, counts };
      await timed(clock, counts, () => backUpRegions(walk, "remaining", progress.preallocated));
      dropPreallocated(memory, progress.preallocated);
    });
    await transition.phase("firmware_stop", async () => {
      await failpoints.pass("firmware.stop");
      progress.firmwareStopped = true;
      gt.stopFirmware();
      if (!target.image) await failpoints.pass("powerOff.before");
    });
  }
  if (target.image) {
    await transition.phase("image", async (counts) => {
      await hibernation.write(transition, counts, {
        hybrid: !target.losesSystem,
        cause: target.cause,
        checksums: progress.checksums,
      });
      await failpoints.pass("powerOff.before");
    });
  }
  transition.check();
  transition.commit();
  progress.powerOffBegun = true;
  await transition.phase("power_off", () => powerOff(parts, target));
  learn(transition.describe().phases, verifiedBy(memory, progress));
}

/** The objects and bytes that have checksums; undefined without verification. */
function verifiedBy({ table }: Memory, { checksums }: SuspendProgress): PlanShare | undefined {
  if (checksums === undefined) return undefined;
  let bytes = 0;
  for (const slot of checksums.keys()) bytes += table.sizeBytes[slot];
  return { objects: checksums.size, bytes };
}

/**
 * Undoes a suspend that did not reach `power_off`. Every byte is where it was or has been evicted, so none is
 * lost.
 */
export async function runRecover(
  parts: Parts,
  transition: Transition,
  progress: SuspendProgress,
): Promise<void> {
  const { memory, hibernation } = parts;
  await transition.phase("recover", async () => {
    allowSwap(memory);
    // This comes first. A device that continued with a sealed image could lose everything it does from now
    // on.
    await hibernation.undo();
    dropPreallocated(memory, progress.preallocated);
    await recoverRegions(parts);
    await restartGt(parts, progress);
  });
}

/**
 * Starts the parts of the GT that a suspend had stopped.
 * @throws DeviceError FIRMWARE_LOAD_FAILED, ENGINE_HUNG; the GT is wedged then.
 */
export async function restartGt({ gt }: Parts, progress: SuspendProgress): Promise<void> {
  if (progress.firmwareStopped && !gt.wedged) {
    await gt.startFirmware();
    await gt.startEngines();
  }
  gt.giveBlitter();
}

/** Lets objects be swapped out again. */
export function allowSwap(memory: Memory): void {
  if (memory.swap !== undefined) memory.swap.allowed = true;
}

/** Times what a phase spends on backups or restores alone. */
export async function timed(clock: Clock, counts: PhaseCounts, work: () => Promise<void>): Promise<void> {
  const startNs = clock.monotonicNs();
  try {
    await work();
  } finally {
    counts.backupNs += clock.monotonicNs() - startNs;
  }
}

/** A running suspend: where it leads and its progress. */
export interface SuspendRun {
  readonly transition: Transition;
  readonly target: SuspendTarget;
  readonly progress: SuspendProgress;
}

/** A phase of a suspend with its counts. */
interface SuspendPhase extends SuspendRun {
  readonly counts: PhaseCounts;
}

async function prepare(parts: Parts, phase: SuspendPhase): Promise<void> {
  const { services, gate, policy } = parts;
  const { transition, target, progress } = phase;
  const drained = Promise.race([gate.drained(), cancelled(transition)]);
  const inTime = await settledWithin(services.clock, drained, PREPARE_DRAIN_TIMEOUT_MS);
  transition.check();
  if (!inTime) {
    throw new DeviceError(
      "IDLE_TIMEOUT",
      `Commands in progress did not end within ${PREPARE_DRAIN_TIMEOUT_MS} ms, so the device was not ` +
        `suspended.`,
      { timeoutMs: String(PREPARE_DRAIN_TIMEOUT_MS) },
    );
  }
  await requireNoBackups(parts);
  if (target.verify) progress.checksums = await takeChecksums(parts);
  if (!target.copies) return;
  if (policy.notifier === "opportunistic") {
    await forgiven(parts, transition, () => evictChecked(parts, phase));
  }
  if (policy.preallocateBackups) {
    await forgiven(parts, transition, () => preallocateBackups(parts, progress.preallocated));
  }
}

async function evict(parts: Parts, phase: SuspendPhase): Promise<void> {
  const { memory, services } = parts;
  await services.failpoints.pass("evict.before");
  // A kernel that forbids I/O for memory (pm_restrict_gfp_mask) does so until the device is resumed.
  if (memory.swap !== undefined) memory.swap.allowed = phase.target.swaps;
  await forgiving(parts, phase.transition, () => stepOne(parts, phase));
  await services.failpoints.pass("evict.after");
}

async function stepOne(parts: Parts, phase: SuspendPhase): Promise<void> {
  const { services, gt, policy } = parts;
  const { transition, target } = phase;
  const { clock } = services;
  const startNs = clock.monotonicNs();
  let someActive = await evictChecked(parts, phase);
  // Each object leaves as soon as its work has ended. Work that never ends keeps no other object here.
  while (policy.step1 === "chain" && someActive) {
    const leftMs = target.idleTimeoutMs - elapsedMs(startNs, clock.monotonicNs());
    if (leftMs <= 0) return;
    const retired = new Promise<boolean>((resolve) => gt.scheduler.onNextRetired(() => resolve(true)));
    await settledWithin(clock, Promise.race([retired, cancelled(transition)]), leftMs);
    someActive = await evictChecked(parts, phase);
  }
}

/** Evicts the evictable objects, after taking the checksums of those whose work has ended. */
function evictChecked(
  { memory, services }: Parts,
  { transition, counts, progress }: SuspendPhase,
): Promise<boolean> {
  const walk = { memory, services, transition, counts };
  const { checksums } = progress;
  if (checksums === undefined) return evictRegions(walk, "evict.object");
  return evictRegions(walk, "evict.object", (slots) => checksumMoving(walk, checksums, slots));
}

/** Does the work of step 1 or 2. By policy the next step makes up for its failure. */
function forgiving(parts: Parts, transition: Transition, work: () => Promise<void>): Promise<void> {
  return parts.policy.failure === "continue" ? forgiven(parts, transition, work) : work();
}

/** Does work that may fail. Reports and forgives every error except the end of the transition itself. */
async function forgiven(parts: Parts, transition: Transition, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    transition.check();
    const { reason, message } = toDeviceError(error);
    parts.services.emit({ type: "phaseForgiven", transition: transition.describe(), reason, message });
  }
}

/** Resolves when a cancel is asked for. */
function cancelled(transition: Transition): Promise<boolean> {
  return new Promise((resolve) => transition.onCancel(() => resolve(true)));
}

async function idle(parts: Parts, transition: Transition, target: SuspendTarget): Promise<void> {
  const { idleTimeoutMs, onIdleTimeout } = target;
  const isIdle = await Promise.race([parts.gt.waitForIdle(idleTimeoutMs), cancelled(transition)]);
  transition.check();
  if (isIdle && !parts.services.failpoints.fires("idle.timeout")) return;
  if (onIdleTimeout === "ABORT") {
    throw new DeviceError(
      "IDLE_TIMEOUT",
      `The GT was not idle after ${idleTimeoutMs} ms, so the suspend was aborted.`,
      { idleTimeoutMs: String(idleTimeoutMs) },
    );
  }
  await parts.gt.setWedged(`the GT was not idle after ${idleTimeoutMs} ms`);
}

/** Halts the engines and cuts the power of what the target loses. */
export async function powerOff(parts: Parts, target: SuspendTarget): Promise<void> {
  const { memory, services, gt, rail } = parts;
  await gt.haltEngines();
  parts.meter?.enter(sleepingState(target));
  if (target.dState === "D3COLD") {
    memory.written.noteEverything();
    const pattern = rail.cut(target.losesSystem ? "all" : "local");
    for (const region of memory.regions) {
      if (region === memory.system && !target.losesSystem) continue;
      for (const _pause of region.losePower()) await services.clock.yield();
    }
    if (target.losesSystem) await memory.swap?.poison(pattern);
  }
  await services.failpoints.pass("powerOff.after");
}

/** The power of the card while it sleeps. In S3 and S4 the slot is off. */
function sleepingState({ dState, sleepState }: SuspendTarget): CardState {
  if (dState === "D3HOT") return "D3HOT";
  return sleepState === "S3" || sleepState === "S4" ? "OFF" : "D3COLD";
}
