/** The region methods of MemoryService, for both wires. */

import type {
  EvictRegionRequest,
  EvictRegionResponse,
  GetRegionRequest,
  ListRegionsRequest,
  ListRegionsResponse,
} from "../../contract/gen/torpor/v1/memory.ts";
import type { Region } from "../../contract/gen/torpor/v1/region.ts";
import { toByteCount, toInt64 } from "../messages/convert.ts";
import { encodeRegion } from "../messages/encode.ts";
import { type Client, holdOf } from "../messages/hold.ts";
import { parseChildName, parseDeviceName } from "../messages/resource-names.ts";
import { type DeviceRegistry, requireDevice } from "./devices.ts";

export function regionHandlers(devices: DeviceRegistry) {
  return {
    async listRegions(request: ListRegionsRequest): Promise<ListRegionsResponse> {
      const device = requireDevice(devices, parseDeviceName(request.parent));
      const regions = await device.execute({ type: "listRegions" });
      return { regions: regions.map((region) => encodeRegion(device.name, region)) };
    },

    async getRegion(request: GetRegionRequest): Promise<Region> {
      const { device: deviceId, id } = parseChildName(request.name, "regions");
      const device = requireDevice(devices, deviceId);
      return encodeRegion(device.name, await device.execute({ type: "getRegion", region: id }));
    },

    async evictRegion(request: EvictRegionRequest, client?: Client): Promise<EvictRegionResponse> {
      const { device: deviceId, id } = parseChildName(request.name, "regions");
      const evicted = await requireDevice(devices, deviceId).execute({
        type: "evictRegion",
        region: id,
        ...holdOf(request, client),
        ...(request.bytes === undefined ? {} : { bytes: toByteCount(request.bytes, "bytes") }),
      });
      return { objects: evicted.objects, bytes: toInt64(evicted.bytes) };
    },
  };
}
