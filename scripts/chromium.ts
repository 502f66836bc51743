/** Makes sure that there is a Chromium: the one on the PATH, or Debian's package, installed here as root. */
import { installPackages, onPath } from "./apt.ts";

/** @returns a whole sentence that says why there is none. */
export function ensureChromium(): string | undefined {
  return onPath("chromium") ? undefined : installPackages(["chromium"], "Chromium");
}
