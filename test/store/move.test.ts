/** torporctl move, between real daemons over a real object store. */
import { beforeAll, describe, expect, it } from "vitest";
import { BucketHost } from "../support/bucket-daemons.ts";
import { runCli } from "../support/cli.ts";
import type { OwnedDaemon } from "../support/owned-daemons.ts";
import { makeRgwBucket, rgwEndpoint } from "../support/rgw.ts";

let bucket: string;
beforeAll(async () => {
  bucket = await makeRgwBucket();
});

function move(from: OwnedDaemon, to: OwnedDaemon, ...words: string[]) {
  return runCli(["move", "--server", from.grpc, "--to", to.grpc, ...words]);
}

describe("torporctl move", () => {
  it("brings a device to another daemon and back, from awake and from asleep", async () => {
    await using hostA = new BucketHost(bucket, rgwEndpoint());
    await using hostB = new BucketHost(bucket, rgwEndpoint());
    const [a, b] = [await hostA.start(), await hostB.start("--device", "card7")];
    const object = await a.put(1);
    const { uid } = await a.device();
    const there = await move(a, b, "--to-device", "card7");
    expect(there).toMatchObject({ code: 0, stderr: "" });
    expect(await b.device("card7")).toMatchObject({ uid, powerState: "ACTIVE", generation: "2" });
    expect(await b.has(object.replace("card0", "card7"), 1)).toBe(true);
    // The device here is new, and ready for another.
    expect(await a.device()).toMatchObject({ powerState: "ACTIVE", ownership: { state: "OWNED" } });
    expect((await a.device()).uid).not.toBe(uid);
    await b.hibernate("card7");
    const back = await runCli([
      "move",
      "--server",
      b.grpc,
      "-d",
      "card7",
      "--to",
      a.grpc,
      "--to-device",
      "card0",
    ]);
    expect(back).toMatchObject({ code: 0, stderr: "" });
    expect(await a.has(object, 1)).toBe(true);
    expect(await a.device()).toMatchObject({ uid, generation: "3" });
  });

  it("goes on where it was killed, and touches nothing when the target has something", async () => {
    await using hostA = new BucketHost(bucket, rgwEndpoint());
    await using hostB = new BucketHost(bucket, rgwEndpoint());
    const [a, b] = [await hostA.start(), await hostB.start()];
    const object = await a.put(2);
    const { uid } = await a.device();
    const other = await b.put(3);
    const refused = await move(a, b);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("is not ACTIVE and empty, so nothing was moved to it");
    expect(await a.device()).toMatchObject({ uid, powerState: "ACTIVE" });
    await b.call("DELETE", other);
    // Killed after the resume there, and before anything here.
    expect(await b.resume("card0", await a.hibernate())).toBe("none");
    expect(await a.device()).toMatchObject({ powerState: "SUSPENDED" });
    expect(await move(a, b)).toMatchObject({ code: 0, stderr: "" });
    expect(await b.has(object, 2)).toBe(true);
    expect(await a.device()).toMatchObject({ powerState: "ACTIVE" });
  });

  it("says where the device is when the other daemon does not see its image", async () => {
    await using hostA = new BucketHost(bucket, rgwEndpoint());
    await using hostB = new BucketHost(await makeRgwBucket(), rgwEndpoint());
    const [a, b] = [await hostA.start(), await hostB.start()];
    const object = await a.put(4);
    const { code, stderr } = await move(a, b);
    expect(code).not.toBe(0);
    expect(stderr).toContain("does not see: do both use the same bucket?");
    expect(await a.resume()).toBe("none");
    expect(await a.has(object, 4)).toBe(true);
  });
});
