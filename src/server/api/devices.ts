/** The part of a device that a wire knows: its name and its one entry point. */
import type { CommandOf, CommandType, Results } from "../../device/command.ts";
import { DeviceError } from "../../device/errors.ts";
import type { Failpoints } from "../../device/failpoints.ts";
import type { SnapshotStore } from "../../device/mod.ts";
import type { ImageCatalogue } from "../machine/image-catalogue.ts";
import { childName } from "../messages/resource-names.ts";
import { WireError } from "../messages/wire-error.ts";

export interface DeviceHandle {
  readonly name: string;
  execute<T extends CommandType>(command: CommandOf<T>): Promise<Results[T]>;
}

/** Every device of the daemon by name, with its failpoints. */
export interface DeviceRegistry extends ReadonlyMap<string, DeviceHandle> {
  /** Undefined if the daemon runs without --enable-faults. */
  readonly failpoints?: Failpoints | undefined;
  /** Undefined if the daemon has no data directory. */
  readonly images?: ImageCatalogue | undefined;
  /** Undefined if the daemon has no memory for snapshots. */
  readonly snapshots?: SnapshotStore | undefined;
}

/** The device with the id `name`, without `devices/`. @throws WireError DEVICE_NOT_FOUND */
export function requireDevice(devices: DeviceRegistry, name: string): DeviceHandle {
  const device = devices.get(name);
  if (device !== undefined) return withNames(device);
  throw new WireError("DEVICE_NOT_FOUND", `There is no device ${name}.`, { device: name });
}

/** The wrapper made for each device. */
const named = new WeakMap<DeviceHandle, DeviceHandle>();

/**
 * Wraps the device so that its errors contain resource names instead of ids. Callers can then fetch the
 * resource in `metadata.transition`.
 */
function withNames(device: DeviceHandle): DeviceHandle {
  const known = named.get(device);
  if (known !== undefined) return known;
  const handle: DeviceHandle = {
    name: device.name,
    execute: (command) =>
      device.execute(command).catch((error: unknown) => throwWithNames(device.name, error)),
  };
  named.set(device, handle);
  return handle;
}

function throwWithNames(device: string, error: unknown): never {
  if (!(error instanceof DeviceError) || error.metadata.transition === undefined) throw error;
  const transition = childName(device, "transitions", error.metadata.transition);
  throw new WireError(error.reason, error.message, { ...error.metadata, transition }).because(error);
}
