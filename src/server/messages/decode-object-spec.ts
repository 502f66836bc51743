/** What an object is to be, as CreateObject and BatchCreateObjects say it. */

import type { ObjectTemplate } from "../../contract/gen/torpor/v1/memory.ts";
import type { CreateObject } from "../../device/command.ts";
import { toNumber } from "./convert.ts";
import { objectFlagOf } from "./decode-enums.ts";

/**
 * @param path where in the request the fields are, with a dot at its end.
 * @throws WireError INVALID_REQUEST
 */
export function objectSpecOf(message: ObjectTemplate, path = ""): Omit<CreateObject, "type" | "hold"> {
  return {
    sizeBytes: toNumber(message.size, `${path}size`),
    regions: message.regions,
    flags: message.flags.map(objectFlagOf),
    alignmentBytes: toNumber(message.alignment, `${path}alignment`),
    label: message.label,
  };
}
