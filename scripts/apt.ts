/** Debian packages that tests need: installed where that is possible, and else a sentence that says why not. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

/** Package lists and about 70 MB of packages. Unit: milliseconds. */
const INSTALL_TIMEOUT_MS = 600_000;

/** Whether a program of this name is on the PATH. */
export function onPath(program: string): boolean {
  return (process.env.PATH ?? "").split(":").some((folder) => existsSync(join(folder, program)));
}

/** Whether there is a package of this name. */
export function aptKnows(name: string): boolean {
  return spawnSync("apt-cache", ["show", name], { stdio: "ignore" }).status === 0;
}

/**
 * Installs packages with apt-get, without starting the services in them.
 * @param what names what is missing then, as in "there is no Docker engine".
 * @returns a sentence if they cannot be installed.
 */
export function installPackages(packages: readonly string[], what: string): string | undefined {
  const missing = `There is no ${what}`;
  if (!onPath("apt-get")) return `${missing}, and no apt-get to install it with: install it.`;
  if (process.getuid?.() !== 0) {
    return `${missing}, and only root can install it: apt-get install ${packages.join(" ")}`;
  }
  console.log(`Installing ${packages.join(" and ")} with apt-get.`);
  for (const step of [
    ["update", "-qq"],
    ["install", "-y", "-qq", "--no-install-recommends", ...packages],
  ]) {
    const run = spawnSync("apt-get", step, {
      encoding: "utf8",
      // In runlevel 1 Debian's packages do not start their services.
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
      timeout: INSTALL_TIMEOUT_MS,
    });
    if (run.status !== 0) {
      return `apt-get ${step[0]} failed, so there is no ${what}: ${lastLines(`${run.stdout}${run.stderr}`)}`;
    }
  }
  return undefined;
}

/** The end of what a program printed. */
export function lastLines(text: string): string {
  return text.trim().split("\n").slice(-5).join("\n");
}
