/** DeviceService, for both wires. */
import type { DeviceResource } from "../../device/resource.ts";
import { type DeviceRegistry, requireDevice } from "../devices.ts";
import type {
  GetDeviceRequest,
  ListDevicesRequest,
  ListDevicesResponse,
  ResetDeviceRequest,
} from "../gen/torpor/v1/device.ts";
import type { Device } from "../gen/torpor/v1/gpu.ts";
import { encodeDevice } from "./encode.ts";
import { resetScopeOf } from "./enums.ts";
import { disarmDevice } from "./fault-handlers.ts";
import { parseDeviceName } from "./names.ts";

export function deviceHandlers(devices: DeviceRegistry) {
  const encode = repeatingEncoder();
  return {
    async listDevices(_request: ListDevicesRequest): Promise<ListDevicesResponse> {
      const handles = [...devices.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
      const resources = await Promise.all(handles.map((device) => device.execute({ type: "getDevice" })));
      return { devices: resources.map(encodeDevice) };
    },

    async getDevice(request: GetDeviceRequest): Promise<Device> {
      const device = requireDevice(devices, parseDeviceName(request.name));
      return encode(await device.execute({ type: "getDevice" }));
    },

    async resetDevice(request: ResetDeviceRequest): Promise<Device> {
      const device = requireDevice(devices, parseDeviceName(request.name));
      const scope = resetScopeOf(request.scope);
      // First, as the reset would wait for what hangs there.
      if (scope === "FACTORY" && devices.failpoints !== undefined)
        disarmDevice(devices.failpoints, device.name);
      return encodeDevice(await device.execute({ type: "resetDevice", scope }));
    },
  };
}

/** Who waits for a device asks again and again: as long as it shows the same, the answer is the same message. */
function repeatingEncoder(): (device: DeviceResource) => Device {
  const last = new Map<string, { readonly resource: DeviceResource; readonly message: Device }>();
  return (resource) => {
    const known = last.get(resource.name);
    if (known !== undefined && isSame(known.resource, resource)) return known.message;
    const message = encodeDevice(resource);
    last.set(resource.name, { resource, message });
    return message;
  };
}

/** The etag is another one whenever anything is; the rest costs nothing, and needs no clock that has moved. */
function isSame(a: DeviceResource, b: DeviceResource): boolean {
  return (
    a.etag === b.etag && a.uid === b.uid && a.powerState === b.powerState && a.sleepState === b.sleepState
  );
}
