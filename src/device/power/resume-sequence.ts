/** The sequence of resume, phase by phase. */
import { toDeviceError } from "../errors.ts";
import type { Memory } from "../memory/memory.ts";
import type { Parts, ResumeProgress } from "./parts.ts";
import { type RestoreStep, requireNoBackups, restoreRegions } from "./restore.ts";
import { allowSwap, timed } from "./suspend-sequence.ts";
import type { PhaseCounts, Transition } from "./transition.ts";
import { type Checksums, findChanged, giveUp } from "./verify.ts";

/** The source of a resume. */
export interface ResumeSource {
  /** Only the engines were stopped (runtime D3hot): firmware and memory are as they were. */
  readonly kept: boolean;
  /** Rules of image/compatibility.ts whose differences are accepted. */
  readonly allowDifferences: readonly string[];
  /** The checksums to compare at the end; undefined if there are none. */
  checksums(): Checksums | undefined;
}

/** A running resume: its source and its progress. */
export interface ResumeRun {
  readonly transition: Transition;
  readonly source: ResumeSource;
  readonly progress: ResumeProgress;
}

/** Runs the phases from `image` or `power_on` to `release`. Backups that were not restored stay attached. */
export async function runResume(parts: Parts, { transition, source, progress }: ResumeRun): Promise<void> {
  const { memory, services, gt, rail, hibernation } = parts;
  const { failpoints, clock } = services;
  const restore = (step: RestoreStep, counts: PhaseCounts): Promise<void> =>
    timed(clock, counts, () =>
      restoreRegions(parts, { step, tally: counts.restored, check: () => transition.check() }),
    );
  // It does not matter whether the GT was wedged before, because a resume mends that.
  let firmwareRuns = true;
  if (hibernation.hasToLoad) {
    await transition.phase("image", async (counts) => {
      // The image is read into memory that lost its power.
      await rail.restored();
      await hibernation.load(transition, counts, source.allowDifferences);
    });
  }
  await transition.phase("power_on", async () => {
    await failpoints.pass("powerOn.before");
    gt.link.require();
    await rail.restored();
    progress.powerOn = true;
    parts.meter?.enter("BOOT");
  });
  if (!source.kept) {
    await transition.phase("restore_early", (counts) => restore("early", counts));
    await transition.phase("firmware_start", async () => {
      firmwareRuns = await orByCpu(parts, () => gt.startFirmware());
    });
  }
  await transition.phase("engine_start", async () => {
    // Without firmware nothing can schedule on them.
    if (!firmwareRuns) return;
    await orByCpu(parts, () => gt.startEngines());
  });
  parts.meter?.enter("D0");
  if (!source.kept) {
    await transition.phase("restore_late", (counts) => restore("late", counts));
    const checksums = source.checksums();
    if (checksums !== undefined) {
      await transition.phase("verify", async () => {
        const wrong = await findChanged(parts, checksums);
        progress.compared = true;
        await giveUp(parts, wrong);
      });
    }
  }
  await transition.phase("release", async () => {
    await requireNoBackups(parts);
    // Every byte is back, so the image is no longer needed.
    await hibernation.commit();
    allowSwap(memory);
    noteWhole(memory);
  });
}

/** Every region holds the content of its objects again. */
export function noteWhole(memory: Memory): void {
  for (const region of memory.regions) region.hasPower = true;
}

/**
 * Starts a part of the GT and returns whether it runs. By policy (drm/i915 6.1) the device continues without
 * it: it is wedged, and the CPU copies.
 */
async function orByCpu(parts: Parts, start: () => Promise<void>): Promise<boolean> {
  try {
    await start();
    return true;
  } catch (error) {
    // Without a card there is no memory to copy to.
    if (parts.policy.gtResumeFailure !== "memcpy_restore" || parts.gt.link.lost) throw error;
    await parts.gt.setWedged(toDeviceError(error).message.replace(/\.$/, ""));
    return false;
  }
}
