/** What goes wrong around a hibernation image: it is not used, cannot be used, or the process dies. */
import { describe, expect, test } from "vitest";
import { sleep } from "../../../src/device/clock.ts";
import { FRAME } from "../../../src/device/image/image-format.ts";
import { getNumber } from "../../../src/device/image/layout.ts";
import {
  DEFAULT_POLICY,
  type FailpointName,
  type ImageDraft,
  type ImagedState,
  type OwnedState,
} from "../../../src/device/mod.ts";
import { ERROR_ONCE } from "../../support/faulty-device.ts";
import { boot, bootNext, expectState, flipped, listed, populate } from "../../support/hibernation.ts";
import { sectionAt } from "../../support/image-reseal.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
import { hashOf, MIB, patternOf, reasonOf } from "../../support/test-device.ts";

describe("an image that is not used", () => {
  test.each<FailpointName>(["image.sealed", "powerOff.before"])(
    "because of %s is consumed before the device is ACTIVE again",
    async (name) => {
      const { gpu, images, failpoints } = await boot();
      const state = await populate(gpu);
      failpoints.arm(name, ERROR_ONCE);
      expect(await reasonOf(gpu.execute({ type: "suspend", state: "S4" }))).toBe("COPY_FAILED");
      expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "ACTIVE", image: "" });
      expect([images.idsOf("SEALED"), images.idsOf("CONSUMED").length]).toEqual([[], 1]);
      await expectState(gpu, state);
      await gpu.execute({ type: "suspend", state: "S4" });
      await gpu.execute({ type: "resume" });
      await expectState(gpu, state);
    },
  );

  test("because the suspend was cancelled is consumed too", async () => {
    const { gpu, images, failpoints } = await boot();
    const state = await populate(gpu);
    failpoints.arm("image.sealed", { ...ERROR_ONCE, action: "DELAY", delayMs: 100 });
    const { id } = await gpu.execute({ type: "suspend", state: "S4", waitMs: 0 });
    while (images.idsOf("SEALED").length === 0) await gpu.clock.advance(10);
    expect(await gpu.execute({ type: "cancelTransition", transition: id })).toMatchObject({
      state: "CANCELLED",
    });
    expect(images.idsOf("SEALED")).toEqual([]);
    await expectState(gpu, state);
  });

  test("and cannot be consumed keeps the device from being ACTIVE, until it can", async () => {
    const { gpu, images, failpoints } = await boot();
    const state = await populate(gpu);
    failpoints.arm("powerOff.before", ERROR_ONCE);
    failpoints.arm("image.consume", { ...ERROR_ONCE, count: 2 });
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S4" }))).toBe("COPY_FAILED");
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("FAILED");
    expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("COPY_FAILED");
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("FAILED");
    expect(images.usable()).toHaveLength(1);
    await gpu.execute({ type: "resume" });
    expect(images.usable()).toEqual([]);
    await expectState(gpu, state);
  });

  test("and that somebody removed keeps a hybrid sleeper asleep until it is back, and no device from being made new", async () => {
    const { gpu, images } = await boot({ smem: { sizeBytes: 32 * MIB } });
    const state = await populate(gpu);
    await gpu.execute({ type: "suspend", state: "S3", hybrid: true });
    const removed = new Map(images.images);
    images.images.clear();
    // It may be where another device resumes from it by now.
    expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("OWNERSHIP_LOST");
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({
      powerState: "SUSPENDED",
      ownership: { state: "LOST" },
    });
    for (const [id, image] of removed) images.images.set(id, image);
    await gpu.execute({ type: "resume" });
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({
      powerState: "ACTIVE",
      image: "",
      ownership: { state: "OWNED" },
    });
    await expectState(gpu, state);
    await gpu.execute({ type: "suspend", state: "S4" });
    images.images.clear();
    expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("IMAGE_NOT_FOUND");
    await gpu.execute({ type: "resetDevice", scope: "FACTORY" });
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "ACTIVE", image: "" });
    gpu.device.checkInvariants();
  });

  test.each<FailpointName>(["image.write", "image.short", "image.fsync", "image.seal"])(
    "after %s is no image at all; the device is ACTIVE with every byte",
    async (name) => {
      const { gpu, images, failpoints } = await boot();
      const state = await populate(gpu);
      failpoints.arm(name, ERROR_ONCE);
      expect(await reasonOf(gpu.execute({ type: "suspend", state: "S4" }))).not.toBe("none");
      expect(failpoints.get(name).hits).toBe(1);
      expect(images.images.size).toBe(0);
      expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("ACTIVE");
      await expectState(gpu, state);
    },
  );

  test("for which the store has no room costs a failed suspend, before the first byte is written", async () => {
    const { gpu, images } = await boot({ images: new MemoryImageStore(MIB) });
    const state = await populate(gpu);
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S4" }))).toBe("IMAGE_STORE_FULL");
    expect(images.images.size).toBe(0);
    await expectState(gpu, state);
  });
});

