/** What a wire knows of a device: its name and the one way in. */
import type { CommandOf, CommandType, Results } from "../../device/command.ts";
import { DeviceError } from "../../device/errors.ts";
import type { Failpoints } from "../../device/failpoints.ts";
import type { ImageCatalogue } from "../machine/image-catalogue.ts";
import { childName } from "../messages/resource-names.ts";
import { WireError } from "../messages/wire-error.ts";

export interface DeviceHandle {
  readonly name: string;
  execute<T extends CommandType>(command: CommandOf<T>): Promise<Results[T]>;
}

/** Every device of the daemon by its name, with what can be made to go wrong in them. */
export interface DeviceRegistry extends ReadonlyMap<string, DeviceHandle> {
  /** Undefined where the daemon runs without --enable-faults. */
  readonly failpoints?: Failpoints | undefined;
  /** Undefined where the daemon has no data directory. */
  readonly images?: ImageCatalogue | undefined;
}

/** The device called `name`, which is its id, without `devices/`. @throws WireError DEVICE_NOT_FOUND */
export function requireDevice(devices: DeviceRegistry, name: string): DeviceHandle {
  const device = devices.get(name);
  if (device !== undefined) return withNames(device);
  throw new WireError("DEVICE_NOT_FOUND", `There is no device ${name}.`, { device: name });
}

/** What was made of each device. */
const named = new WeakMap<DeviceHandle, DeviceHandle>();

/**
 * The same device, with resource names where its errors give ids: `metadata.transition` is there to be asked
 * for.
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
