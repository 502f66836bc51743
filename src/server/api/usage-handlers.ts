/** What objects take, for both wires. */

import type { GetUsageRequest, Usage } from "../../contract/gen/torpor/v1/memory.ts";
import { encodeUsage } from "../messages/encode.ts";
import { parseSingletonName } from "../messages/resource-names.ts";
import { type DeviceRegistry, requireDevice } from "./devices.ts";

export function usageHandlers(devices: DeviceRegistry) {
  return {
    async getUsage(request: GetUsageRequest): Promise<Usage> {
      const device = requireDevice(devices, parseSingletonName(request.name, "usage"));
      return encodeUsage(device.name, await device.execute({ type: "getUsage" }));
    },
  };
}
