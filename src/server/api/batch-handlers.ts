/** The methods of MemoryService that take many objects at once, all or none, for both wires. */

import type { Empty } from "../../contract/gen/google/protobuf/empty.ts";
import type {
  BatchCreateObjectsRequest,
  BatchCreateObjectsResponse,
  BatchDeleteObjectsRequest,
  BatchPinObjectsRequest,
  BatchPinObjectsResponse,
  BatchUnpinObjectsRequest,
  BatchUnpinObjectsResponse,
} from "../../contract/gen/torpor/v1/memory.ts";
import { objectSpecOf } from "../messages/decode-object-spec.ts";
import { type Client, holdOf } from "../messages/hold.ts";
import { childName, parseChildName, parseDeviceName } from "../messages/resource-names.ts";
import { WireError } from "../messages/wire-error.ts";
import { type DeviceRegistry, requireDevice } from "./devices.ts";

export function batchHandlers(devices: DeviceRegistry) {
  /** The device and the objects' ids in a request that names many objects. */
  function locate({ parent, names }: { readonly parent: string; readonly names: readonly string[] }) {
    const id = parseDeviceName(parent);
    return { device: requireDevice(devices, id), objects: names.map((name) => objectOn(id, name)) };
  }

  return {
    async batchCreateObjects(
      request: BatchCreateObjectsRequest,
      client?: Client,
    ): Promise<BatchCreateObjectsResponse> {
      const device = requireDevice(devices, parseDeviceName(request.parent));
      const { template, count } = request;
      if (template === undefined) {
        throw new WireError("INVALID_REQUEST", "The request has no template.", { field: "template" });
      }
      const { objects } = await device.execute({
        type: "batchCreateObjects",
        template: objectSpecOf(template, "template."),
        count,
        ...holdOf(request, client),
      });
      return { names: objects.map((object) => childName(device.name, "objects", object)) };
    },

    async batchPinObjects(
      request: BatchPinObjectsRequest,
      client?: Client,
    ): Promise<BatchPinObjectsResponse> {
      const { device, objects } = locate(request);
      const { region } = request;
      await device.execute({
        type: "batchPinObjects",
        objects,
        ...holdOf(request, client),
        ...(region === "" ? {} : { region }),
      });
      return {};
    },

    async batchUnpinObjects(
      request: BatchUnpinObjectsRequest,
      client?: Client,
    ): Promise<BatchUnpinObjectsResponse> {
      const { device, objects } = locate(request);
      await device.execute({ type: "batchUnpinObjects", objects, ...holdOf(request, client) });
      return {};
    },

    async batchDeleteObjects(request: BatchDeleteObjectsRequest, client?: Client): Promise<Empty> {
      const { device, objects } = locate(request);
      await device.execute({ type: "batchDeleteObjects", objects, ...holdOf(request, client) });
      return {};
    },
  };
}

/** The id of an object that must be on `device` (AIP-235). @throws WireError INVALID_REQUEST */
function objectOn(device: string, name: string): string {
  const found = parseChildName(name, "objects");
  if (found.device === device) return found.id;
  throw new WireError("INVALID_REQUEST", `Object ${name} is not one of device ${device}.`, {
    field: "names",
    name,
  });
}