describe("an image of what the steps before left behind", () => {
  test("by policy holds what stayed in local memory without a pin, too", async () => {
    const policy = { ...DEFAULT_POLICY, failure: "continue" as const };
    const { gpu, images, failpoints } = await boot({ policy });
    const state = await populate(gpu);
    failpoints.arm("evict.object", { ...ERROR_ONCE, count: 0 });
    failpoints.arm("evictPinned.object", { ...ERROR_ONCE, count: 0 });
    await gpu.execute({ type: "suspend", state: "S4" });
    expect(gpu.events.filter((event) => event.type === "phaseForgiven")).toHaveLength(2);
    const next = await bootNext(images.afterDeath());
    for (const each of [gpu, next.gpu]) {
      await each.execute({ type: "resume" });
      await expectState(each, state);
    }
  });
});

describe("a resume that fails", () => {
  test.each<FailpointName>([
    "image.read",
    "powerOn.before",
    "restoreEarly.object",
    "firmware.load",
    "engine.start",
    "restoreLate.object",
    "image.consume",
  ])(
    "at %s leaves the image sealed, and a second one completes it, here and in another process",
    async (name) => {
      const here = await boot();
      const { gpu, images } = here;
      const state = await populate(gpu);
      await gpu.execute({ type: "suspend", state: "S4" });
      const next = await bootNext(images.afterDeath());
      for (const each of [here, next]) {
        each.failpoints.arm(name, ERROR_ONCE);
        expect(await reasonOf(each.gpu.execute({ type: "resume" }))).not.toBe("none");
        expect(each.images.usable()).toEqual([(await each.gpu.execute({ type: "getDevice" })).image]);
        await each.gpu.execute({ type: "resume" });
        expect(each.images.usable()).toEqual([]);
        await expectState(each.gpu, state);
      }
    },
  );

  test("because of a wrong bit in a stored frame, those of the device's own objects among them", async () => {
    const { gpu, images } = await boot();
    await populate(gpu);
    await gpu.execute({ type: "suspend", state: "S4" });
    const [id = ""] = images.idsOf("SEALED");
    const image = images.images.get(id);
    if (image === undefined) throw new Error("the image is there");
    const whole = image.bytes;
    const starts = storedFramesOf(whole);
    expect(starts.length).toBeGreaterThan(10);
    // The device's own come first.
    for (const start of starts.filter((_, at) => at < 12 || at % 16 === 0)) {
      image.bytes = flipped(whole, start);
      const { gpu: next } = await bootNext(images.afterDeath());
      expect([start, await reasonOf(next.execute({ type: "resume" }))]).toEqual([start, "IMAGE_CORRUPT"]);
    }
    image.bytes = whole;
    const { gpu: next } = await bootNext(images.afterDeath());
    expect(await next.execute({ type: "resume" })).toMatchObject({ state: "SUCCEEDED" });
  });

  test.each([
    ["cut short", (bytes: Uint8Array) => bytes.slice(0, bytes.length - 5000)],
    ["empty", () => new Uint8Array(0)],
    ["foreign", (bytes: Uint8Array) => patternOf(1, bytes.length)],
    ["of one wrong bit in a frame", (bytes: Uint8Array) => flipped(bytes, Math.floor(bytes.length / 2))],
    ["of one wrong bit in its header", (bytes: Uint8Array) => flipped(bytes, 40)],
  ])("because the image is %s keeps it, and the device SUSPENDED", async (_what, damage) => {
    const { gpu, images } = await boot();
    await populate(gpu);
    await gpu.execute({ type: "suspend", state: "S4" });
    const [id] = images.idsOf("SEALED");
    const image = images.images.get(id);
    if (image === undefined) throw new Error("the image is there");
    const { bytes } = image;
    image.bytes = damage(bytes);
    for (const device of [gpu, (await bootNext(images.afterDeath())).gpu]) {
      expect(await reasonOf(device.execute({ type: "resume" }))).toBe("IMAGE_CORRUPT");
      expect(await device.execute({ type: "getDevice" })).toMatchObject({
        powerState: "SUSPENDED",
        image: id,
      });
    }
    expect(images.idsOf("SEALED")).toEqual([id]);
    image.bytes = bytes;
    await gpu.execute({ type: "resume" });
    gpu.device.checkInvariants();
  });

  test("can be given up with a factory reset: the image is consumed, the device as new", async () => {
    const { gpu, images } = await boot();
    await populate(gpu);
    await gpu.execute({ type: "suspend", state: "S4" });
    const next = await bootNext(images);
    await next.gpu.execute({ type: "resetDevice", scope: "FACTORY" });
    expect(next.images.idsOf("SEALED")).toEqual([]);
    expect(await next.gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "ACTIVE", image: "" });
    expect(await listed(next.gpu)).toEqual([]);
    const bytes = patternOf(3, MIB);
    expect(hashOf(await next.gpu.download(await next.gpu.upload(bytes)))).toBe(hashOf(bytes));
  });
});

