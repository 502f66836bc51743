/** Decodes the description of a new object, as in CreateObject and BatchCreateObjects. */

import type { ObjectTemplate } from "../../contract/gen/torpor/v1/memory.ts";
import type { CreateObject } from "../../device/command.ts";
import { toNumber } from "./convert.ts";
import { objectFlagOf } from "./decode-enums.ts";

/**
 * @param path where the fields are in the request, ending with a dot.
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
