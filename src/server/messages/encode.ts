/** Encodes what the device shows about itself as messages. */

import { DState, SleepState } from "../../contract/gen/torpor/v1/common.ts";
import { type Device, Device_PowerState } from "../../contract/gen/torpor/v1/gpu.ts";
import type { Usage } from "../../contract/gen/torpor/v1/memory.ts";
import {
  Object_Advice,
  Object_Flag,
  Object_State,
  type Object as ObjectMessage,
} from "../../contract/gen/torpor/v1/object.ts";
import { type Region, Region_Kind } from "../../contract/gen/torpor/v1/region.ts";
import type { DeviceResource, ObjectResource, RegionResource, UsageResource } from "../../device/resource.ts";
import { toInt64, toTimestamp } from "./convert.ts";
import { encodeError } from "./encode-error.ts";
import { encodeOwnership } from "./encode-image.ts";
import { childName, deviceName, failpointName, imageName, singletonName } from "./resource-names.ts";

export function encodeDevice(device: DeviceResource): Device {
  return {
    name: deviceName(device.name),
    uid: device.uid,
    model: device.model,
    powerState: Device_PowerState[device.powerState],
    sleepState: device.sleepState === undefined ? SleepState.UNSPECIFIED : SleepState[device.sleepState],
    dState: DState[device.dState],
    stateSince: toTimestamp(device.stateSinceNs),
    wedged: device.wedged,
    suspendCount: device.suspendCount,
    transition: device.transition === "" ? "" : childName(device.name, "transitions", device.transition),
    regions: [...device.regions],
    engines: [...device.engines],
    image: imageName(device.image),
    etag: device.etag,
    generation: toInt64(device.generation),
    resumedFrom: imageName(device.resumedFrom),
    ownership: encodeOwnership(device.ownership),
    error: encodeError(device.error),
    pausedAt: device.pausedAt === "" ? "" : failpointName(device.pausedAt),
  };
}

/** @param device id of the device to which the region belongs. */
export function encodeRegion(device: string, region: RegionResource): Region {
  return {
    name: childName(device, "regions", region.id),
    kind: Region_Kind[region.kind],
    size: toInt64(region.sizeBytes),
    used: toInt64(region.usedBytes),
    available: toInt64(region.availableBytes),
    pinned: toInt64(region.pinnedBytes),
    visible: toInt64(region.visibleBytes),
    visibleAvailable: toInt64(region.visibleAvailableBytes),
    largestFreeBlock: toInt64(region.largestFreeBytes),
    held: toInt64(region.heldBytes),
    backup: toInt64(region.backupBytes),
    objectCount: region.objectCount,
    pinnedObjectCount: region.pinnedObjectCount,
    minPage: toInt64(region.minPageBytes),
  };
}

/** @param device id of the device to which the object belongs. */
export function encodeObject(device: string, object: ObjectResource): ObjectMessage {
  return {
    name: childName(device, "objects", object.id),
    uid: object.uid,
    size: toInt64(object.sizeBytes),
    label: object.label,
    flags: object.flags.map((flag) => Object_Flag[flag]),
    regions: [...object.regions],
    region: object.region,
    state: Object_State[object.state],
    extents: object.extents.map((extent) => ({
      offset: toInt64(extent.offsetBytes),
      length: toInt64(extent.lengthBytes),
    })),
    pinCount: object.pinCount,
    active: object.active,
    evictable: object.evictable,
    hasBackup: object.hasBackup,
    madvise: Object_Advice[object.madvise],
    createTime: toTimestamp(object.createTimeNs),
    etag: object.etag,
  };
}

/** @param device id of the device to which the objects belong. */
export function encodeUsage(device: string, accounts: readonly UsageResource[]): Usage {
  return {
    name: singletonName(device, "usage"),
    accounts: accounts.map((account) => ({
      label: account.label,
      objects: account.objects,
      local: toInt64(account.localBytes),
      system: toInt64(account.systemBytes),
      swapped: toInt64(account.swappedBytes),
      pinned: toInt64(account.pinnedBytes),
    })),
  };
}
