/** The way back to a new device, from any state. */
import { settledWithin } from "../clock.ts";
import { DeviceError } from "../errors.ts";
import { PREPARE_DRAIN_TIMEOUT_MS } from "../limits.ts";
import { deleteEverything } from "../memory/delete-everything.ts";
import type { Parts } from "./parts.ts";
import { recoverRegions } from "./restore.ts";
import { allowSwap } from "./suspend-sequence.ts";

/**
 * Drops everything that clients made and starts the GT as at boot, on a new card where the old one was lost.
 * Nothing of before can be read any more.
 * @throws DeviceError DEVICE_LOST while the link is down: nothing is dropped; FIRMWARE_LOAD_FAILED,
 * ENGINE_HUNG when the GT does not start: all is dropped, the GT is wedged, and it can be tried again
 */
export async function runFactoryReset(parts: Parts): Promise<void> {
  const { memory, gt, gate, hibernation } = parts;
  // First of all: without a card nothing is dropped.
  gt.link.replug();
  await gt.haltEngines();
  gt.scheduler.failWaiting(
    gt.contexts.all(),
    new DeviceError("ENGINE_HUNG", "Work was given up: the device was reset to its factory state."),
  );
  const idle = new Promise<void>((resolve) => gt.scheduler.whenIdle(resolve));
  if (
    !(await settledWithin(
      parts.services.clock,
      Promise.all([gate.drained(), idle]),
      PREPARE_DRAIN_TIMEOUT_MS,
    ))
  ) {
    await gt.setWedged("commands did not end when the device was to be reset");
    throw new DeviceError(
      "IDLE_TIMEOUT",
      `Commands did not end within ${PREPARE_DRAIN_TIMEOUT_MS} ms of a reset; the GT is wedged, and ` +
        `nothing was dropped.`,
      { timeoutMs: String(PREPARE_DRAIN_TIMEOUT_MS) },
    );
  }
  // What it was must not come back over what it will be.
  await hibernation.giveUp();
  await recoverRegions(parts, true);
  gt.contexts.clear();
  await deleteEverything(memory);
  gt.scheduler.fences.clear();
  gt.rewriteKernelObjects();
  await gt.startFirmware();
  await gt.startEngines();
  allowSwap(memory);
}
