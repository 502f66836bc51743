/** Makes sure that bare Debian systems can be made here, for the tests that need a machine where nothing is installed. */
import { spawnSync } from "node:child_process";
import { installPackages, lastLines, onPath } from "./apt.ts";

const WHAT = "debootstrap";

/** @returns a whole sentence that says why none can be made. */
export function ensureDebootstrap(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    return "Bare Debian systems can be made by root on Linux only.";
  }
  const obstacle = onPath(WHAT) ? undefined : installPackages([WHAT], WHAT);
  if (obstacle !== undefined) return obstacle;
  // A container without the right to mount cannot give such a system its /proc and /dev.
  const mount = spawnSync("unshare", ["--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt"], {
    encoding: "utf8",
  });
  if (mount.status === 0) return undefined;
  return `Nothing may be mounted here, so no bare Debian system can be entered: ${lastLines(mount.stderr)}`;
}
