import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import type { ImageDirectory } from "../../../src/server/machine/image-directory.ts";
import {
  brittleFiles,
  consume,
  imageStates,
  NOW,
  nextState,
  openImages,
  ownImage,
  sealImage,
  systemError,
} from "../../support/image-files.ts";
import { patternOf } from "../../support/test-device.ts";

const root = mkdtempSync(join(tmpdir(), "torpor-images-"));
afterAll(() => rmSync(root, { recursive: true }));

let count = 0;
let path: string;
beforeEach(() => {
  path = join(root, String(count++));
});

async function contentOf(directory: ImageDirectory, id: string): Promise<Uint8Array> {
  const file = await directory.open(id);
  const bytes = new Uint8Array(file.sizeBytes);
  await file.read(0, bytes);
  await file.close();
  return bytes;
}

function filesIn(): string[] {
  return existsSync(path) ? readdirSync(path).sort() : [];
}

describe("an image", () => {
  it("is written by position, sealed, and read back", async () => {
    const directory = await openImages(path);
    const bytes = patternOf(1, 300_000);
    const draft = await directory.create(nextState(directory), bytes.length);
    expect(draft.id).toMatch(/^card0-20261122t182125123z-[0-9a-f]{8}$/);
    expect(filesIn()).toEqual([`${draft.id}.partial`]);
    await draft.write(100_000, bytes.subarray(100_000));
    await draft.write(0, bytes.subarray(0, 100_000));
    const back = new Uint8Array(10);
    await draft.read(99_995, back);
    expect(back).toEqual(bytes.slice(99_995, 100_005));
    expect(await ownImage(directory)).toBeUndefined();
    expect(await directory.list()).toEqual([]);
    await draft.sync();
    await draft.seal();
    expect(filesIn()).toEqual([`${draft.id}.image`]);
    expect(statSync(join(path, `${draft.id}.image`)).mode & 0o777).toBe(0o600);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(await ownImage(directory)).toBe(draft.id);
    expect(await ownImage(directory, "card1")).toBeUndefined();
    expect(await contentOf(directory, draft.id)).toEqual(bytes);
  });

  it("is made durable again before it is sealed if something was written since, and not otherwise", async () => {
    const calls: string[] = [];
    const directory = await openImages(path, { files: brittleFiles((call) => void calls.push(call)) });
    const draft = await directory.create(nextState(directory), 200);
    await draft.write(0, new Uint8Array(100));
    await draft.sync();
    await draft.write(100, new Uint8Array(100));
    await draft.seal();
    const other = await directory.create(nextState(directory, "card0-b"), 100);
    await other.write(0, new Uint8Array(100));
    await other.sync();
    await other.seal();
    expect(calls.filter((call) => call !== "syncDirectory")).toEqual([
      ...["create", "write", "datasync", "write", "datasync", "rename"],
      ...["create", "write", "datasync", "rename"],
    ]);
  });

  it("is made durable at the seal also when an attempt before had failed", async () => {
    let syncs = 0;
    const files = brittleFiles((call) => {
      if (call === "datasync" && ++syncs === 1) throw systemError("EIO");
    });
    const directory = await openImages(path, { files });
    const draft = await directory.create(nextState(directory), 100);
    await draft.write(0, new Uint8Array(100));
    await expect(draft.sync()).rejects.toMatchObject({ reason: "COPY_FAILED" });
    await draft.seal();
    expect(syncs).toBe(2);
  });

  it("that is given up leaves nothing, whatever went before", async () => {
    const directory = await openImages(path);
    const draft = await directory.create(nextState(directory), 100);
    await draft.write(0, new Uint8Array(100));
    await draft.abandon();
    const sealed = await directory.create(nextState(directory), 100);
    await sealed.seal();
    await sealed.abandon();
    expect(filesIn()).toEqual([]);
  });

  it("takes the place of the one before, which is consumed", async () => {
    const directory = await openImages(path);
    const first = await sealImage(directory, patternOf(1, 100));
    const second = await sealImage(directory, patternOf(2, 100));
    const other = await sealImage(directory, patternOf(3, 100), "card0-b");
    expect(await imageStates(directory)).toEqual({
      [first]: "CONSUMED",
      [second]: "SEALED",
      [other]: "SEALED",
    });
  });

  it("is the newest even when the clock was set back", async () => {
    let now = NOW;
    const directory = await openImages(path, { now: () => now });
    await sealImage(directory, patternOf(1, 100));
    now -= 3_600_000;
    const second = await sealImage(directory, patternOf(2, 100));
    expect(await ownImage(directory)).toBe(second);
  });

  it("is consumed durably and once, and cannot be opened then", async () => {
    const calls: string[] = [];
    const directory = await openImages(path, { files: brittleFiles((call) => void calls.push(call)) });
    const id = await sealImage(directory, patternOf(1, 100));
    calls.length = 0;
    await consume(directory, id);
    expect(calls).toEqual(["rename", "syncDirectory"]);
    await consume(directory, id);
    expect(filesIn()).toEqual([`${id}.card0-20261122t182125123z-${directory.incarnation}-0.consumed`]);
    const consumed = {
      reason: "IMAGE_CONSUMED",
      message: `Image ${id} was consumed by device card0 (daemon incarnation ${directory.incarnation}) at 2026-11-22T18:21:25.123Z; an image is resumed from once.`,
    };
    await expect(directory.open(id)).rejects.toMatchObject(consumed);
    await expect(directory.claim(id, "card0")).rejects.toMatchObject(consumed);
    expect(await ownImage(directory)).toBeUndefined();
  });

  it("that is removed when it is consumed has its room given back at once, which may fail", async () => {
    const calls: string[] = [];
    const told: string[] = [];
    const files = brittleFiles((call) => {
      calls.push(call);
      if (call === "syncDirectory" && calls.includes("remove")) throw systemError("EIO");
    });
    const observer = { onError: (reason: string) => void told.push(reason) };
    const directory = await openImages(path, { files, observer, keepConsumed: 0 });
    const id = await sealImage(directory, patternOf(1, 100));
    calls.length = 0;
    await consume(directory, id);
    expect(calls).toEqual(["rename", "syncDirectory", "remove", "syncDirectory"]);
    expect(told).toEqual([]);
    expect(filesIn()).toEqual([]);
  });

  it("that ends too early is corrupt", async () => {
    const reasons: string[] = [];
    const directory = await openImages(path, {
      observer: { onError: (reason) => void reasons.push(reason) },
    });
    const id = await sealImage(directory, patternOf(1, 100));
    const file = await directory.open(id);
    truncateSync(join(path, `${id}.image`), 50);
    await expect(file.read(40, new Uint8Array(20))).rejects.toMatchObject({
      reason: "IMAGE_CORRUPT",
      message: `Image ${join(path, `${id}.image`)} ends at offset 50, and should have 60 bytes at least.`,
    });
    await file.close();
    expect(reasons).toEqual(["IMAGE_CORRUPT"]);
  });

  it.each(["../etc/passwd", "card0", "card0-20261399t999999999z-00000000", ""])(
    "called %j is not looked for",
    async (id) => {
      const directory = await openImages(path);
      await expect(directory.open(id)).rejects.toMatchObject({ reason: "IMAGE_NOT_FOUND" });
      await expect(consume(directory, id)).rejects.toMatchObject({ reason: "IMAGE_NOT_FOUND" });
      await expect(directory.delete(id)).rejects.toMatchObject({ reason: "IMAGE_NOT_FOUND" });
    },
  );
});

