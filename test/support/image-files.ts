/** Image directories for tests, and their file system made to fail: at one call, or from one call on, as a kill would. */
import { DeviceError, type ImagedState, type OwnedState } from "../../src/device/mod.ts";
import type { ImageFacts } from "../../src/server/machine/image-catalogue.ts";
import { ImageDirectory, type ImageDirectoryOptions } from "../../src/server/machine/image-directory.ts";
import { type ImageFileSystem, imageFileSystem } from "../../src/server/machine/image-file-system.ts";
import { hashOf } from "./test-device.ts";

/** An error as the system gives it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: a test said so`), { code });
}

/**
 * The real one, but `before` is asked first at each call that changes something: writes, syncs, renames, removals. What
 * it throws, the call fails with, and does nothing.
 */
export function brittleFiles(before: (call: string) => void): ImageFileSystem {
  return {
    ...imageFileSystem,
    async create(path) {
      before("create");
      const file = await imageFileSystem.create(path);
      return {
        read: (...where) => file.read(...where),
        async write(...where) {
          before("write");
          return file.write(...where);
        },
        async datasync() {
          before("datasync");
          return file.datasync();
        },
        close: () => file.close(),
      };
    },
    async rename(from, to) {
      before("rename");
      return imageFileSystem.rename(from, to);
    },
    async remove(path) {
      before("remove");
      return imageFileSystem.remove(path);
    },
    async syncDirectory(path) {
      before("syncDirectory");
      return imageFileSystem.syncDirectory(path);
    },
  };
}

/** When every image is begun, unless a test says otherwise. */
export const NOW = Date.UTC(2026, 10, 22, 18, 21, 25, 123);
/** What every image says of itself whose first byte is not 0, unless a test sealed it for a device. */
export const FACTS: ImageFacts = {
  formatVersion: "1.0",
  deviceUid: "someone",
  generation: 1,
  cause: "client",
  nextTransitionId: 1,
  hybrid: false,
  codec: 0,
  objects: 1,
  contentBytes: 4,
};

/** What the images say that tests sealed, by the hash of their bytes. */
const sealed = new Map<string, ImageFacts>();
/** How many images were begun of each device in each directory: each is of another generation. */
const generations = new Map<string, number>();

/** The state of a device that has been resumed from every image before. */
export function nextState(directory: ImageDirectory, device = "card0"): ImagedState {
  const key = `${directory.path} ${device}`;
  const generation = (generations.get(key) ?? 0) + 1;
  generations.set(key, generation);
  return { device, uid: `uid of ${key}`, generation, nextTransitionId: 2 * generation };
}

/** The state that a device has after it was resumed. */
export function ownedState(directory: ImageDirectory, device = "card0"): OwnedState {
  const key = `${directory.path} ${device}`;
  return { device, uid: `uid of ${key}`, generation: (generations.get(key) ?? 0) + 1 };
}

export function openImages(
  path: string,
  changes: Partial<ImageDirectoryOptions> = {},
): Promise<ImageDirectory> {
  return ImageDirectory.open({
    path,
    quotaBytes: undefined,
    keepConsumed: 1,
    now: () => NOW,
    async describe(file) {
      const bytes = new Uint8Array(file.sizeBytes);
      await file.read(0, bytes);
      if (bytes[0] === 0) throw new DeviceError("IMAGE_CORRUPT", "It is no image.");
      return sealed.get(hashOf(bytes)) ?? FACTS;
    },
    ...changes,
  });
}

/** Seals an image of `bytes`. Answers its id. */
export async function sealImage(
  directory: ImageDirectory,
  bytes: Uint8Array,
  device = "card0",
  state: ImagedState = nextState(directory, device),
): Promise<string> {
  const { uid: deviceUid, generation, nextTransitionId } = state;
  sealed.set(hashOf(bytes), { ...FACTS, deviceUid, generation, nextTransitionId });
  const draft = await directory.create(state, bytes.length);
  try {
    await draft.write(0, bytes);
    await draft.seal();
  } finally {
    // As the system does for a process that was killed.
    await draft.close();
  }
  return draft.id;
}

/** The image that a device of this name begins with; undefined when there is none. */
export async function ownImage(directory: ImageDirectory, device = "card0"): Promise<string | undefined> {
  return (await directory.findOwn(device))?.image;
}

/** Marks an image consumed, as its device does. */
export function consume(directory: ImageDirectory, id: string, device = "card0"): Promise<void> {
  return directory.commit(id, ownedState(directory, device));
}

/** How far each image is, by id. */
export async function imageStates(directory: ImageDirectory): Promise<Record<string, string>> {
  return Object.fromEntries((await directory.list()).map(({ id, state }) => [id, state]));
}
