/**
 * The YAML library, which is loaded when there is YAML to be read or written: most daemons are started
 * without.
 */
import { createRequire } from "node:module";

const load = createRequire(import.meta.url);

export function yaml(): typeof import("yaml") {
  return load("yaml");
}
