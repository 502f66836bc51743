/** The names of a setting in each source: its flag, its environment variable, and its line in a file. */
import { type ConfigKey, SETTINGS, type Settings } from "./schema.ts";

/** One setting as it would stand in a YAML file. */
export function printSetting<K extends ConfigKey>(
  key: K,
  settings: Settings,
): string | boolean | readonly string[] {
  return SETTINGS[key].print(settings[key]);
}

/** The environment variable of a key: `minPage` is TORPOR_MIN_PAGE. */
export function environmentName(key: string): string {
  return `TORPOR_${words(key).join("_").toUpperCase()}`;
}

/** The flag of a key: `minPage` is --min-page. */
export function flagName(key: string): string {
  return `--${words(key).join("-")}`;
}

function words(key: string): string[] {
  return key
    .replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    .trim()
    .split(" ");
}
