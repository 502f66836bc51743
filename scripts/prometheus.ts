/** Makes sure that there are prometheus and promtool: those on the PATH, or Debian's package, installed here as root. */
import { installPackages, onPath } from "./apt.ts";

/** @returns a whole sentence that says why there is none. */
export function ensurePrometheus(): string | undefined {
  const missing = ["prometheus", "promtool"].filter((program) => !onPath(program));
  return missing.length === 0 ? undefined : installPackages(["prometheus"], "Prometheus");
}