describe("a process that dies", () => {
  const SUSPENDING: readonly FailpointName[] = [
    "evict.object",
    "memcpy.object",
    "image.write",
    "image.fsync",
    "image.seal",
    "image.sealed",
    "powerOff.before",
    "powerOff.after",
  ];
  test.each(SUSPENDING)("at %s leaves no image or a good one", async (name) => {
    const { gpu, images, failpoints } = await boot();
    const state = await populate(gpu);
    failpoints.arm(name, { ...ERROR_ONCE, action: "CRASH" });
    await gpu.execute({ type: "suspend", state: "S4" }).catch(() => {});
    expect(images.dead).toBe(true);
    const left = images.afterDeath();
    expect(left.idsOf("SEALED")).toHaveLength(
      SUSPENDING.indexOf(name) > SUSPENDING.indexOf("image.seal") ? 1 : 0,
    );
    if (left.idsOf("SEALED").length === 0) return;
    const next = await bootNext(left);
    await next.gpu.execute({ type: "resume" });
    await expectState(next.gpu, state);
  });

  test.each<FailpointName>(["image.read", "powerOn.before", "restoreLate.object", "image.consume"])(
    "at %s of the resume leaves the image for the next",
    async (name) => {
      const { gpu, images } = await boot();
      const state = await populate(gpu);
      await gpu.execute({ type: "suspend", state: "S4" });
      const dying = await bootNext(images.afterDeath());
      dying.failpoints.arm(name, { ...ERROR_ONCE, action: "CRASH" });
      await dying.gpu.execute({ type: "resume" }).catch(() => {});
      expect(dying.images.dead).toBe(true);
      const next = await bootNext(dying.images.afterDeath());
      await next.gpu.execute({ type: "resume" });
      await expectState(next.gpu, state);
    },
  );

  test("after the image was consumed leaves none that could come back over newer bytes", async () => {
    const { gpu, images, failpoints } = await boot();
    await populate(gpu);
    await gpu.execute({ type: "suspend", state: "S4" });
    failpoints.arm("image.consumed", { ...ERROR_ONCE, action: "CRASH" });
    await gpu.execute({ type: "resume" }).catch(() => {});
    expect(images.dead).toBe(true);
    expect(images.afterDeath().findSealed("card0")).toBeUndefined();
  });
});

