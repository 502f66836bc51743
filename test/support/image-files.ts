/** Image directories for tests, and their file system made to fail: at one call, or from one call on, as a kill would. */
import { DeviceError } from "../../src/device/mod.ts";
import { ImageDirectory, type ImageDirectoryOptions } from "../../src/server/machine/image-directory.ts";
import { type ImageFileSystem, imageFileSystem } from "../../src/server/machine/image-file-system.ts";

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
/** What every image says of itself whose first byte is not 0. */
export const FACTS = { formatVersion: "1.0", hybrid: false, codec: 0, objects: 1, contentBytes: 4 };

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
      const magic = new Uint8Array(1);
      await file.read(0, magic);
      if (magic[0] === 0) throw new DeviceError("IMAGE_CORRUPT", "It is no image.");
      return FACTS;
    },
    ...changes,
  });
}

/** Seals an image of `bytes`. Answers its id. */
export async function sealImage(
  directory: ImageDirectory,
  bytes: Uint8Array,
  device = "card0",
): Promise<string> {
  const draft = await directory.create(device, bytes.length);
  try {
    await draft.write(0, bytes);
    await draft.seal();
  } finally {
    // As the system does for a process that was killed.
    await draft.close();
  }
  return draft.id;
}

/** How far each image is, by id. */
export async function imageStates(directory: ImageDirectory): Promise<Record<string, string>> {
  return Object.fromEntries((await directory.list()).map(({ id, state }) => [id, state]));
}
