/** The object methods of MemoryService, for both wires. Content streams are in `content.ts`. */
import { type DeviceRegistry, requireDevice } from "../devices.ts";
import type { Empty } from "../gen/google/protobuf/empty.ts";
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
} from "../gen/torpor/v1/memory.ts";
import type { Object as ObjectMessage } from "../gen/torpor/v1/object.ts";
import { toInt64 } from "./convert.ts";
import { encodeObject } from "./encode.ts";
import { adviceOf } from "./enums.ts";
import { holdOf } from "./hold.ts";
import { parseChildName, parseDeviceName } from "./names.ts";
import { parseObjectFilter } from "./object-filter.ts";
import { objectSpecOf } from "./object-spec.ts";
import { decodePageToken, encodePageToken, pageSize } from "./page-token.ts";

export function objectHandlers(devices: DeviceRegistry) {
  /** The device and the object's id in a request that names an object. */
  function locate(request: { readonly name: string }) {
    const { device, id } = parseChildName(request.name, "objects");
    return { device: requireDevice(devices, device), object: id };
  }

  return {
    async createObject(request: CreateObjectRequest): Promise<ObjectMessage> {
      const device = requireDevice(devices, parseDeviceName(request.parent));
      const create = { type: "createObject", ...objectSpecOf(request), ...holdOf(request) } as const;
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

    async deleteObject(request: DeleteObjectRequest): Promise<Empty> {
      const { device, object } = locate(request);
      await device.execute({ type: "deleteObject", object, ...holdOf(request) });
      return {};
    },

    async pinObject(request: PinObjectRequest): Promise<ObjectMessage> {
      const { device, object } = locate(request);
      const { region } = request;
      const pin = {
        type: "pinObject",
        object,
        ...holdOf(request),
        ...(region === "" ? {} : { region }),
      } as const;
      return encodeObject(device.name, await device.execute(pin));
    },

    async unpinObject(request: UnpinObjectRequest): Promise<ObjectMessage> {
      const { device, object } = locate(request);
      return encodeObject(
        device.name,
        await device.execute({ type: "unpinObject", object, ...holdOf(request) }),
      );
    },

    async moveObject(request: MoveObjectRequest): Promise<ObjectMessage> {
      const { device, object } = locate(request);
      const move = { type: "moveObject", object, region: request.region, ...holdOf(request) } as const;
      return encodeObject(device.name, await device.execute(move));
    },

    async adviseObject(request: AdviseObjectRequest): Promise<AdviseObjectResponse> {
      const { device, object } = locate(request);
      const advice = adviceOf(request.advice);
      return device.execute({ type: "adviseObject", object, advice, ...holdOf(request) });
    },

    async checksumObject(request: ChecksumObjectRequest): Promise<ChecksumObjectResponse> {
      const { device, object } = locate(request);
      const sums = await device.execute({ type: "checksumObject", object, ...holdOf(request) });
      return { crc32c: sums.crc32c, sha256: sums.sha256Hex, size: toInt64(sums.sizeBytes) };
    },
  };
}
