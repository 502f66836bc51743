/** One setting of the daemon: all that is said of it, in one place. */
import type { Reader } from "./reader.ts";

/** What a switch may be followed by. */
export const SWITCH = "false";

interface Entry<T, Place, Placed> {
  /** What it is called in Config; undefined for a part of one of its groups. */
  readonly place?: Place;
  /** What it is where nothing is said. */
  readonly fallback: T;
  /** What it is in Config. @default what it is here */
  readonly convert?: (value: T) => Placed;
  /** What OpenTelemetry calls its environment variable; ours is stronger. */
  readonly variable?: string;
  /** What stands after the flag in the help; SWITCH where the flag alone says true. */
  readonly value: string;
  /** Whether the flag may be given several times; each adds to the list. @default false */
  readonly repeatable?: true;
  readonly help: string;
  /** Left out of the help, which is one screen, because few need it. @default false */
  readonly rare?: true;
  /** The value as a YAML file would have it. */
  print(value: T): string | boolean | readonly string[];
}

export interface Setting<T, Place, Placed> extends Entry<T, Place, Placed> {
  readonly read: Reader<T>;
}

export function setting<T, const Place extends string | undefined = undefined, Placed = T>(
  read: Reader<T>,
  entry: Entry<NoInfer<T>, Place, Placed>,
): Setting<T, Place, Placed> {
  return { ...entry, read };
}
