/** Images of others: those that the engine has, or can pull. */
import { spawnSync } from "node:child_process";

/** Some hundred MB over a slow line. Unit: milliseconds. */
const PULL_TIMEOUT_MS = 300_000;

/** Whether the engine has an image now. */
export function hasImage(image: string): boolean {
  return docker("image", "inspect", image);
}

/** Whether the engine has an image, or has pulled it now. */
export function canHave(image: string): boolean {
  return hasImage(image) || docker("pull", "--quiet", image);
}

function docker(...args: readonly string[]): boolean {
  return spawnSync("docker", args, { stdio: "ignore", timeout: PULL_TIMEOUT_MS }).status === 0;
}
