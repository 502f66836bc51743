/** kill -9 at each step of a move, on both sides, with real daemons over a real object store. */
import { beforeAll, describe, expect, it } from "vitest";
import { BucketHost } from "../support/bucket-daemons.ts";
import type { OwnedDaemon } from "../support/owned-daemons.ts";
import { makeRgwBucket, rgwEndpoint } from "../support/rgw.ts";

let bucket: string;
beforeAll(async () => {
  bucket = await makeRgwBucket();
});

/** Ids of the images of a state from which it can be resumed. */
async function usable(daemon: OwnedDaemon, uid: unknown): Promise<readonly string[]> {
  const { body } = await daemon.call("GET", "images");
  const images = (body.images ?? []) as readonly { name: string; state: string; deviceUid: string }[];
  return images
    .filter(({ state, deviceUid }) => deviceUid === uid && state !== "CONSUMED")
    .map(({ name }) => name.replace("images/", ""));
}

async function isAwakeWith(daemon: OwnedDaemon, uid: unknown): Promise<boolean> {
  const device = await daemon.device();
  return device.uid === uid && device.powerState === "ACTIVE";
}

/** Ends when the daemon has killed itself in the middle of the call. */
async function dieDuring(daemon: OwnedDaemon, call: string, body: string): Promise<void> {
  await daemon.call("POST", `devices/card0:${call}`, body).catch(() => undefined);
  expect(await daemon.process.exit()).toMatchObject({ signal: "SIGKILL" });
}

describe("a daemon that is killed while it hibernates to a bucket", () => {
  it.each([
    ["image.write", "lost"],
    ["image.fsync", "lost"],
    ["image.seal", "lost"],
    ["image.seal.answer", "sealed"],
    ["image.sealed", "sealed"],
    ["powerOff.before", "sealed"],
  ] as const)("at %s: the state is %s, and its own host and another agree", async (failpoint, outcome) => {
    await using hostA = new BucketHost(bucket, rgwEndpoint());
    await using hostB = new BucketHost(bucket, rgwEndpoint());
    const a = await hostA.start();
    const b = await hostB.start();
    const object = await a.put(1);
    const { uid } = await a.device();
    await a.arm(failpoint, { action: "CRASH" });
    await dieDuring(a, "suspend", '{"state":"S4"}');
    const again = await hostA.start("--restore", "keep");
    const images = await usable(b, uid);
    if (outcome === "lost") {
      // Nothing that looks like it, here or there, and no half image is left.
      expect(images).toEqual([]);
      expect(await isAwakeWith(again, uid)).toBe(false);
      return;
    }
    expect(images).toHaveLength(1);
    expect(await again.device()).toMatchObject({ powerState: "SUSPENDED", uid });
    expect(await b.resume("card0", images[0])).toBe("none");
    expect(await b.has(object, 1)).toBe(true);
    expect(await again.resume()).toBe("IMAGE_CONSUMED");
    expect(await isAwakeWith(again, uid)).toBe(false);
  });
});

describe("a daemon that is killed while it resumes from a bucket", () => {
  it.each([
    ["image.claim", "free"],
    ["image.claim.answer", "claimed"],
    ["image.read", "claimed"],
    ["image.consume", "claimed"],
    ["image.consumed", "gone"],
  ] as const)("at %s: the image is %s, and no second owner appears", async (failpoint, outcome) => {
    await using hostA = new BucketHost(bucket, rgwEndpoint());
    await using hostB = new BucketHost(bucket, rgwEndpoint());
    const [a, b] = [await hostA.start(), await hostB.start()];
    const object = await a.put(2);
    const { uid } = await a.device();
    const image = await a.hibernate();
    await b.arm(failpoint, { action: "CRASH" });
    await dieDuring(b, "resume", `{"image":"images/${image}"}`);
    if (outcome === "gone") {
      // It was awake for a moment, so that its bytes died with it. Old ones do not come back.
      expect(await a.resume()).toBe("IMAGE_CONSUMED");
      expect(await isAwakeWith(await hostB.start("--restore", "wake"), uid)).toBe(false);
      return;
    }
    expect(await a.resume()).toBe(outcome === "free" ? "none" : "IMAGE_CLAIMED");
    const again = await hostB.start("--restore", "wake");
    // Its claim was void, so that it can claim anew what nobody has.
    if (outcome === "claimed") expect(await again.resume("card0", image)).toBe("none");
    const owner = outcome === "free" ? a : again;
    expect(await owner.has(object, 2)).toBe(true);
    expect([await isAwakeWith(a, uid), await isAwakeWith(again, uid)].filter(Boolean)).toHaveLength(1);
  });
});
