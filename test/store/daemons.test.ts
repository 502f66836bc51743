/** Devices that move between real daemons over a real object store. */
import { beforeAll, describe, expect, it } from "vitest";
import { BucketHost } from "../support/bucket-daemons.ts";
import { makeRgwBucket, rgwEndpoint } from "../support/rgw.ts";

let bucket: string;
beforeAll(async () => {
  bucket = await makeRgwBucket();
});

describe("a device whose image is in a bucket", () => {
  it("goes on at another host with every byte, and not at the first", async () => {
    await using hostA = new BucketHost(bucket, rgwEndpoint());
    await using hostB = new BucketHost(bucket, rgwEndpoint());
    const [a, b] = [await hostA.start(), await hostB.start()];
    const object = await a.put(1);
    const { uid } = await a.device();
    const image = await a.hibernate();
    expect(await b.image(image)).toMatchObject({ state: "SEALED", deviceUid: uid, inUse: false });
    expect(await b.resume("card0", image)).toBe("none");
    expect(await b.has(object, 1)).toBe(true);
    expect(await b.device()).toMatchObject({ uid, generation: "2", ownership: { state: "OWNED" } });
    expect(await a.resume()).toBe("IMAGE_CONSUMED");
    expect(await a.device()).toMatchObject({ powerState: "SUSPENDED", ownership: { state: "LOST" } });
    expect(await a.reasonOf("POST", "devices/card0:reset", '{"scope":"FACTORY"}')).toBe("none");
    expect(await a.device()).toMatchObject({ powerState: "ACTIVE" });
    expect((await a.device()).uid).not.toBe(uid);
    // And back.
    const second = await b.put(2);
    const back = await b.hibernate();
    expect(await a.resume("card0", back)).toBe("none");
    expect(await a.has(object, 1)).toBe(true);
    expect(await a.has(second, 2)).toBe(true);
    expect(await a.device()).toMatchObject({ uid, generation: "3" });
  });

  it("is resumed by one of two hosts that want it at once", async () => {
    await using hostA = new BucketHost(bucket, rgwEndpoint());
    await using hostB = new BucketHost(bucket, rgwEndpoint());
    await using hostC = new BucketHost(bucket, rgwEndpoint());
    const [a, b, c] = [await hostA.start(), await hostB.start(), await hostC.start()];
    const object = await a.put(3);
    const image = await a.hibernate();
    const reasons = await Promise.all([a.resume(), b.resume("card0", image), c.resume("card0", image)]);
    expect(reasons.filter((reason) => reason === "none")).toHaveLength(1);
    const winner = [a, b, c][reasons.indexOf("none")];
    expect(await winner.has(object, 3)).toBe(true);
    for (const reason of reasons.filter((each) => each !== "none")) {
      expect(["IMAGE_CLAIMED", "IMAGE_CONSUMED"]).toContain(reason);
    }
  });

  it("comes back at its own host after a kill, and at another whose owner died in the middle of a resume", async () => {
    await using hostA = new BucketHost(bucket, rgwEndpoint());
    await using hostB = new BucketHost(bucket, rgwEndpoint());
    const a = await hostA.start();
    const object = await a.put(4);
    await a.hibernate();
    await a.kill();
    const again = await hostA.start("--restore", "wake");
    expect(await again.has(object, 4)).toBe(true);
    const image = await again.hibernate();
    await again.arm("image.read", { action: "CRASH" });
    await again.call("POST", "devices/card0:resume", "{}").catch(() => undefined);
    await again.process.exit();
    const b = await hostB.start();
    expect(await b.image(image)).toMatchObject({ state: "CLAIMED" });
    expect(await b.resume("card0", image)).toBe("IMAGE_CLAIMED");
    // The host itself knows that its claim is void.
    const third = await hostA.start("--restore", "wake");
    expect(await third.has(object, 4)).toBe(true);
    expect(await b.image(image)).toMatchObject({ state: "CONSUMED" });
  });
});
