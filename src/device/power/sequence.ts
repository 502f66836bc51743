/**
 * The sequences of suspend, recover and resume, phase by phase. Why each stands where it does is told by the hardware:
 * it reads firmware, page table and contexts from the memory whose power is at stake.
 */
import assert from "node:assert/strict";
import { type Clock, settledWithin } from "../clock.ts";
import type { Suspend } from "../command.ts";
import { DeviceError } from "../errors.ts";
import type { PowerRail } from "../hardware/rail.ts";
import type { Rates } from "../hardware/rates.ts";
import { IDLE_TIMEOUT_DEFAULT_MS, PREPARE_DRAIN_TIMEOUT_MS } from "../limits.ts";
import { deleteEverything } from "../memory/factory.ts";
import type { Memory } from "../memory/memory.ts";
import type { Gt } from "../submission/gt.ts";
import { backUpRegions, evictRegions } from "./backup.ts";
import type { CommandGate } from "./command-gate.ts";
import { countBackups, recoverRegions, restoreRegions } from "./restore.ts";
import type { PhaseCounts, Transition } from "./transition.ts";
import { type Checksums, compareChecksums, takeChecksums } from "./verify.ts";

/** Steps that a test leaves out to prove that they matter (reference invariant 2). Nothing else sets them. */
export interface FaultKnobs {
  readonly skipRestoreEarly?: boolean;
  readonly skipRestoreLate?: boolean;
}

export interface Parts {
  readonly memory: Memory;
  readonly gt: Gt;
  readonly rail: PowerRail;
  readonly gate: CommandGate;
  readonly clock: Clock;
  readonly faultKnobs: FaultKnobs;
  /** What copying costs by the device's model. */
  readonly rates: Rates;
}

/** How far a suspend came; what recover must undo follows from it. */
export interface Progress {
  firmwareStopped: boolean;
  powerOffBegun: boolean;
  checksums: Checksums | undefined;
}

/** Runs the phases from `prepare` to `power_off`. Throws what stopped it; `progress` says where. */
export async function runSuspend(
  parts: Parts,
  transition: Transition,
  command: Suspend,
  progress: Progress,
): Promise<void> {
  const { memory, gt, rail } = parts;
  await transition.phase("prepare", () => prepare(parts, transition, command, progress));
  const { failpoints } = memory;
  await transition.phase("evict", async (counts) => {
    await failpoints.pass("evict.before");
    // From here to the end of the resume the kernel forbids I/O for memory (pm_restrict_gfp_mask).
    if (memory.swap !== undefined) memory.swap.allowed = false;
    await evictRegions(memory, transition, counts, "evict.object");
    await failpoints.pass("evict.after");
  });
  await transition.phase("idle", () => idle(parts, transition, command));
  await transition.phase("evict_pinned", async (counts) => {
    await failpoints.pass("evictPinned.before");
    await evictRegions(memory, transition, counts, "evictPinned.object");
    await timed(parts.clock, counts, () => backUpRegions(memory, transition, counts, "pinned"));
  });
  await transition.phase("memcpy", (counts) => {
    gt.withdrawBlitter();
    return timed(parts.clock, counts, () => backUpRegions(memory, transition, counts, "remaining"));
  });
  await transition.phase("firmware_stop", async () => {
    await failpoints.pass("firmware.stop");
    progress.firmwareStopped = true;
    gt.stopFirmware();
    await failpoints.pass("powerOff.before");
  });
  transition.throwIfCancelled();
  transition.cancellable = false;
  progress.powerOffBegun = true;
  await transition.phase("power_off", async () => {
    await gt.haltEngines();
    if (command.state !== "S2IDLE") {
      await rail.cut();
      for (const region of memory.regions) if (region !== memory.system) region.forgetCleared();
    }
    await failpoints.pass("powerOff.after");
  });
}

/** Undoes a suspend that did not reach `power_off`: every byte is where it was or has been evicted, none is lost. */
export async function runRecover(parts: Parts, transition: Transition, progress: Progress): Promise<void> {
  const { memory, gt } = parts;
  await transition.phase("recover", async () => {
    allowSwap(memory);
    await recoverRegions(memory);
    if (progress.firmwareStopped && !gt.wedged) {
      await gt.startFirmware();
      await gt.startEngines();
    }
    gt.giveBlitter();
  });
}

/** Whether a resume got power; what failed after that leaves the device FAILED, not SUSPENDED. */
export interface ResumeProgress {
  powerOn: boolean;
  /** The checksums have been looked at. */
  compared: boolean;
}

