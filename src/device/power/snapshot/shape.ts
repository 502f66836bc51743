/** Which devices can be restored from a snapshot. */
import { DeviceError } from "../../errors.ts";
import { describeImagedDevice, type ImagedDevice } from "../image/capture.ts";
import type { Snapshot } from "./snapshot.ts";

/** What must be the same, because places, engines and room follow from it. */
const SHAPE = ["lmem", "smemBytes", "stolenBytes", "swapBytes", "engines"] as const;

/**
 * @throws DeviceError SNAPSHOT_INCOMPATIBLE for a device of other sizes or engines; DEVICE_NOT_EMPTY for
 * another device, and no fork of that one, that has objects or contexts, which the restore would drop
 */
export function requireShape(device: ImagedDevice, snapshot: Snapshot, forkOf: string): void {
  const { shape, resource } = snapshot;
  const now = describeImagedDevice(device);
  const differences = SHAPE.filter((what) => JSON.stringify(shape[what]) !== JSON.stringify(now[what]));
  if (differences.length > 0) {
    throw new DeviceError(
      "SNAPSHOT_INCOMPATIBLE",
      `Snapshot ${resource.id} is of a device with other sizes or engines than ${device.name}: ` +
        `${differences.join(", ")} differ.`,
      { snapshot: resource.id, differences: differences.join(",") },
    );
  }
  const contexts = device.gt.contexts.all().length;
  const objects = device.memory.clientObjectCount;
  if (resource.device === device.name || resource.device === forkOf) return;
  if (contexts === 0 && objects === 0) {
    requirePlaces(device, snapshot);
    return;
  }
  throw new DeviceError(
    "DEVICE_NOT_EMPTY",
    `Snapshot ${resource.id} is of device ${resource.device}, and another device takes it only when it is ` +
      `empty; ${device.name} has ${objects} objects and ${contexts} contexts.`,
    { snapshot: resource.id, objects: String(objects), contexts: String(contexts) },
  );
}

/** The board of another device may have reserved other ranges. */
function requirePlaces({ memory, name }: ImagedDevice, { objects, resource }: Snapshot): void {
  for (const { region, extents, id } of objects) {
    const taken = extents.find((extent) => !memory.region(region).isFree(extent));
    if (taken === undefined) continue;
    throw new DeviceError(
      "SNAPSHOT_INCOMPATIBLE",
      `The place of object ${id} at ${taken.offsetBytes} of region ${memory.region(region).id} is not ` +
        `free on ${name}, so it cannot take snapshot ${resource.id}.`,
      { snapshot: resource.id, object: String(id) },
    );
  }
}
