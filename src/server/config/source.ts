/**
 * What each source of configuration hands on: the raw value of a key, and how to name the place it stands.
 */
import type { ConfigKey } from "./schema.ts";

export interface FoundValue {
  readonly value: unknown;
  /** The place, for the start of a message: of the value, or of the item in it that `path` leads to. */
  place(path: readonly PropertyKey[]): string;
}

export type FoundValues = Partial<Readonly<Record<ConfigKey, FoundValue>>>;
