/** WatchEvents, for both wires. */

import type { WatchEventsRequest } from "../../contract/gen/torpor/v1/device.ts";
import { type DeviceRegistry, requireDevice } from "../api/devices.ts";
import { toNumber } from "../messages/convert.ts";
import { eventTypeOf } from "../messages/decode-enums.ts";
import { parseDeviceName } from "../messages/resource-names.ts";
import { WireError } from "../messages/wire-error.ts";
import type { EventHub } from "./event-hub.ts";
import type { ToldEvent } from "./event-log.ts";
import type { WatchOptions } from "./watcher.ts";

/** Opens the stream that a WatchEventsRequest asks for. */
export async function* watchEvents(
  { devices, events }: { readonly devices: DeviceRegistry; readonly events: EventHub },
  request: WatchEventsRequest,
  who: Pick<WatchOptions, "signal" | "caller" | "recheck" | "restarts">,
): AsyncGenerator<ToldEvent, void, undefined> {
  yield* events.watch({
    devices: [...devicesOf(devices, request.device)],
    types: request.types.map(eventTypeOf),
    afterSequence: sequenceOf(request.afterSequence),
    ...who,
  });
}

function devicesOf(devices: DeviceRegistry, device: string) {
  if (device === "") return devices.values();
  return [requireDevice(devices, device.includes("/") ? parseDeviceName(device) : device)];
}

function sequenceOf(value: bigint | undefined): number | undefined {
  if (value === undefined || value >= 0n)
    return value === undefined ? undefined : toNumber(value, "afterSequence");
  throw new WireError("INVALID_REQUEST", `Sequence ${value} is negative.`, { field: "afterSequence" });
}
