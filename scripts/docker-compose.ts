/** The compose that this machine has: `docker compose` v2, or docker-compose 1.29, Debian's package, which is installed. */
import { spawnSync } from "node:child_process";
import { aptKnows, installPackages, onPath } from "./apt.ts";

/** How compose is called, or a whole sentence that says why it cannot be. */
export type ComposeCommand =
  | { readonly available: true; readonly command: readonly [string, ...string[]] }
  | { readonly available: false; readonly reason: string };

const PLUGIN = ["docker", "compose"] as const;
const PACKAGE = "docker-compose";
/** Asking a version takes no engine. Unit: milliseconds. */
const VERSION_TIMEOUT_MS = 30_000;

/** Finds compose, or installs it where root may. */
export function ensureCompose(): ComposeCommand {
  const plugin = spawnSync(PLUGIN[0], [PLUGIN[1], "version"], {
    stdio: "ignore",
    timeout: VERSION_TIMEOUT_MS,
  });
  if (plugin.status === 0) return { available: true, command: PLUGIN };
  if (!onPath(PACKAGE)) {
    if (!aptKnows(PACKAGE))
      return { available: false, reason: "There is neither docker compose nor docker-compose." };
    const obstacle = installPackages([PACKAGE], "docker-compose");
    if (obstacle !== undefined) return { available: false, reason: obstacle };
  }
  return { available: true, command: [PACKAGE] };
}
