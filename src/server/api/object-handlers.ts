/** The object methods of MemoryService, for both wires. Content streams are in `content-transfer.ts`. */

import type { Empty } from "../../contract/gen/google/protobuf/empty.ts";
import type {
  AdviseObjectRequest,
  AdviseObjectResponse,
  ChecksumObjectRequest,
  ChecksumObjectResponse,
  CreateObjectRequest,
  DeleteObjectRequest,
  GetObjectRequest,
  ListObjectsRequest,
  ListObjectsResponse,
  MoveObjectRequest,
  PinObjectRequest,
  UnpinObjectRequest,
} from "../../contract/gen/torpor/v1/memory.ts";
import type { Object as ObjectMessage } from "../../contract/gen/torpor/v1/object.ts";
import { toInt64 } from "../messages/convert.ts";
import { adviceOf } from "../messages/decode-enums.ts";
import { objectSpecOf } from "../messages/decode-object-spec.ts";
import { encodeObject } from "../messages/encode.ts";
import { type Client, holdOf } from "../messages/hold.ts";
import { parseChildName, parseDeviceName } from "../messages/resource-names.ts";
import { WireError } from "../messages/wire-error.ts";
import { type DeviceRegistry, requireDevice } from "./devices.ts";
import { parseObjectFilter } from "./object-filter.ts";
import { decodePageToken, encodePageToken, pageSize } from "./page-token.ts";

export function objectHandlers(devices: DeviceRegistry) {
  return Object.assign(lifeHandlers(devices), useHandlers(devices));
}

/** Finds the device of a request that names an object. */
function locators(devices: DeviceRegistry) {
  /** The device and the object's id. */
  function locate(request: { readonly name: string }) {
    const { device, id } = parseChildName(request.name, "objects");
    return { device: requireDevice(devices, device), object: id };
  }

  /** The same, with preconditions on the object. */
  function locateIf(request: { readonly name: string; readonly etag: string }) {
    const { device, object } = locate(request);
    return { device, target: request.etag === "" ? { object } : { object, etag: request.etag } };
  }

  return { locate, locateIf };
}

/** Creates, describes and deletes objects. */
function lifeHandlers(devices: DeviceRegistry) {
  const { locate, locateIf } = locators(devices);
  return {
    async createObject(request: CreateObjectRequest, client?: Client): Promise<ObjectMessage> {
      const device = requireDevice(devices, parseDeviceName(request.parent));
      const create = { type: "createObject", ...objectSpecOf(request), ...holdOf(request, client) } as const;
      return encodeObject(device.name, await device.execute(create));
    },

    async getObject(request: GetObjectRequest): Promise<ObjectMessage> {
      const { device, object } = locate(request);
      return encodeObject(device.name, await device.execute({ type: "getObject", object }));
    },

    async listObjects(request: ListObjectsRequest): Promise<ListObjectsResponse> {
      const device = requireDevice(devices, parseDeviceName(request.parent));
      const { showDeviceOwned } = request;
      const listing = ["objects", request.parent, request.filter, String(showDeviceOwned)];
      const filter = parseObjectFilter(request.filter);
      const page = await device.execute({
        type: "listObjects",
        afterId: decodePageToken(listing, request.pageToken),
        limit: pageSize(request.pageSize),
        showDeviceOwned,
        ...(filter === undefined ? {} : { filter }),
      });
      return {
        objects: page.objects.map((object) => encodeObject(device.name, object)),
        nextPageToken: encodePageToken(listing, page.nextAfterId),
      };
    },

    async deleteObject(request: DeleteObjectRequest, client?: Client): Promise<Empty> {
      const { device, target } = locateIf(request);
      await device.execute({ type: "deleteObject", ...target, ...holdOf(request, client) });
      return {};
    },
  };
}

/** Pins, moves and checksums objects, and takes advice on them. */
function useHandlers(devices: DeviceRegistry) {
  const { locate, locateIf } = locators(devices);
  return {
    async pinObject(request: PinObjectRequest, client?: Client): Promise<ObjectMessage> {
      const { device, target } = locateIf(request);
      const { region } = request;
      const pin = {
        type: "pinObject",
        ...target,
        ...holdOf(request, client),
        ...(region === "" ? {} : { region }),
      } as const;
      return encodeObject(device.name, await device.execute(pin));
    },

    async unpinObject(request: UnpinObjectRequest, client?: Client): Promise<ObjectMessage> {
      const { device, target } = locateIf(request);
      return encodeObject(
        device.name,
        await device.execute({ type: "unpinObject", ...target, ...holdOf(request, client) }),
      );
    },

    async moveObject(request: MoveObjectRequest, client?: Client): Promise<ObjectMessage> {
      const { device, target } = locateIf(request);
      if (request.region === "") {
        throw new WireError("INVALID_REGION", "The request names no region to move to.", { field: "region" });
      }
      const move = {
        type: "moveObject",
        ...target,
        region: request.region,
        ...holdOf(request, client),
      } as const;
      return encodeObject(device.name, await device.execute(move));
    },

    async adviseObject(request: AdviseObjectRequest, client?: Client): Promise<AdviseObjectResponse> {
      const { device, target } = locateIf(request);
      const advice = adviceOf(request.advice);
      return device.execute({ type: "adviseObject", ...target, advice, ...holdOf(request, client) });
    },

    async checksumObject(request: ChecksumObjectRequest, client?: Client): Promise<ChecksumObjectResponse> {
      const { device, object } = locate(request);
      const sums = await device.execute({ type: "checksumObject", object, ...holdOf(request, client) });
      return { crc32c: sums.crc32c, sha256: sums.sha256Hex, size: toInt64(sums.sizeBytes) };
    },
  };
}
