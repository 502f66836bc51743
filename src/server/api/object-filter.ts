/**
 * The filter of ListObjects: `region = lmem0 AND state = RESIDENT AND label = "weights"`, a subset of
 * AIP-160.
 */

import { Object_State } from "../../contract/gen/torpor/v1/object.ts";
import type { ListObjects } from "../../device/command.ts";
import { parseTerms, refusedFilter } from "./filter-terms.ts";

export type ObjectFilter = NonNullable<ListObjects["filter"]>;

const FIELDS = ["region", "state", "label"];
const STATES = Object.keys(Object_State).filter(
  (state) => state !== "UNSPECIFIED" && state !== "UNRECOGNIZED",
);

/** Reads a filter; undefined for an empty one. @throws WireError INVALID_REQUEST */
export function parseObjectFilter(text: string): ObjectFilter | undefined {
  const terms = parseTerms(text, (field) =>
    FIELDS.includes(field) ? undefined : `Filter field "${field}" is not one of ${FIELDS.join(", ")}.`,
  );
  if (terms === undefined) return undefined;
  const state = terms.get("state");
  if (state !== undefined && !STATES.includes(state)) {
    throw refusedFilter(`State "${state}" is not one of ${STATES.join(", ")}.`);
  }
  return Object.fromEntries(terms);
}
