/** What this daemon was built from. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { REVISION_VARIABLE } from "../config/environment.ts";

export interface BuildInfo {
  readonly version: string;
  /** The source revision; empty when nobody said. */
  readonly revision: string;
}

/**
 * Reads the version from package.json, which is two levels up from the sources and from what is built of
 * them.
 */
export function readBuildInfo(environment: Readonly<Record<string, string | undefined>>): BuildInfo {
  const text = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
  const { version }: { readonly version?: unknown } = JSON.parse(text);
  assert(typeof version === "string", "package.json has a version");
  return { version, revision: environment[REVISION_VARIABLE] ?? "" };
}
