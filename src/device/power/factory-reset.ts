/** Makes the device as new, from any state. */
import { settledWithin } from "../clock.ts";
import { DeviceError } from "../errors.ts";
import { PREPARE_DRAIN_TIMEOUT_MS } from "../limits.ts";
import { deleteEverything } from "../memory/delete-everything.ts";
import type { Parts } from "./parts.ts";
import { recoverRegions } from "./restore.ts";
import { noteWhole } from "./resume-sequence.ts";
import { allowSwap } from "./suspend-sequence.ts";

/**
 * Drops everything that clients made and starts the GT as at boot. If the card was lost, the device has a new
 * one. Nobody can read the old content any more.
 * @param onDropped called when everything is gone, before the GT is started
 * @throws DeviceError DEVICE_LOST while the link is down: nothing is dropped. FIRMWARE_LOAD_FAILED or
 * ENGINE_HUNG if the GT does not start: everything is dropped and the GT is wedged, and the caller may try
 * again
 */
export async function runFactoryReset(parts: Parts, onDropped: () => void): Promise<void> {
  const { memory, gt, rail, gate, hibernation } = parts;
  // This comes first, because without a card nothing must be dropped.
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
  await rail.restored();
  // The old state must not come back over the new one.
  await hibernation.giveUp();
  await recoverRegions(parts, true);
  gt.contexts.clear();
  await deleteEverything(memory);
  gt.scheduler.fences.clear();
  noteWhole(memory);
  onDropped();
  gt.rewriteKernelObjects();
  await boot(parts);
  allowSwap(memory);
}

/** Starts the GT. A card that slept boots; one that does not come up has the power that it had. */
async function boot({ gt, meter }: Parts): Promise<void> {
  const before = meter?.state ?? "D0";
  meter?.enter(before === "D0" ? "D0" : "BOOT");
  try {
    await gt.startFirmware();
    await gt.startEngines();
    meter?.enter("D0");
  } catch (error) {
    meter?.enter(before);
    throw error;
  }
}
