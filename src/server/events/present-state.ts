/**
 * The present state of a device as events, as if everything had just been created. Event streams begin with
 * it.
 */

import { Event_Type } from "../../contract/gen/torpor/v1/event.ts";
import type { Clock } from "../../device/clock.ts";
import { PAGE_SIZE_MAX } from "../../device/limits.ts";
import type { DeviceHandle } from "../api/devices.ts";
import { EVENT_OBJECTS_MAX } from "../limits.ts";
import { encodeDevice, encodeObject } from "../messages/encode.ts";
import { encodeContext } from "../messages/encode-engine.ts";
import type { ToldEvent } from "./event-log.ts";
import { eventGroups, makeEvent } from "./event-message.ts";

/** Yields the events of `device` with the wanted types, one slice of the device at a time. */
export async function* presentState(
  device: DeviceHandle,
  clock: Clock,
  isWanted: (type: Event_Type) => boolean,
): AsyncGenerator<ToldEvent, void, undefined> {
  const { name } = device;
  if (isWanted(Event_Type.DEVICE_CHANGED)) {
    const value = encodeDevice(await device.execute({ type: "getDevice" }));
    yield makeEvent({ sequence: 0, wallNs: clock.wallNs() }, name, {
      $case: "deviceChanged",
      value: { device: value },
    });
  }
  if (isWanted(Event_Type.OBJECTS_CREATED)) {
    let afterId = "";
    do {
      const limit = EVENT_OBJECTS_MAX;
      const page = await device.execute({ type: "listObjects", afterId, limit, showDeviceOwned: false });
      for (const group of eventGroups(page.objects)) {
        const objects = group.map((object) => encodeObject(name, object));
        yield makeEvent({ sequence: 0, wallNs: clock.wallNs() }, name, {
          $case: "objectsCreated",
          value: { objects },
        });
      }
      afterId = page.nextAfterId;
    } while (afterId !== "");
  }
  if (isWanted(Event_Type.CONTEXT_CREATED)) {
    let afterId = "";
    do {
      const page = await device.execute({ type: "listContexts", afterId, limit: PAGE_SIZE_MAX });
      for (const context of page.contexts) {
        const value = { context: encodeContext(name, context) };
        yield makeEvent({ sequence: 0, wallNs: clock.wallNs() }, name, { $case: "contextCreated", value });
      }
      afterId = page.nextAfterId;
    } while (afterId !== "");
  }
}
