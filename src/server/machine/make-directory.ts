/** Directories of the daemon. */
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { codeOf } from "./file-errors.ts";

/**
 * Makes a directory and its missing parents, for their owner alone. Leaves an existing one as it is. Node's
 * own `recursive` retries forever if the parent exists but nothing can be made in it, as in /proc.
 * @param path absolute
 * @throws Error of the file system if it cannot be made.
 */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await makeOne(path);
  } catch (error) {
    const above = dirname(path);
    if (codeOf(error) !== "ENOENT" || above === path) throw error;
    await makeDirectory(above);
    await makeOne(path);
  }
}

async function makeOne(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== "EEXIST" || !(await stat(path)).isDirectory()) throw error;
  }
}
