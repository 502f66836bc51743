/** The images that lie in the image directory, as their names and files say. */
import { join } from "node:path";
import type { ImageRecord } from "./image-catalogue.ts";
import type { ImageErrors } from "./image-errors.ts";
import type { FileFacts, ImageFileSystem } from "./image-file-system.ts";
import { parseFileName } from "./image-names.ts";

export interface ImageEntry extends ImageRecord {
  readonly path: string;
  /** When it was begun, as Unix time. */
  readonly timeMs: number;
  readonly facts: FileFacts;
}

/** A directory, and how to look at it. */
export interface ImagePlace {
  readonly path: string;
  readonly files: ImageFileSystem;
  readonly errors: ImageErrors;
}

/** Every image, sealed or consumed, oldest first. @throws DeviceError COPY_FAILED */
export async function readImageEntries({ path, files, errors }: ImagePlace): Promise<readonly ImageEntry[]> {
  const names = await errors.guard(path, "listed", () => files.list(path));
  const entries: ImageEntry[] = [];
  for (const name of names) {
    const parsed = parseFileName(name);
    if (parsed === undefined || parsed.state === "PARTIAL") continue;
    const filePath = join(path, name);
    const facts = await errors.guard(filePath, "looked at", () => files.stat(filePath));
    if (facts === undefined) continue;
    const { id, device, timeMs, state } = parsed;
    const createTimeNs = BigInt(timeMs) * 1_000_000n;
    entries.push({
      id,
      device,
      timeMs,
      state,
      path: filePath,
      facts,
      createTimeNs,
      sizeBytes: facts.sizeBytes,
    });
  }
  return entries.sort(byAge);
}

/** Two that were begun in the same millisecond are not both ours; the file written last is the newer one. */
function byAge(a: ImageEntry, b: ImageEntry): number {
  if (a.timeMs !== b.timeMs) return a.timeMs - b.timeMs;
  return a.facts.modifiedNs < b.facts.modifiedNs ? -1 : 1;
}