describe("a store that does not answer", () => {
  test("costs a suspend its time: the device is ACTIVE with every byte, and hibernates when the store is back", async () => {
    const { gpu, images } = await boot({ images: new SilentStore("write") });
    const state = await populate(gpu);
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S4" }))).toBe("COPY_FAILED");
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("ACTIVE");
    await expectState(gpu, state);
    (images as SilentStore).silent = undefined;
    await gpu.execute({ type: "suspend", state: "S4" });
    await gpu.execute({ type: "resume" });
    await expectState(gpu, state);
  });

  test("leaves a resume FAILED, whose image is not used again; the next one ends", async () => {
    const { gpu, images } = await boot({ images: new SilentStore("commit") });
    const state = await populate(gpu);
    await gpu.execute({ type: "suspend", state: "S4" });
    expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("OWNERSHIP_IN_DOUBT");
    expect(await gpu.execute({ type: "getDevice" })).toMatchObject({
      powerState: "FAILED",
      ownership: { state: "IN_DOUBT" },
    });
    (images as SilentStore).silent = undefined;
    await gpu.execute({ type: "resume" });
    await expectState(gpu, state);
  });

  test("has what it opens late closed", async () => {
    const { gpu, images } = await boot();
    await populate(gpu);
    await gpu.execute({ type: "suspend", state: "S4" });
    const open = images.open.bind(images);
    let closed = 0;
    images.open = async (id) => {
      await sleep(gpu.clock, 100_000);
      const file = await open(id);
      return { ...file, close: async () => void closed++ };
    };
    expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("COPY_FAILED");
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("SUSPENDED");
    await gpu.clock.advance(100_000);
    expect(closed).toBe(1);
  });
});

test("an image that a device could not resume from leaves it as it was", async () => {
  const first = await boot();
  await populate(first.gpu);
  await first.gpu.execute({ type: "suspend", state: "S4", verify: true });
  const uid = "00000000-0000-4000-8000-000000000000";
  const { gpu, failpoints, images } = await boot({ uid, images: first.images });
  const before = await gpu.execute({ type: "getDevice" });
  failpoints.arm("powerOn.before", ERROR_ONCE);
  const [image] = images.idsOf("SEALED");
  expect(await reasonOf(gpu.execute({ type: "resume", image }))).toBe("COPY_FAILED");
  const { powerState, suspendCount, image: none } = await gpu.execute({ type: "getDevice" });
  expect({ powerState, suspendCount, image: none }).toEqual({
    powerState: "ACTIVE",
    suspendCount: 0,
    image: "",
  });
  expect((await gpu.execute({ type: "getDevice" })).uid).toBe(before.uid);
  expect(images.idsOf("SEALED")).toEqual([image]);
  gpu.device.checkInvariants();
});

/** A store that never answers one kind of call, as a network file system whose server is gone. */
class SilentStore extends MemoryImageStore {
  silent: "write" | "commit" | undefined;

  constructor(silent: "write" | "commit") {
    super();
    this.silent = silent;
  }

  override async create(state: ImagedState, bytesMax: number): Promise<ImageDraft> {
    const draft = await super.create(state, bytesMax);
    const write: ImageDraft["write"] = (offsetBytes, bytes) =>
      this.silent === "write" ? new Promise(() => {}) : draft.write(offsetBytes, bytes);
    return { ...draft, write };
  }

  override commit(id: string, state: OwnedState): Promise<void> {
    return this.silent === "commit" ? new Promise(() => {}) : super.commit(id, state);
  }
}

/** Where the frames of an image begin whose bytes are in it. */
function storedFramesOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { offsetBytes, lengthBytes } = sectionAt(bytes, "FRAMES");
  const starts: number[] = [];
  for (let at = offsetBytes; at < offsetBytes + lengthBytes; at += FRAME.sizeBytes) {
    if (getNumber(view, at, FRAME.fields.storedBytes) === 0) continue;
    starts.push(getNumber(view, at, FRAME.fields.offsetBytes));
  }
  return starts;
}
