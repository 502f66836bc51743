/**
 * Readers of the values of settings, from any source. A reader reports a fault as the rest of a sentence that
 * starts with the setting and its value. We wrote these few ourselves, because every start of the daemon
 * waits for them.
 */

/**
 * Reports a fault in the value or in one of its items. Returns undefined, so that a reader can return its
 * result.
 */
export type Refuse = (message: string, ...path: readonly number[]) => undefined;

/** Returns undefined only after reporting a fault. */
export type Reader<T> = (found: unknown, refuse: Refuse) => T | undefined;

/** A text that matches the pattern. */
export function text(pattern: RegExp, problem: string): Reader<string> {
  return (found, refuse) => (typeof found === "string" && pattern.test(found) ? found : refuse(problem));
}

/** A path; empty means none. */
export function path(what: "file" | "directory"): Reader<string> {
  return (found, refuse) =>
    typeof found === "string" && !found.includes("\0") ? found : refuse(`is not the path of a ${what}.`);
}

export function oneOf<const Word extends string>(words: readonly Word[]): Reader<Word> {
  return (found, refuse) =>
    words.find((word) => word === found) ?? refuse(`is not one of ${words.join(", ")}.`);
}

export function count(countMax: number, what = "number"): Reader<number> {
  return (found, refuse) => {
    const digits = typeof found === "number" || typeof found === "string" ? String(found) : "";
    if (/^\d{1,15}$/.test(digits) && Number(digits) <= countMax) return Number(digits);
    return refuse(`is not a ${what} from 0 to ${countMax}.`);
  };
}

/** YAML has booleans. The environment and flags have only their names. */
export function flag(): Reader<boolean> {
  return (found, refuse) => {
    if (found === true || found === "true" || found === "1") return true;
    if (found === false || found === "false" || found === "0") return false;
    return refuse("is neither true nor false.");
  };
}

/**
 * A list. A single value or a text with commas also counts as one, so that files and the environment stay
 * simple.
 */
export function list<T>(item: Reader<T>, countMax: number, countMin = 1): Reader<readonly T[]> {
  return (found, refuse) => {
    const parts = splitList(found);
    const items = parts.map((part, index) => item(part, (message, ...at) => refuse(message, index, ...at)));
    if (parts.length < countMin) refuse(`has fewer than ${countMin} item.`);
    if (parts.length > countMax) refuse(`has more than ${countMax} items.`);
    const read = items.filter((each) => each !== undefined);
    if (read.length < parts.length) return undefined;
    const namesRepeat = new Set(read).size < read.length && typeof read[0] === "string";
    if (namesRepeat) refuse("names the same thing twice.");
    return read;
  };
}

function splitList(found: unknown): readonly unknown[] {
  if (typeof found === "string")
    return found.trim() === "" ? [] : found.split(",").map((part) => part.trim());
  return Array.isArray(found) ? found : [found];
}
