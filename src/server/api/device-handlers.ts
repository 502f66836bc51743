/** DeviceService, for both wires. */

import type {
  GetDeviceRequest,
  ListDevicesRequest,
  ListDevicesResponse,
  ResetDeviceRequest,
} from "../../contract/gen/torpor/v1/device.ts";
import type { Device } from "../../contract/gen/torpor/v1/gpu.ts";
import { resetScopeOf } from "../messages/decode-enums.ts";
import { parseDeviceName } from "../messages/resource-names.ts";
import { deviceMessage } from "./device-messages.ts";
import { type DeviceRegistry, requireDevice } from "./devices.ts";
import { disarmDevice } from "./fault-handlers.ts";

export function deviceHandlers(devices: DeviceRegistry) {
  return {
    async listDevices(_request: ListDevicesRequest): Promise<ListDevicesResponse> {
      const handles = [...devices.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
      const resources = await Promise.all(handles.map((device) => device.execute({ type: "getDevice" })));
      return { devices: resources.map(deviceMessage) };
    },

    async getDevice(request: GetDeviceRequest): Promise<Device> {
      const device = requireDevice(devices, parseDeviceName(request.name));
      return deviceMessage(await device.execute({ type: "getDevice" }));
    },

    async resetDevice(request: ResetDeviceRequest): Promise<Device> {
      const device = requireDevice(devices, parseDeviceName(request.name));
      const scope = resetScopeOf(request.scope);
      // First disarm the failpoints, because the reset would wait for work that hangs in one.
      if (scope === "FACTORY" && devices.failpoints !== undefined)
        disarmDevice(devices.failpoints, device.name);
      return deviceMessage(await device.execute({ type: "resetDevice", scope }));
    },
  };
}
