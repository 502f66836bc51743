/** What each source of configuration provides: the raw value of a key, and a name for its place. */
import type { ConfigKey } from "./schema.ts";

export interface FoundValue {
  readonly value: unknown;
  /** The start of a message: the place of the value, or of the item in it at `path`. */
  place(path: readonly PropertyKey[]): string;
}

export type FoundValues = Partial<Readonly<Record<ConfigKey, FoundValue>>>;
