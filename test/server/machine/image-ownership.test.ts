/** Whose the images of a directory are: claims of the living and of the dead, copies, and what one device's images cost others. */
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { formatTime } from "../../../src/device/format.ts";
import { imageFileSystem } from "../../../src/server/machine/image-file-system.ts";
import {
  brittleFiles,
  consume,
  imageStates,
  nextState,
  openImages,
  ownedState,
  ownImage,
  sealImage,
  systemError,
} from "../../support/image-files.ts";
import { patternOf } from "../../support/test-device.ts";

const root = mkdtempSync(join(tmpdir(), "torpor-image-owners-"));
afterAll(() => rmSync(root, { recursive: true }));

let count = 0;
let path: string;
beforeEach(() => {
  path = join(root, String(count++));
});

describe("a claim", () => {
  it("keeps all others from the image until it is given back, and says who has it since when", async () => {
    const directory = await openImages(path);
    const id = await sealImage(directory, patternOf(1, 100), "card0");
    await directory.own(ownedState(directory, "card0"));
    expect(await directory.claim(id, "card1")).toBe(1);
    const since = "2026-11-22T18:21:25.123Z";
    const attempts = [
      () => directory.claim(id, "card2"),
      () => directory.requireClaimable(id, "card2"),
      () => directory.delete(id),
    ];
    for (const attempt of attempts) {
      await expect(attempt()).rejects.toMatchObject({
        reason: "IMAGE_CLAIMED",
        message: `Image ${id} has been claimed by device card1 (daemon incarnation ${directory.incarnation}) since ${since}, and is being restored there.`,
        metadata: { image: id, device: "card1", incarnation: directory.incarnation, since },
      });
    }
    // What was claimed is claimed again by who has it, and each claim counts.
    expect(await directory.claim(id, "card1")).toBe(2);
    await directory.giveBack(id, "card1");
    await directory.giveBack(id, "card1");
    expect(await directory.claim(id, "card2")).toBe(3);
  });

  it("of a daemon that was there before this one is void", async () => {
    const dead = await openImages(path);
    const id = await sealImage(dead, patternOf(1, 100));
    await dead.claim(id, "card0");
    const next = await openImages(path);
    expect(await imageStates(next)).toEqual({ [id]: "SEALED" });
    expect(await next.claim(id, "card0")).toBe(2);
  });

  it("of a daemon that came after this one is not: of two that have no lock between them one gets the image", async () => {
    const id = await sealImage(await openImages(path), patternOf(1, 100));
    const [one, other] = [await openImages(path), await openImages(path)];
    const claims = await Promise.allSettled([one.claim(id, "card0"), other.claim(id, "card0")]);
    expect(claims.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    const loser = claims[0].status === "fulfilled" ? other : one;
    await expect(loser.claim(id, "card0")).rejects.toMatchObject({ reason: "IMAGE_CLAIMED" });
  });
});

describe("an image", () => {
  it("that was consumed does not come back as a copy of its file", async () => {
    const directory = await openImages(path);
    const id = await sealImage(directory, patternOf(1, 100));
    copyFileSync(join(path, `${id}.image`), join(root, "copy"));
    await consume(directory, id);
    copyFileSync(join(root, "copy"), join(path, `${id}.image`));
    expect(await imageStates(directory)).toEqual({ [id]: "CONSUMED" });
    await expect(directory.claim(id, "card0")).rejects.toMatchObject({ reason: "IMAGE_CONSUMED" });
    await directory.delete(id);
    expect(readdirSync(path)).toEqual([]);
  });

  it("of another device is neither consumed nor removed by what this one does", async () => {
    const directory = await openImages(path, { keepConsumed: 0, quotaBytes: 10_000 });
    const stranger = { device: "card0", uid: "a stranger", generation: 7, nextTransitionId: 1 };
    const foreign = await sealImage(directory, patternOf(9, 4000), "card0", stranger);
    await directory.own(ownedState(directory));
    for (let at = 0; at < 3; at++) await consume(directory, await sealImage(directory, patternOf(at, 100)));
    expect(await imageStates(directory)).toEqual({ [foreign]: "SEALED" });
    expect(await directory.others()).toEqual([foreign]);
  });

  it("is found by uid and generation at the next start, and no other is", async () => {
    const statesPath = join(root, "states.json");
    const first = await openImages(path, { statesPath });
    const own = await sealImage(first, patternOf(1, 100));
    const stranger = { ...nextState(first), uid: "a stranger" };
    const foreign = await sealImage(await openImages(path), patternOf(2, 100), "card0", stranger);
    const next = await openImages(path, { statesPath });
    expect(await ownImage(next)).toBe(own);
    await next.delete(own);
    const last = await openImages(path, { statesPath });
    expect(await ownImage(last)).toBeUndefined();
    expect(await imageStates(last)).toEqual({ [foreign]: "SEALED" });
  });
});

describe("what fails after an image was sealed", () => {
  it("is never told as a seal that failed", async () => {
    let sealed = false;
    const files = {
      ...brittleFiles((call) => {
        if (call === "rename") sealed = true;
      }),
      list: async (directory: string) => {
        if (sealed) throw systemError("EIO");
        return imageFileSystem.list(directory);
      },
    };
    const directory = await openImages(path, { files });
    const id = await sealImage(directory, patternOf(1, 100));
    expect(readdirSync(path)).toEqual([`${id}.image`]);
  });
});

it("times are told as ISO 8601 tells them", () => {
  for (const timeMs of [
    0,
    951_782_399_999,
    951_868_800_000,
    1_709_164_800_001,
    Date.UTC(2100, 1, 28),
    4_102_444_799_999,
  ]) {
    expect(formatTime(BigInt(timeMs) * 1_000_000n)).toBe(new Date(timeMs).toISOString());
  }
});
