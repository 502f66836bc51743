/** The images that lie in the image directory, as their names and files say. */
import { join } from "node:path";
import type { ImageState } from "../../device/mod.ts";
import type { ImageErrors } from "./image-errors.ts";
import type { FileFacts, ImageFileSystem } from "./image-file-system.ts";
import { type FileHolder, parseFileName } from "./image-names.ts";

export interface ImageEntry {
  readonly id: string;
  /** Name of the device that it is of. */
  readonly device: string;
  readonly state: ImageState;
  /** Who claimed or consumed it last; undefined for one that nobody has. */
  readonly holder: FileHolder | undefined;
  readonly path: string;
  /** Of other files with the same id: copies, which count for nothing. */
  readonly copies: readonly string[];
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

/**
 * Of several files with one id the one that is furthest counts: what was consumed does not come back as a
 * copy.
 */
const RANK: Readonly<Record<ImageState, number>> = { SEALED: 0, CLAIMED: 1, CONSUMED: 2 };

/** Every image, oldest first. @throws DeviceError COPY_FAILED */
export async function readImageEntries({ path, files, errors }: ImagePlace): Promise<readonly ImageEntry[]> {
  const names = await errors.guard(path, "listed", () => files.list(path));
  const entries = new Map<string, ImageEntry>();
  for (const name of names) {
    const parsed = parseFileName(name);
    if (parsed === undefined || parsed.state === "PARTIAL") continue;
    const filePath = join(path, name);
    const facts = await errors.guard(filePath, "looked at", () => files.stat(filePath));
    if (facts === undefined) continue;
    const { id, device, timeMs, state, holder } = parsed;
    const found: ImageEntry = { id, device, state, holder, path: filePath, copies: [], timeMs, facts };
    entries.set(id, further(found, entries.get(id)));
  }
  return [...entries.values()].sort(byAge);
}

function further(a: ImageEntry, b: ImageEntry | undefined): ImageEntry {
  if (b === undefined) return a;
  const [first, second] = isFurther(a, b) ? [a, b] : [b, a];
  return { ...first, copies: [...first.copies, second.path, ...second.copies] };
}

function isFurther(a: ImageEntry, b: ImageEntry): boolean {
  if (a.state !== b.state) return RANK[a.state] > RANK[b.state];
  return (a.holder?.claims ?? 0) > (b.holder?.claims ?? 0);
}

/** Two that were begun in the same millisecond are not both ours; the file written last is the newer one. */
function byAge(a: ImageEntry, b: ImageEntry): number {
  if (a.timeMs !== b.timeMs) return a.timeMs - b.timeMs;
  return a.facts.modifiedNs < b.facts.modifiedNs ? -1 : 1;
}
