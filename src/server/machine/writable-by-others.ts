/** Checks whether anyone but the daemon's user may change a file or directory that the daemon trusts. */
import { stat } from "node:fs/promises";
import { dirname } from "node:path";

const GROUP_WRITES = 0o020;
const WORLD_WRITES = 0o002;
const STICKY = 0o1000;

/**
 * Says who else may write to `path` or replace it. The process's own groups do not count, because
 * orchestrators share volumes with a pod through them.
 * @returns a whole sentence, or undefined if nobody else can
 * @throws Error of the file system if it cannot be checked
 */
export async function writableByOthers(what: string, path: string): Promise<string | undefined> {
  const who = writersOf(await stat(path));
  if (who !== undefined)
    return `The ${what} ${path} can be changed by ${who}: take the write permission away.`;
  const folder = dirname(path);
  const above = await stat(folder);
  if ((above.mode & WORLD_WRITES) === 0 || (above.mode & STICKY) !== 0) return undefined;
  return `The ${what} ${path} can be replaced by every user, who may write to ${folder}: move it.`;
}

function writersOf({ mode, gid }: { readonly mode: number; readonly gid: number }): string | undefined {
  if ((mode & WORLD_WRITES) !== 0) return "every user";
  const isForeignGroup = gid !== process.getegid?.() && process.getgroups?.().includes(gid) === false;
  return (mode & GROUP_WRITES) !== 0 && isForeignGroup ? `group ${gid}` : undefined;
}
