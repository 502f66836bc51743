/**
 * Names of hibernation images: `card0-20261122t182125123z-9f86d081` is of card0, begun at that time. The id is part of
 * a file's name and of a resource name; a suffix says how far the file is.
 */
import type { ImageState } from "../../device/mod.ts";

/** How far a file is, by its suffix. A partial one is none yet. */
export const SUFFIXES = {
  PARTIAL: ".partial",
  SEALED: ".image",
  CONSUMED: ".consumed",
} as const satisfies Record<ImageState | "PARTIAL", string>;

export type FileState = keyof typeof SUFFIXES;

export interface ImageName {
  readonly id: string;
  readonly device: string;
  /** When it was begun, as Unix time. */
  readonly timeMs: number;
}

/** @param tag eight hexadecimal digits, so that no two are the same. */
export function makeImageId(device: string, timeMs: number, tag: string): string {
  const time = new Date(timeMs).toISOString().replace(/[-:.]/g, "").toLowerCase();
  return `${device}-${time}-${tag}`;
}

export function fileNameOf(id: string, state: FileState): string {
  return `${id}${SUFFIXES[state]}`;
}

/** Undefined for every name that we did not make: such files are none of ours. */
export function parseFileName(name: string): (ImageName & { readonly state: FileState }) | undefined {
  for (const [key, suffix] of Object.entries(SUFFIXES)) {
    const parsed = name.endsWith(suffix) ? parseImageId(name.slice(0, -suffix.length)) : undefined;
    if (parsed !== undefined && isFileState(key)) return { ...parsed, state: key };
  }
  return undefined;
}

/** Undefined for what is no id: nothing else becomes part of a path. */
export function parseImageId(id: string): ImageName | undefined {
  const [, device, year, month, day, hour, minute, second, ms] =
    /^([a-z][a-z0-9-]{0,62})-(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)(\d{3})z-[0-9a-f]{8}$/.exec(id) ?? [];
  if (device === undefined) return undefined;
  const timeMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`);
  return Number.isNaN(timeMs) ? undefined : { id, device, timeMs };
}

function isFileState(key: string): key is FileState {
  return Object.hasOwn(SUFFIXES, key);
}
