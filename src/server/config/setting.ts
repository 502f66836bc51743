/** One setting of the daemon, with everything about it in one place. */
import type { Reader } from "./base-readers.ts";

/** The values that may follow a switch. */
export const SWITCH = "false";

interface Entry<T, Place, Placed> {
  /** Its name in Config; undefined for a part of a group. */
  readonly place?: Place;
  /** The default value. */
  readonly fallback: T;
  /** The default in Config. @default the same default */
  readonly convert?: (value: T) => Placed;
  /** The OpenTelemetry environment variable for it. Our own variable takes precedence. */
  readonly variable?: string;
  /** The placeholder after the flag in the help; SWITCH if the flag alone means true. */
  readonly value: string;
  /** Whether the flag may be repeated to add to the list. @default false */
  readonly repeatable?: true;
  readonly help: string;
  /** Left out of the help, which must fit one screen, because few users need it. @default false */
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
