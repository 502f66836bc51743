/** The version and source revision of this daemon. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { REVISION_VARIABLE } from "../config/environment.ts";

export interface BuildInfo {
  readonly version: string;
  /** The source revision; empty if unknown. */
  readonly revision: string;
}

/** Reads the version from package.json, two levels above both the sources and the build. */
export function readBuildInfo(environment: Readonly<Record<string, string | undefined>>): BuildInfo {
  const text = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
  const { version }: { readonly version?: unknown } = JSON.parse(text);
  assert(typeof version === "string", "package.json has a version");
  return { version, revision: environment[REVISION_VARIABLE] ?? "" };
}
