/**
 * The filter of ListObjects: `region = lmem0 AND state = RESIDENT AND label = "weights"`, a subset of
 * AIP-160.
 */

import { Object_State } from "../../contract/gen/torpor/v1/object.ts";
import type { ListObjects } from "../../device/command.ts";
import { FILTER_LENGTH_MAX } from "../limits.ts";
import { WireError } from "../messages/wire-error.ts";

export type ObjectFilter = NonNullable<ListObjects["filter"]>;

const TERM = /\s*(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))/y;
const AND = /\s+AND(?=\s|$)/y;
const STATES = Object.keys(Object_State).filter(
  (state) => state !== "UNSPECIFIED" && state !== "UNRECOGNIZED",
);

/** Reads a filter; undefined for an empty one. @throws WireError INVALID_REQUEST */
export function parseObjectFilter(text: string): ObjectFilter | undefined {
  if (text.trim() === "") return undefined;
  if (text.length > FILTER_LENGTH_MAX) {
    throw refused(`The filter is longer than ${FILTER_LENGTH_MAX} characters.`);
  }
  const filter: { region?: string; state?: string; label?: string } = {};
  let at = 0;
  while (true) {
    TERM.lastIndex = at;
    const match = TERM.exec(text);
    if (match === null) throw refused(`Filter "${text}" has no term "field = value" at character ${at + 1}.`);
    const [, field = "", quoted, bare = ""] = match;
    if (field !== "region" && field !== "state" && field !== "label") {
      throw refused(`Filter field "${field}" is not one of region, state, label.`);
    }
    if (filter[field] !== undefined) throw refused(`The filter names ${field} twice.`);
    filter[field] = quoted?.replace(/\\(.)/g, "$1") ?? bare;
    at = TERM.lastIndex;
    if (text.slice(at).trim() === "") break;
    AND.lastIndex = at;
    if (!AND.test(text)) throw refused(`Filter "${text}" has no AND at character ${at + 1}.`);
    at = AND.lastIndex;
  }
  if (filter.state !== undefined && !STATES.includes(filter.state)) {
    throw refused(`State "${filter.state}" is not one of ${STATES.join(", ")}.`);
  }
  return filter;
}

function refused(sentence: string): WireError {
  return new WireError("INVALID_REQUEST", sentence, { field: "filter" });
}
