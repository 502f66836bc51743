/** Filters of listings: `region = lmem0 AND label = "weights"`, a subset of AIP-160. */
import { FILTER_LENGTH_MAX } from "../limits.ts";
import { WireError } from "../messages/wire-error.ts";

const TERM = /\s*([\w./-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))/y;
const AND = /\s+AND(?=\s|$)/y;

/**
 * The value of each field that a filter names; undefined for an empty filter.
 * @param problemOf why a field cannot be filtered by; undefined if it can
 * @throws WireError INVALID_REQUEST
 */
export function parseTerms(
  text: string,
  problemOf: (field: string) => string | undefined,
): ReadonlyMap<string, string> | undefined {
  if (text.trim() === "") return undefined;
  if (text.length > FILTER_LENGTH_MAX) {
    throw refusedFilter(`The filter is longer than ${FILTER_LENGTH_MAX} characters.`);
  }
  const terms = new Map<string, string>();
  let at = 0;
  while (true) {
    TERM.lastIndex = at;
    const match = TERM.exec(text);
    if (match === null)
      throw refusedFilter(`Filter "${text}" has no term "field = value" at character ${at + 1}.`);
    const [, field = "", quoted, bare = ""] = match;
    const problem = problemOf(field);
    if (problem !== undefined) throw refusedFilter(problem);
    if (terms.has(field)) throw refusedFilter(`The filter names ${field} twice.`);
    terms.set(field, quoted?.replace(/\\(.)/g, "$1") ?? bare);
    at = TERM.lastIndex;
    if (text.slice(at).trim() === "") return terms;
    AND.lastIndex = at;
    if (!AND.test(text)) throw refusedFilter(`Filter "${text}" has no AND at character ${at + 1}.`);
    at = AND.lastIndex;
  }
}

export function refusedFilter(sentence: string): WireError {
  return new WireError("INVALID_REQUEST", sentence, { field: "filter" });
}
