/**
 * Names of hibernation images: `card0-20261122t182125123z-9f86d081` is an image of card0, begun at that time.
 * The id is part of a file name and of a resource name. The suffix of the file gives the state of the image.
 * The last device that claimed or consumed it stands in between:
 * `ID.card1-20261123t070000000z-0123456789abcdef-2.claimed` was claimed for card1 at that time by the daemon
 * of that incarnation, as its second claim. So a single rename records everything, and two competing renames
 * cannot both succeed.
 */
import type { ImageHolder, ImageState } from "../../device/mod.ts";

/** The states of an image by file suffix. A partial file is not an image yet. */
export const SUFFIXES = {
  PARTIAL: ".partial",
  SEALED: ".image",
  CLAIMED: ".claimed",
  CONSUMED: ".consumed",
} as const satisfies Record<ImageState | "PARTIAL", string>;

export type FileState = keyof typeof SUFFIXES;

export interface ImageName {
  readonly id: string;
  readonly device: string;
  /** When its writing began, as Unix time. */
  readonly timeMs: number;
}

/** The last device that claimed or consumed an image. */
export interface FileHolder extends ImageHolder {
  /** How many times it had been claimed by then. */
  readonly claims: number;
}

export interface FileName extends ImageName {
  readonly state: FileState;
  /** Undefined for an image that nobody has claimed, or from an earlier version. */
  readonly holder: FileHolder | undefined;
}

const DEVICE_TIME = String.raw`([a-z][a-z0-9-]{0,62})-(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)(\d{3})z`;
const IMAGE_ID = new RegExp(`^${DEVICE_TIME}-[0-9a-f]{8}$`);
const HOLDER = new RegExp(`^${DEVICE_TIME}-([0-9a-f]{16})-([0-9]{1,9})$`);

/** @param tag eight hexadecimal digits that make the name unique. */
export function makeImageId(device: string, timeMs: number, tag: string): string {
  return `${device}-${timeText(timeMs)}-${tag}`;
}

export function fileNameOf(id: string, state: FileState, holder?: FileHolder): string {
  return `${id}${holder === undefined ? "" : `.${holderText(holder)}`}${SUFFIXES[state]}`;
}

/** Undefined for every name that we did not make. Such files are not ours. */
export function parseFileName(name: string): FileName | undefined {
  for (const [key, suffix] of Object.entries(SUFFIXES)) {
    if (!name.endsWith(suffix) || !isFileState(key)) continue;
    const [id = "", by, ...rest] = name.slice(0, -suffix.length).split(".");
    const parsed = parseImageId(id);
    const holder = by === undefined ? undefined : parseHolder(by);
    if (parsed === undefined || rest.length > 0 || (by !== undefined && holder === undefined)) continue;
    return { ...parsed, state: key, holder };
  }
  return undefined;
}

/** Undefined if it is not an id, because nothing else may become part of a path. */
export function parseImageId(id: string): ImageName | undefined {
  const [, device, ...time] = IMAGE_ID.exec(id) ?? [];
  const timeMs = parseTime(time);
  return device === undefined || Number.isNaN(timeMs) ? undefined : { id, device, timeMs };
}

function parseHolder(text: string): FileHolder | undefined {
  const [, device, ...rest] = HOLDER.exec(text) ?? [];
  const timeMs = parseTime(rest);
  const [incarnation, claims] = rest.slice(TIME_PARTS);
  if (device === undefined || incarnation === undefined || Number.isNaN(timeMs)) return undefined;
  return { device, incarnation, claims: Number(claims), timeNs: BigInt(timeMs) * 1_000_000n };
}

function holderText({ device, timeNs, incarnation, claims }: FileHolder): string {
  return `${device}-${timeText(Number(timeNs / 1_000_000n))}-${incarnation}-${claims}`;
}

function timeText(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/[-:.]/g, "").toLowerCase();
}

/** The year, month, day, hour, minute, second and milliseconds of a time. */
const TIME_PARTS = 7;

function parseTime([year, month, day, hour, minute, second, ms]: readonly (string | undefined)[]): number {
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`);
}

function isFileState(key: string): key is FileState {
  return Object.hasOwn(SUFFIXES, key);
}
