/** Configuration from `TORPOR_…` environment variables, and from those that OpenTelemetry defines. */

import { CONFIG_KEYS, SETTINGS } from "./schema.ts";
import { environmentName } from "./setting-names.ts";
import type { FoundValue, FoundValues } from "./source.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** The path of the configuration file, like --config. */
export const CONFIG_FILE_VARIABLE = "TORPOR_CONFIG";

/** The source revision that an image was built from; stamped by the image, shown in torpor_build_info. */
export const REVISION_VARIABLE = "TORPOR_REVISION";

/**
 * Reads the settings. A variable that is set but empty counts as unset, because compose files create those.
 */
export function readEnvironment(environment: Environment): FoundValues {
  const found: Record<string, FoundValue> = {};
  for (const key of CONFIG_KEYS) {
    const variables = [environmentName(key), SETTINGS[key].variable ?? ""];
    const variable = variables.find((each) => (environment[each] ?? "") !== "");
    if (variable !== undefined) found[key] = { value: environment[variable], place: () => variable };
  }
  return found;
}

/**
 * Variables that look like ours but are unknown: probably typing errors. It skips the variables that
 * Kubernetes sets for a service named torpor.
 */
export function unknownVariables(environment: Environment): string[] {
  const known = new Set([...CONFIG_KEYS.map(environmentName), CONFIG_FILE_VARIABLE, REVISION_VARIABLE]);
  return Object.keys(environment).filter(
    (variable) =>
      variable.startsWith("TORPOR_") &&
      !known.has(variable) &&
      !/^TORPOR_(?:SERVICE|PORT)(?:_|$)/.test(variable),
  );
}
