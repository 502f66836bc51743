/** What takes long to make, and is kept for the next run: bare systems, versions of Node and npm, npm's cache. */
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Changes whenever the way in which something is made does, so that nothing old is taken for it. */
const EDITION = "1";
const PLACE = "/var/cache";

/** The folder of all of it. Whoever removes it loses time only. */
export function cacheFolder(): string {
  const folder = join(isWritable(PLACE) ? PLACE : tmpdir(), `torpor-fresh-${EDITION}`);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/**
 * The folder `name` of the cache, which `make` has filled, now or in an earlier run. It appears as a whole or not at all,
 * and of two that make it at once the first one's is taken.
 */
export async function madeOnce(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const target = join(cacheFolder(), name);
  if (existsSync(target)) return target;
  const work = mkdtempSync(join(cacheFolder(), "being-made-"));
  try {
    const folder = join(work, "it");
    mkdirSync(folder);
    await make(folder);
    try {
      renameSync(folder, target);
    } catch (error) {
      if (!existsSync(target)) throw error;
    }
    return target;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
