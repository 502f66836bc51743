/** The errors of work that the GT gives up or refuses. */
import { DeviceError } from "../errors.ts";

export function engineHung(why: string): DeviceError {
  return new DeviceError("ENGINE_HUNG", `Work on the engines was given up: ${why}.`, {});
}

export function deviceWedged(): DeviceError {
  return new DeviceError(
    "DEVICE_WEDGED",
    "The GT is wedged and takes no work; reset the device, or suspend and resume it.",
  );
}
