/** The images in the image directory, according to their file names. */
import { join } from "node:path";
import type { ImageState } from "../../device/mod.ts";
import type { ImageErrors } from "./image-errors.ts";
import type { FileFacts, ImageFileSystem } from "./image-file-system.ts";
import { type FileHolder, parseFileName } from "./image-names.ts";

export interface ImageEntry {
  readonly id: string;
  /** Name of its device. */
  readonly device: string;
  readonly state: ImageState;
  /** The last device that claimed or consumed it; undefined if none did. */
  readonly holder: FileHolder | undefined;
  readonly path: string;
  /** Other files with the same id. They are copies and are ignored. */
  readonly copies: readonly string[];
  /** When its writing began, as Unix time. */
  readonly timeMs: number;
  readonly facts: FileFacts;
}

/** A directory, and the means to look at it. */
export interface ImagePlace {
  readonly path: string;
  readonly files: ImageFileSystem;
  readonly errors: ImageErrors;
}

/**
 * Of several files with one id, the one in the latest state counts, so that a consumed image does not come
 * back as a copy.
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

/**
 * We never begin two images in the same millisecond, so one of them is foreign. The file that was written
 * last is newer.
 */
function byAge(a: ImageEntry, b: ImageEntry): number {
  if (a.timeMs !== b.timeMs) return a.timeMs - b.timeMs;
  return a.facts.modifiedNs < b.facts.modifiedNs ? -1 : 1;
}
