/** The setting `failpoints`: entries of failpoint-spec.ts, as a list or as one text with semicolons. */

import type { Reader } from "./base-readers.ts";
import { type FailpointSpec, parseFailpoint } from "./failpoint-spec.ts";

/** Reads the entries. Each failpoint may occur only once. */
export function failpointSpecs(): Reader<readonly FailpointSpec[]> {
  return (value, refuse) => {
    const specs = new Map<string, FailpointSpec>();
    for (const part of Array.isArray(value) ? value : [value]) {
      if (typeof part !== "string") return refuse("is not a list of entries, such as evict.object=error.");
      for (const entry of part.split(";").map((text) => text.trim())) {
        if (entry === "") continue;
        const spec = parseFailpoint(entry);
        if ("problem" in spec) return refuse(`has a wrong entry, ${entry}: ${spec.problem}.`);
        if (specs.has(spec.name)) return refuse(`has two entries for ${spec.name}; the second is ${entry}.`);
        specs.set(spec.name, spec);
      }
    }
    return [...specs.values()];
  };
}

/** The faults of the entries in combination with the other settings. */
export function failpointsProblemOf(settings: {
  readonly failpoints: readonly FailpointSpec[];
  readonly enableFaults: boolean;
  readonly device: readonly string[];
}): string | undefined {
  if (settings.failpoints.length === 0) return undefined;
  if (!settings.enableFaults) {
    return "needs faults to be enabled: say so with --enable-faults, TORPOR_ENABLE_FAULTS or enableFaults.";
  }
  const stray = settings.failpoints.find(
    ({ arming }) => arming.device !== "" && !settings.device.includes(arming.device),
  );
  if (stray === undefined) return undefined;
  return `has a wrong entry, ${stray.text}: there is no device ${stray.arming.device}.`;
}
