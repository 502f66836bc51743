/**
 * The name of this host in a store that many hosts share: a random one, kept in the data directory. Whoever
 * holds the lock of that directory knows that all earlier daemons of this name are dead.
 */
import { randomBytes } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "./file-errors.ts";
import { StartError } from "./start-error.ts";

/** @returns sixteen hexadecimal digits @throws StartError if the file cannot be read or made */
export async function readHostId(directory: string): Promise<string> {
  const path = join(directory, "host-id");
  try {
    const text = (await readIfAny(path))?.trim();
    if (text === undefined) return await makeHostId(path);
    if (/^[0-9a-f]{16}$/.test(text)) return text;
    throw new Error("it does not hold sixteen hexadecimal digits");
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
    throw new StartError(
      `File ${path}, the name of this host in the store of images, cannot be used: ${why}.`,
      {
        cause: error,
      },
    );
  }
}

async function makeHostId(path: string): Promise<string> {
  const id = randomBytes(8).toString("hex");
  await writeFile(`${path}.partial`, `${id}\n`, { mode: 0o600, flush: true });
  await rename(`${path}.partial`, path);
  return id;
}

async function readIfAny(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
