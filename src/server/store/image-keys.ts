/**
 * Keys of images and of records of ownership. An image's key says whose state it holds and who wrote it, so
 * that a listing tells everything, and so that only one process ever writes a key:
 * `images/ID/UID.GENERATION.HOST.INCARNATION`.
 */

import { parseImageId } from "../machine/image-names.ts";
import type { ListedObject } from "./bucket.ts";

/** A daemon that writes to the bucket. */
export interface Writer {
  /** Stays the same as long as the data directory does: sixteen hexadecimal digits. */
  readonly host: string;
  /** Differs at each start: sixteen hexadecimal digits. */
  readonly incarnation: string;
}

/** What the key of an image says. */
export interface ImageKey extends Writer {
  readonly key: string;
  readonly id: string;
  /** Name of its device. */
  readonly device: string;
  readonly uid: string;
  readonly generation: number;
  /** When its writing began, as Unix time. */
  readonly timeMs: number;
}

export interface ListedImage extends ImageKey {
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

export const IMAGES = "images/";

export function ownerKey(uid: string): string {
  return `devices/${uid}/owner`;
}

export function imageKey(of: Omit<ImageKey, "key" | "device" | "timeMs">): string {
  return `${IMAGES}${of.id}/${of.uid}.${of.generation}.${of.host}.${of.incarnation}`;
}

const KEY = /^images\/([a-z0-9-]+)\/([0-9a-zA-Z-]{1,64})\.(\d{1,15})\.([0-9a-f]{16})\.([0-9a-f]{16})$/;

/** Undefined for every key that we did not make. Such objects are not ours. */
export function parseImageKey(key: string): ImageKey | undefined {
  const [, id, uid, generation, host, incarnation] = KEY.exec(key) ?? [];
  const name = id === undefined ? undefined : parseImageId(id);
  if (name === undefined || uid === undefined || host === undefined || incarnation === undefined) {
    return undefined;
  }
  return { ...name, key, uid, generation: Number(generation), host, incarnation };
}

/** Those of our images. */
export function imagesAmong(objects: readonly ListedObject[]): readonly ListedImage[] {
  return objects.flatMap(({ key, sizeBytes, modifiedMs }) => {
    const parsed = parseImageKey(key);
    return parsed === undefined ? [] : [{ ...parsed, sizeBytes, modifiedMs }];
  });
}