describe("a directory that is opened", () => {
  it("loses what was not finished, and leaves alone what is none of ours", async () => {
    mkdirSync(path);
    const id = "card0-20261122t182125123z-0a1b2c3d";
    const foreign = ["notes.txt", "mine.partial", "card0-20261122.image", `${id}.image.bak`];
    for (const name of [...foreign, `${id}.partial`]) writeFileSync(join(path, name), "x");
    const directory = await openImages(path);
    expect(directory.partialsRemoved).toBe(1);
    expect(filesIn()).toEqual(foreign.sort());
    expect(await directory.list()).toEqual([]);
  });

  it("takes no link for an image", async () => {
    const directory = await openImages(path);
    const id = "card0-20261122t182125123z-0a1b2c3d";
    writeFileSync(join(path, "secret"), "secret");
    symlinkSync(join(path, "secret"), join(path, `${id}.image`));
    expect(await directory.list()).toEqual([]);
    await expect(directory.open(id)).rejects.toMatchObject({ reason: "IMAGE_NOT_FOUND" });
  });

  it("says in a sentence why it cannot be used", async () => {
    writeFileSync(path, "a file");
    await expect(openImages(path)).rejects.toThrow(new RegExp(`^${path} could not be made: EEXIST: .*\\.$`));
  });
});

/** Runs `change` in a process that is killed before its `at`th call that changes something. Answers whether it was. */
async function killedAt(
  at: number,
  change: (directory: ImageDirectory) => Promise<unknown>,
): Promise<boolean> {
  let calls = 0;
  const files = brittleFiles(() => {
    if (calls++ >= at) throw new Error("killed");
  });
  await openImages(path, { files, statesPath: `${path}.json` })
    .then(change)
    .catch(() => {});
  return calls > at;
}

