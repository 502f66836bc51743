/** What objects take, for both wires. */
import { type DeviceRegistry, requireDevice } from "../devices.ts";
import type { GetUsageRequest, Usage } from "../gen/torpor/v1/memory.ts";
import { encodeUsage } from "./encode.ts";
import { parseSingletonName } from "./names.ts";

export function usageHandlers(devices: DeviceRegistry) {
  return {
    async getUsage(request: GetUsageRequest): Promise<Usage> {
      const device = requireDevice(devices, parseSingletonName(request.name, "usage"));
      return encodeUsage(device.name, await device.execute({ type: "getUsage" }));
    },
  };
}