/** Runs the phases from `power_on` to `release`. Backups that were not restored stay attached. */
export async function runResume(
  parts: Parts,
  transition: Transition,
  checksums: Checksums | undefined,
  progress: ResumeProgress,
): Promise<void> {
  const { memory, gt, faultKnobs } = parts;
  const { failpoints } = memory;
  await transition.phase("power_on", async () => {
    await failpoints.pass("powerOn.before");
    progress.powerOn = true;
  });
  await transition.phase("restore_early", async (counts) => {
    if (faultKnobs.skipRestoreEarly === true) return;
    await timed(parts.clock, counts, () => restoreRegions(memory, counts.restored, "early"));
  });
  await transition.phase("firmware_start", async () => {
    await gt.startFirmware(failpoints.fires("firmware.load") ? "failpoint firmware.load says so" : undefined);
  });
  await transition.phase("engine_start", async () => {
    await failpoints.pass("engine.start");
    await gt.startEngines();
  });
  await transition.phase("restore_late", async (counts) => {
    if (faultKnobs.skipRestoreLate === true) await recoverRegions(memory);
    else await timed(parts.clock, counts, () => restoreRegions(memory, counts.restored, "late"));
  });
  if (checksums !== undefined) {
    progress.compared = true;
    await transition.phase("verify", () => compareChecksums(memory, checksums));
  }
  await transition.phase("release", async () => {
    assert.equal(await countBackups(memory), 0, "no backup is left after a resume");
    allowSwap(memory);
  });
}

/** Times what a phase spends on backups or restores alone. */
async function timed(clock: Clock, counts: PhaseCounts, work: () => Promise<void>): Promise<void> {
  const startNs = clock.monotonicNs();
  try {
    await work();
  } finally {
    counts.backupNs += clock.monotonicNs() - startNs;
  }
}

/** Drops everything that clients made and starts the GT as at boot. Nothing of before can be read any more. */
export async function runFactoryReset(parts: Parts): Promise<void> {
  const { memory, gt, gate, clock } = parts;
  await gt.haltEngines();
  gt.scheduler.failWaiting(
    gt.contexts.all(),
    new DeviceError("ENGINE_HUNG", "Work was given up: the device was reset to its factory state."),
  );
  const idle = new Promise<void>((resolve) => gt.scheduler.whenIdle(resolve));
  if (!(await settledWithin(clock, Promise.all([gate.drained(), idle]), PREPARE_DRAIN_TIMEOUT_MS))) {
    await gt.setWedged("commands did not end when the device was to be reset");
    throw new DeviceError(
      "IDLE_TIMEOUT",
      `Commands did not end within ${PREPARE_DRAIN_TIMEOUT_MS} ms of a reset; the GT is wedged, and nothing was dropped.`,
    );
  }
  await recoverRegions(memory, true);
  gt.contexts.clear();
  await deleteEverything(memory);
  gt.scheduler.fences.clear();
  gt.rewriteKernelObjects();
  await gt.startFirmware();
  await gt.startEngines();
  allowSwap(memory);
}

function allowSwap(memory: Memory): void {
  if (memory.swap !== undefined) memory.swap.allowed = true;
}

async function prepare(
  parts: Parts,
  transition: Transition,
  command: Suspend,
  progress: Progress,
): Promise<void> {
  const { memory, gate, clock } = parts;
  const drained = Promise.race([gate.drained(), cancelled(transition)]);
  const inTime = await settledWithin(clock, drained, PREPARE_DRAIN_TIMEOUT_MS);
  transition.throwIfCancelled();
  if (!inTime) {
    throw new DeviceError(
      "IDLE_TIMEOUT",
      `Commands in progress did not end within ${PREPARE_DRAIN_TIMEOUT_MS} ms, so the device was not suspended.`,
    );
  }
  assert.equal(await countBackups(memory), 0, "no suspend starts with a backup attached");
  if (command.verify === true) progress.checksums = await takeChecksums(memory);
}

/** Resolves when a cancel is asked for. */
function cancelled(transition: Transition): Promise<boolean> {
  return new Promise((resolve) => transition.onCancel(() => resolve(true)));
}

async function idle(parts: Parts, transition: Transition, command: Suspend): Promise<void> {
  const timeoutMs = command.idleTimeoutMs ?? IDLE_TIMEOUT_DEFAULT_MS;
  const isIdle = await Promise.race([parts.gt.waitForIdle(timeoutMs), cancelled(transition)]);
  transition.throwIfCancelled();
  if (isIdle && !parts.memory.failpoints.fires("idle.timeout")) return;
  if (command.onIdleTimeout === "ABORT") {
    throw new DeviceError(
      "IDLE_TIMEOUT",
      `The GT was not idle after ${timeoutMs} ms, so the suspend was aborted.`,
    );
  }
  await parts.gt.setWedged(`the GT was not idle after ${timeoutMs} ms`);
}