describe("a process that is killed", () => {
  /** An empty directory, in which nobody remembers anything. */
  const anew = (): Promise<ImageDirectory> => {
    rmSync(path, { recursive: true, force: true });
    rmSync(`${path}.json`, { force: true });
    return openImages(path, { statesPath: `${path}.json` });
  };
  const next = (): Promise<ImageDirectory> => openImages(path, { statesPath: `${path}.json` });

  it("leaves the old image or the new one to its device, each whole, wherever it is in writing", async () => {
    const seen = new Set<string>();
    for (let at = 0; ; at++) {
      const before = await sealImage(await anew(), patternOf(1, 1000));
      const killed = await killedAt(at, (directory) => sealImage(directory, patternOf(2, 2000)));
      const after = await next();
      const sealed = await ownImage(after);
      // Between what is remembered and the rename there is neither: the suspend has not been answered.
      if (sealed === undefined) seen.add("none");
      else {
        const isOld = sealed === before;
        expect(await contentOf(after, sealed)).toEqual(isOld ? patternOf(1, 1000) : patternOf(2, 2000));
        seen.add(isOld ? "old" : "new");
      }
      expect(filesIn().filter((name) => name.endsWith(".partial"))).toEqual([]);
      if (!killed) break;
    }
    expect([...seen]).toEqual(["old", "none", "new"]);
  });

  it("leaves an image sealed or consumed, wherever it is in consuming", async () => {
    const seen = new Set<string>();
    for (let at = 0; ; at++) {
      const id = await sealImage(await anew(), patternOf(1, 1000));
      const killed = await killedAt(at, (directory) => consume(directory, id));
      const after = await next();
      const { state } = await after.get(id);
      seen.add(state);
      expect(await ownImage(after)).toBe(state === "SEALED" ? id : undefined);
      if (!killed) break;
    }
    expect([...seen]).toEqual(["SEALED", "CONSUMED"]);
  });

  it("leaves an image that is claimed to the next, wherever it is in claiming and giving back", async () => {
    const claimed = new Set<number>();
    for (let at = 0; ; at++) {
      const id = await sealImage(await anew(), patternOf(1, 1000));
      const killed = await killedAt(at, async (directory) => {
        await directory.claim(id, "card0");
        await directory.giveBack(id, "card0");
      });
      const after = await next();
      expect(await imageStates(after)).toEqual({ [id]: "SEALED" });
      expect(await ownImage(after)).toBe(id);
      claimed.add(await after.claim(id, "card0"));
      expect(await contentOf(after, id)).toEqual(patternOf(1, 1000));
      if (!killed) break;
    }
    expect([...claimed]).toEqual([1, 2]);
  });

  it("between sealing one and consuming another leaves no old image to come back", async () => {
    const old = await sealImage(await next(), patternOf(1, 1000));
    let renames = 0;
    const files = brittleFiles((call) => {
      // What is remembered, the image, and then the old one.
      if (call === "rename" && ++renames === 3) throw systemError("EIO");
    });
    const broken = await openImages(path, { files, statesPath: `${path}.json` });
    const sealed = await sealImage(broken, patternOf(2, 1000));
    const directory = await openImages(path, { keepConsumed: 5, statesPath: `${path}.json` });
    expect(await ownImage(directory)).toBe(sealed);
    expect(await imageStates(directory)).toEqual({ [old]: "SEALED", [sealed]: "SEALED" });
    await consume(directory, sealed);
    expect(await ownImage(directory)).toBeUndefined();
    expect(await imageStates(directory)).toEqual({ [old]: "CONSUMED", [sealed]: "CONSUMED" });
  });
});

describe("what fails", () => {
  it.each([
    ["ENOSPC", "IMAGE_STORE_FULL"],
    ["EDQUOT", "IMAGE_STORE_FULL"],
    ["EIO", "COPY_FAILED"],
  ])("of a write by %s is %s and names the file; giving up leaves nothing", async (code, reason) => {
    const told: string[] = [];
    const files = brittleFiles((call) => {
      if (call === "write") throw systemError(code);
    });
    const directory = await openImages(path, {
      files,
      observer: { onError: (what) => void told.push(what) },
    });
    const draft = await directory.create(nextState(directory), 100);
    const message = `${join(path, `${draft.id}.partial`)} could not be written: ${code}: a test said so.`;
    await expect(draft.write(0, new Uint8Array(100))).rejects.toMatchObject({ reason, message });
    expect(told).toEqual([reason]);
    await draft.abandon();
    expect(filesIn()).toEqual([]);
  });

  it.each(["datasync", "rename", "syncDirectory"])(
    "of a seal at %s is undone by giving up",
    async (broken) => {
      let fails = false;
      const files = brittleFiles((call) => {
        if (fails && call === broken) throw systemError("EIO");
      });
      const directory = await openImages(path, { files });
      const draft = await directory.create(nextState(directory), 100);
      await draft.write(0, new Uint8Array(100));
      fails = true;
      // Of a rename that failed so nobody knows whether it took effect.
      const reason = broken === "datasync" ? "COPY_FAILED" : "OWNERSHIP_IN_DOUBT";
      await expect(draft.seal()).rejects.toMatchObject({ reason });
      fails = false;
      await draft.abandon();
      expect(filesIn()).toEqual([]);
    },
  );

  it("of a directory that is gone is said with its path", async () => {
    const directory = await openImages(path);
    rmSync(path, { recursive: true });
    await expect(directory.create(nextState(directory), 1)).rejects.toMatchObject({
      reason: "COPY_FAILED",
      message: expect.stringMatching(new RegExp(`^${path} could not be listed: ENOENT: .*\\.$`)),
    });
  });

  it("of a retention leaves the image there, and the consumption done", async () => {
    const files = brittleFiles((call) => {
      if (call === "remove") throw systemError("EACCES");
    });
    const directory = await openImages(path, { files, keepConsumed: 0 });
    const id = await sealImage(directory, patternOf(1, 100));
    await consume(directory, id);
    expect(await imageStates(directory)).toEqual({ [id]: "CONSUMED" });
  });
});
