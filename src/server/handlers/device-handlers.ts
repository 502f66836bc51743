/** DeviceService, for both wires. */
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
  return {
    async listDevices(_request: ListDevicesRequest): Promise<ListDevicesResponse> {
      const handles = [...devices.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
      const resources = await Promise.all(handles.map((device) => device.execute({ type: "getDevice" })));
      return { devices: resources.map(encodeDevice) };
    },

    async getDevice(request: GetDeviceRequest): Promise<Device> {
      const device = requireDevice(devices, parseDeviceName(request.name));
      return encodeDevice(await device.execute({ type: "getDevice" }));
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
