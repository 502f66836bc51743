/** The YAML library, loaded only to read or write YAML, because most daemons start without any. */
import { createRequire } from "node:module";

const load = createRequire(import.meta.url);

export function yaml(): typeof import("yaml") {
  return load("yaml");
}
