/** The message of a device, cached as long as the device's description stays the same. */
import type { Device } from "../../contract/gen/torpor/v1/gpu.ts";
import type { DeviceResource } from "../../device/mod.ts";
import { encodeDevice } from "../messages/encode.ts";

const MESSAGES = new WeakMap<DeviceResource, Device>();

/** A frozen message, the same one for the same description. */
export function deviceMessage(resource: DeviceResource): Device {
  let message = MESSAGES.get(resource);
  if (message === undefined) {
    message = Object.freeze(encodeDevice(resource));
    MESSAGES.set(resource, message);
  }
  return message;
}
