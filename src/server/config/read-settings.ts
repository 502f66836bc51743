/** Combines the settings of all sources, or lists everything that is wrong with them. */
import assert from "node:assert/strict";
import type { Refuse } from "./base-readers.ts";
import { problemsBetween } from "./conflicts.ts";
import { CONFIG_KEYS, type ConfigKey, type Problem, SETTINGS, type Settings } from "./schema.ts";

/**
 * Reads the value that was found for each setting; an undefined one gets its default. Returns settings or
 * problems.
 */
export function readSettings(
  found: Partial<Readonly<Record<ConfigKey, unknown>>>,
): { readonly settings: Settings } | { readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const settings: { -readonly [K in ConfigKey]?: Settings[K] | undefined } = {};
  function read<K extends ConfigKey>(key: K): void {
    const refuse: Refuse = (message, ...path) => void problems.push({ path: [key, ...path], message });
    const value = found[key];
    settings[key] = value === undefined ? SETTINGS[key].fallback : SETTINGS[key].read(value, refuse);
  }
  for (const key of CONFIG_KEYS) read(key);
  if (!isComplete(settings)) return { problems };
  problems.push(...problemsBetween(settings));
  return problems.length === 0 ? { settings } : { problems };
}

/** The settings if no source says anything. */
export function defaultSettings(): Settings {
  const read = readSettings({});
  assert("settings" in read, "the defaults fit together");
  return read.settings;
}

function isComplete(settings: { readonly [K in ConfigKey]?: Settings[K] | undefined }): settings is Settings {
  return CONFIG_KEYS.every((key) => settings[key] !== undefined);
}
