/** The health of a device in one word, worst first, for alerts. */
import type { DeviceResource, EngineResource } from "../../device/resource.ts";

/**
 * lost: FAILED, a resume did not succeed; or the card has fallen off the bus, or could not be woken. The
 * device does nothing until a resume succeeds or it is reset to factory state. wedged: its engines are given
 * up; the CPU copies and clients' work is refused until a reset or a suspend and resume. degraded: an engine
 * has stopped with a fault and has not been reset yet. ok: none of these.
 */
export const HEALTHS = ["ok", "degraded", "wedged", "lost"] as const;
export type Health = (typeof HEALTHS)[number];

export function healthOf(device: DeviceResource, engines: readonly EngineResource[]): Health {
  if (device.powerState === "FAILED" || device.error !== undefined) return "lost";
  if (device.wedged) return "wedged";
  return engines.some((engine) => engine.state === "FAULTED") ? "degraded" : "ok";
}
