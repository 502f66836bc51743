/** DeviceService, for both wires. */
import { type DeviceRegistry, requireDevice } from "../devices.ts";
import type {
  Device,
  GetDeviceRequest,
  ListDevicesRequest,
  ListDevicesResponse,
} from "../gen/torpor/v1/device.ts";
import { encodeDevice } from "./encode.ts";
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
  };
}
