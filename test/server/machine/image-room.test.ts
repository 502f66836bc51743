/** Room for images, and the images as the wires show them. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { imageFileSystem } from "../../../src/server/machine/image-file-system.ts";
import {
  consume,
  FACTS,
  imageStates,
  NOW,
  nextState,
  openImages,
  sealImage,
} from "../../support/image-files.ts";
import { patternOf } from "../../support/test-device.ts";

const root = mkdtempSync(join(tmpdir(), "torpor-image-room-"));
afterAll(() => rmSync(root, { recursive: true }));

let count = 0;
let path: string;
beforeEach(() => {
  path = join(root, String(count++));
});

describe("room", () => {
  it("is looked for before the first byte, within the quota, and consumed images make way, oldest first", async () => {
    const directory = await openImages(path, { quotaBytes: 3000, keepConsumed: 5 });
    const first = await sealImage(directory, patternOf(1, 1000));
    const second = await sealImage(directory, patternOf(2, 1000));
    const third = await sealImage(directory, patternOf(3, 500));
    const draft = await directory.create(nextState(directory), 1500);
    expect(Object.keys(await imageStates(directory))).toEqual([second, third]);
    await draft.abandon();
    await consume(directory, third);
    expect(await directory.usage()).toEqual({ images: 2, bytes: 1500, freeBytes: 1500 });
    await expect(directory.create(nextState(directory), 3001)).rejects.toMatchObject({
      reason: "IMAGE_STORE_FULL",
      message: `The image (up to 3001 bytes) is larger than the 3000 bytes that the quota leaves in ${path} once all consumed images are removed.`,
    });
    // None was removed in vain.
    expect(await imageStates(directory)).toEqual({ [second]: "CONSUMED", [third]: "CONSUMED" });
    expect(first).not.toBe(second);
  });

  it("is never made of sealed images", async () => {
    const directory = await openImages(path, { quotaBytes: 1500 });
    await sealImage(directory, patternOf(1, 1000));
    await expect(directory.create(nextState(directory, "card1"), 600)).rejects.toMatchObject({
      reason: "IMAGE_STORE_FULL",
    });
  });

  it("that one image was promised is not another's, until it is given up", async () => {
    const directory = await openImages(path, { quotaBytes: 1000 });
    const [first, second] = await Promise.allSettled([
      directory.create(nextState(directory), 600),
      directory.create(nextState(directory, "card1"), 600),
    ]);
    expect(second).toMatchObject({ status: "rejected", reason: { reason: "IMAGE_STORE_FULL" } });
    if (first.status === "fulfilled") await first.value.abandon();
    await (await directory.create(nextState(directory, "card1"), 600)).abandon();
  });

  it("is that of the disk, less what is promised and not yet written", async () => {
    const freeBytes = async () => 1000;
    const directory = await openImages(path, { files: { ...imageFileSystem, freeBytes } });
    const draft = await directory.create(nextState(directory), 600);
    await expect(directory.create(nextState(directory, "card1"), 500)).rejects.toThrow(
      `the 400 bytes that are free in ${path}`,
    );
    await draft.write(0, new Uint8Array(200));
    const other = await directory.create(nextState(directory, "card1"), 600);
    expect(await directory.usage()).toMatchObject({ freeBytes: 0 });
    await draft.abandon();
    await other.abandon();
  });

  it("is unlimited where the file system does not say", async () => {
    const directory = await openImages(path, {
      files: { ...imageFileSystem, freeBytes: async () => undefined },
    });
    await (await directory.create(nextState(directory), 2 ** 50)).abandon();
    expect(await directory.usage()).toEqual({ images: 0, bytes: 0, freeBytes: undefined });
  });

  it.each([0, 1, 2])(
    "is given back by all but the newest %d consumed images of a device",
    async (keepConsumed) => {
      const directory = await openImages(path, { keepConsumed });
      const ids: string[] = [];
      for (let at = 0; at < 4; at++) {
        const id = await sealImage(directory, patternOf(at, 100));
        await consume(directory, id);
        ids.push(id);
      }
      expect(Object.keys(await imageStates(directory))).toEqual(ids.slice(4 - keepConsumed));
    },
  );
});

describe("the catalogue", () => {
  it("shows images with what their content says, and deletes them", async () => {
    const directory = await openImages(path);
    const id = await sealImage(directory, Uint8Array.of(1, 2, 3, 4));
    expect(await directory.get(id)).toMatchObject({
      id,
      device: "card0",
      state: "SEALED",
      createTimeNs: BigInt(NOW) * 1_000_000n,
      sizeBytes: 4,
    });
    const facts = await directory.describe(id);
    expect(facts).toMatchObject({ formatVersion: FACTS.formatVersion, generation: 1 });
    await consume(directory, id);
    expect(await directory.describe(id)).toEqual(facts);
    await directory.delete(id);
    expect(readdirSync(path)).toEqual([]);
    expect(await directory.describe(id)).toBeUndefined();
    await expect(directory.get(id)).rejects.toMatchObject({ reason: "IMAGE_NOT_FOUND" });
  });

  it("shows an image that cannot be read by its file", async () => {
    const directory = await openImages(path);
    const id = await sealImage(directory, new Uint8Array(4));
    expect(await directory.describe(id)).toBeUndefined();
    expect(await directory.list()).toMatchObject([{ id, sizeBytes: 4 }]);
  });

  it("tells the observer every byte that is written and read", async () => {
    const bytes = { written: 0, read: 0 };
    const directory = await openImages(path, {
      observer: {
        onWrite(count) {
          bytes.written += count;
        },
        onRead(count) {
          bytes.read += count;
        },
      },
    });
    const file = await directory.open(await sealImage(directory, patternOf(1, 1000)));
    await file.read(0, new Uint8Array(1000));
    await file.close();
    expect(bytes).toEqual({ written: 1000, read: 1000 });
  });
});
