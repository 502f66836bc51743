/**
 * Who owns a state, with real daemons on real directories: images that are copied, moved, wanted by two, cut short, and
 * writes whose answers are lost. What each test begins with was once how bytes were lost.
 */
import { mkdirSync, readFileSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { FIXTURE_OBJECTS } from "../../support/fixture-device.ts";
import {
  canMount,
  type OwnedDaemon,
  OwnedDirectory,
  RemountedDirectory,
} from "../../support/owned-daemons.ts";

const TIMEOUT_MS = 120_000;
const PATIENCE_MS = 20_000;

describe("an image of another device", { timeout: TIMEOUT_MS }, () => {
  it("of the same name stays, whatever the device here does, and is resumed when it is named", async () => {
    await using a = new OwnedDirectory();
    await using b = new OwnedDirectory();
    const first = await a.start();
    const object = await first.put(1);
    const foreign = await first.hibernate();
    await first.kill();
    const second = await b.start();
    a.give(`${foreign}.image`, b);
    const other = await second.put(2);
    const own = await second.hibernate();
    expect(await second.resume()).toBe("none");
    expect(await second.image(foreign)).toMatchObject({ state: "SEALED", generation: "1" });
    expect(await second.image(own)).toMatchObject({
      state: "CONSUMED",
      consumedBy: { device: "devices/card0" },
    });
    expect(await second.has(other, 2)).toBe(true);
    expect((await second.call("DELETE", other)).status).toBe(200);
    expect(await second.resume("card0", foreign)).toBe("none");
    expect(await second.has(object, 1)).toBe(true);
    expect(await second.device()).toMatchObject({
      uid: (await second.image(foreign)).deviceUid,
      generation: "2",
      resumedFrom: `images/${foreign}`,
      ownership: { state: "OWNED" },
    });
  });

  it("that was begun later never wins over the own one at a start", async () => {
    await using a = new OwnedDirectory();
    await using b = new OwnedDirectory();
    const first = await a.start();
    const object = await first.put(1);
    const own = await first.hibernate();
    await first.kill();
    const second = await b.start();
    await second.put(2);
    const foreign = await second.hibernate();
    await second.kill();
    b.give(`${foreign}.image`, a);
    const future = new Date(Date.now() + 86_400_000);
    utimesSync(join(a.path, "images", `${foreign}.image`), future, future);
    const third = await a.start("--restore", "wake");
    expect(await third.device()).toMatchObject({ powerState: "ACTIVE", resumedFrom: `images/${own}` });
    expect(await third.has(object, 1)).toBe(true);
    expect(await third.image(foreign)).toMatchObject({ state: "SEALED" });
  });

  it("does not become the own one when the own one is gone", async () => {
    await using a = new OwnedDirectory();
    await using b = new OwnedDirectory();
    const first = await a.start();
    await first.put(1);
    const own = await first.hibernate();
    await first.kill();
    const second = await b.start();
    await second.put(2);
    const foreign = await second.hibernate();
    await second.kill();
    a.give(`${own}.image`, b);
    b.give(`${foreign}.image`, a);
    const third = await a.start("--restore", "wake");
    expect(await third.device()).toMatchObject({ powerState: "ACTIVE", generation: "1", resumedFrom: "" });
    expect(await third.image(foreign)).toMatchObject({ state: "SEALED" });
  });

  it("stays after a start with never, and so does what comes after it", async () => {
    await using a = new OwnedDirectory();
    const first = await a.start();
    const object = await first.put(1);
    const old = await first.hibernate();
    await first.kill();
    const second = await a.start("--restore", "never");
    await second.put(2);
    const newer = await second.hibernate();
    expect(await second.resume()).toBe("none");
    expect(await second.image(old)).toMatchObject({ state: "SEALED" });
    expect(await second.image(newer)).toMatchObject({ state: "CONSUMED" });
    for (const { name } of await objectsOf(second)) await second.call("DELETE", name);
    expect(await second.resume("card0", old)).toBe("none");
    expect(await second.has(object, 1)).toBe(true);
  });

  it("that a daemon started with never did not touch is restored by the next one that may", async () => {
    await using a = new OwnedDirectory();
    const first = await a.start();
    const object = await first.put(1);
    await first.hibernate();
    await first.kill();
    const files = a.files();
    const second = await a.start("--restore", "never");
    await second.put(2);
    await second.stop();
    expect(a.files()).toEqual(files);
    const third = await a.start("--restore", "wake");
    expect(await third.has(object, 1)).toBe(true);
  });
});

describe("one image", { timeout: TIMEOUT_MS }, () => {
  it("is had by one of two who want it at once; the other is told who has it", async () => {
    await using a = new OwnedDirectory();
    const first = await a.start("--device", "card0");
    const object = await first.put(1);
    const image = await first.hibernate();
    await first.kill();
    // Neither of them is the device that it is of.
    const second = await a.start("--device", "card1", "--device", "card2");
    await second.arm("image.read", { action: "DELAY", delay: "1s", count: 1 });
    const reasons = await Promise.all([second.resume("card1", image), second.resume("card2", image)]);
    expect(reasons.toSorted()).toEqual(["IMAGE_CLAIMED", "none"]);
    const [winner, loser] = reasons[0] === "none" ? ["card1", "card2"] : ["card2", "card1"];
    expect(await second.has(object.replace("card0", winner), 1)).toBe(true);
    expect(await objectsOf(second, loser)).toEqual([]);
    const [one, other] = [await second.device("card1"), await second.device("card2")];
    expect(one.uid).not.toBe(other.uid);
    expect(await second.resume(loser, image)).toBe("IMAGE_CONSUMED");
    expect(await second.image(image)).toMatchObject({
      state: "CONSUMED",
      consumedBy: { device: `devices/${winner}`, time: expect.any(String) },
    });
  });

  it("to which a device is suspended is not another's", async () => {
    await using a = new OwnedDirectory();
    const daemon = await a.start("--device", "card0", "--device", "card1");
    const object = await daemon.put(1);
    const image = await daemon.hibernate();
    expect(await daemon.resume("card1", image)).toBe("IMAGE_IN_USE");
    const rehearsal = JSON.stringify({ image: `images/${image}`, validateOnly: true });
    expect(await daemon.reasonOf("POST", "devices/card1:resume", rehearsal)).toBe("IMAGE_IN_USE");
    expect(await daemon.image(image)).toMatchObject({ state: "SEALED", inUse: true });
    expect(await daemon.resume()).toBe("none");
    expect(await daemon.has(object, 1)).toBe(true);
  });

  it("that was moved away from a hybrid sleeper keeps that one from waking", async () => {
    await using a = new OwnedDirectory();
    await using b = new OwnedDirectory();
    const first = await a.start();
    const object = await first.put(1);
    await first.call("POST", "devices/card0:suspend", '{"state":"S3","hybrid":true}');
    const image = String((await first.device()).image).replace("images/", "");
    const second = await b.start();
    a.give(`${image}.image`, b);
    expect(await second.resume("card0", image)).toBe("none");
    expect(await second.has(object, 1)).toBe(true);
    expect(await first.resume()).toBe("OWNERSHIP_LOST");
    expect(await first.device()).toMatchObject({ powerState: "SUSPENDED", ownership: { state: "LOST" } });
    const { status } = await first.call("POST", "devices/card0:reset", '{"scope":"FACTORY"}');
    expect(status).toBe(200);
    expect(await first.device()).toMatchObject({ powerState: "ACTIVE", ownership: { state: "OWNED" } });
    expect((await first.device()).uid).not.toBe((await second.device()).uid);
  });

  it("that was copied half is not shown as one to resume from, and is refused", async () => {
    await using a = new OwnedDirectory();
    await using b = new OwnedDirectory();
    const first = await a.start();
    await first.put(1);
    const image = await first.hibernate();
    const second = await b.start();
    a.give(`${image}.image`, b, true);
    truncateSync(join(b.path, "images", `${image}.image`), 100_000);
    expect(await second.image(image)).toMatchObject({
      state: "UNREADABLE",
      formatVersion: "",
      deviceUid: "",
    });
    expect(await second.resume("card0", image)).toBe("IMAGE_CORRUPT");
    expect(await second.device()).toMatchObject({ powerState: "ACTIVE" });
    expect((await second.call("DELETE", `images/${image}`)).status).toBe(200);
  });
});

describe("a state", { timeout: TIMEOUT_MS }, () => {
  it("that a client put to sleep sleeps through two kills, and is whole", async () => {
    await using a = new OwnedDirectory();
    const first = await a.start();
    const object = await first.put(1);
    const image = await first.hibernate();
    await first.kill();
    for (let death = 0; death < 2; death++) {
      const next = await a.start();
      expect(await next.device()).toMatchObject({ powerState: "SUSPENDED", image: `images/${image}` });
      expect(await next.image(image)).toMatchObject({ state: "SEALED", cause: "CLIENT" });
      await next.kill();
    }
    const last = await a.start();
    expect(await last.resume()).toBe("none");
    expect(await last.has(object, 1)).toBe(true);
  });

  it.each([
    ["auto", "ACTIVE"],
    ["wake", "ACTIVE"],
    ["keep", "SUSPENDED"],
  ])("that the shutdown hibernated is, with --restore %s, %s", async (mode, powerState) => {
    await using a = new OwnedDirectory();
    const first = await a.start("--on-shutdown", "hibernate");
    const object = await first.put(1);
    await first.stop();
    const second = await a.start("--restore", mode);
    expect(await second.device()).toMatchObject({ powerState });
    if (powerState === "SUSPENDED") expect(await second.resume()).toBe("none");
    expect(await second.has(object, 1)).toBe(true);
  });

  it("that was given up has another uid, and new objects have others than it had", async () => {
    await using a = new OwnedDirectory();
    const daemon = await a.start();
    const before = await daemon.device();
    const object = (await daemon.call("GET", await daemon.put(1))).body;
    expect((await daemon.call("POST", "devices/card0:reset", '{"scope":"FACTORY"}')).status).toBe(200);
    const after = await daemon.device();
    expect(after.uid).not.toBe(before.uid);
    expect(after).toMatchObject({ generation: "1", resumedFrom: "" });
    const next = (await daemon.call("GET", await daemon.put(1))).body;
    expect(next.uid).not.toBe(object.uid);
    await daemon.hibernate();
    await daemon.kill();
    const second = await a.start();
    expect(await second.device()).toMatchObject({ uid: after.uid, powerState: "SUSPENDED" });
  });

  it("gives no transition a name that another had, over restarts and resumes that failed", async () => {
    await using a = new OwnedDirectory();
    const names: string[] = [];
    const note = async (daemon: Awaited<ReturnType<typeof a.start>>): Promise<void> => {
      const { body } = await daemon.call("GET", "devices/card0/transitions");
      for (const { name } of body.transitions as { readonly name: string }[]) names.push(name);
    };
    const first = await a.start();
    await first.put(1);
    await first.hibernate();
    await note(first);
    await first.kill();
    for (let life = 0; life < 2; life++) {
      const next = await a.start();
      await next.arm("image.read", { action: "ERROR", count: 1 });
      expect(await next.resume()).toBe("COPY_FAILED");
      await note(next);
      await next.kill();
    }
    const last = await a.start();
    expect(await last.resume()).toBe("none");
    await note(last);
    expect(names).toEqual([1, 2, 3, 4].map((id) => `devices/card0/transitions/${id}`));
    expect(await last.device()).toMatchObject({ generation: "4" });
  });

  it("that an earlier version hibernated comes back from a directory in which nobody remembers whose it is", async () => {
    await using a = new OwnedDirectory();
    const golden = join(import.meta.dirname, "../../device/image/images/device-1.0.image.gz");
    const image = "card0-20261122t182125123z-0a1b2c3d";
    mkdirSync(join(a.path, "images"));
    writeFileSync(join(a.path, "images", `${image}.image`), gunzipSync(readFileSync(golden)));
    const memories = ["--lmem", "16MiB", "--smem", "4MiB", "--swap", "8MiB"];
    const daemon = await a.startAs(...memories, "--engines", "rcs0,bcs0");
    expect(await daemon.device()).toMatchObject({
      powerState: "ACTIVE",
      generation: "1",
      resumedFrom: `images/${image}`,
    });
    expect(await objectsOf(daemon)).toHaveLength(FIXTURE_OBJECTS.length);
    expect(await daemon.image(image)).toMatchObject({ state: "CONSUMED", generation: "0" });
  });

  it("is not guessed when what is remembered of it cannot be read", async () => {
    await using a = new OwnedDirectory();
    const first = await a.start();
    await first.put(1);
    await first.hibernate();
    await first.kill();
    const path = join(a.path, "devices.json");
    const remembered = readFileSync(path);
    writeFileSync(path, "{");
    await expect(a.start()).rejects.toThrow("which says which image is whose, cannot be read");
    writeFileSync(path, remembered);
    const second = await a.start();
    expect(await second.device()).toMatchObject({ powerState: "SUSPENDED" });
  });
});

describe("a write whose answer is lost", { timeout: TIMEOUT_MS }, () => {
  it("is asked for again: the device sleeps and wakes as if nothing had been", async () => {
    await using a = new OwnedDirectory();
    const daemon = await a.start();
    const object = await daemon.put(1);
    for (const write of ["seal", "claim", "commit"]) {
      await daemon.arm(`image.${write}.answer`, { action: "ERROR", count: 2 });
    }
    await daemon.hibernate();
    expect(await daemon.resume()).toBe("none");
    expect(await daemon.has(object, 1)).toBe(true);
    expect(await daemon.device()).toMatchObject({ powerState: "ACTIVE", ownership: { state: "OWNED" } });
  });

  it.each(["seal", "commit"])(
    "of a %s and never comes leaves the device FAILED with every byte",
    async (write) => {
      await using a = new OwnedDirectory();
      const daemon = await a.start();
      const object = await daemon.put(1);
      if (write === "commit") await daemon.hibernate();
      await daemon.arm(`image.${write}.answer`, { action: "ERROR" });
      await daemon.arm("image.abandon.answer", { action: "ERROR" });
      const reason =
        write === "seal"
          ? await daemon.reasonOf("POST", "devices/card0:suspend", '{"state":"S4"}')
          : await daemon.resume();
      expect(reason).toBe("OWNERSHIP_IN_DOUBT");
      expect(await daemon.device()).toMatchObject({ powerState: "FAILED", ownership: { state: "IN_DOUBT" } });
      await daemon.disarm();
      expect(await daemon.resume()).toBe("none");
      expect(await daemon.device()).toMatchObject({ powerState: "ACTIVE", ownership: { state: "OWNED" } });
      expect(await daemon.has(object, 1)).toBe(true);
      await daemon.kill();
      // Nothing is there that could come back over newer bytes.
      const next = await a.start("--restore", "wake");
      expect(await objectsOf(next)).toEqual([]);
    },
  );
});

describe.runIf(canMount())("a disk that turns read-only", { timeout: TIMEOUT_MS }, () => {
  it("between the seal and its answer leaves the device FAILED with every byte, until it can be written again", async () => {
    await using a = new RemountedDirectory();
    const daemon = await a.start();
    const object = await daemon.put(1);
    await daemon.arm("image.seal.answer", { action: "ERROR" });
    const suspend = daemon.reasonOf("POST", "devices/card0:suspend", '{"state":"S4"}');
    await expect.poll(() => daemon.hitsOf("image.seal.answer"), { timeout: PATIENCE_MS }).toBeGreaterThan(0);
    a.remount(daemon, "ro");
    expect(await suspend).toBe("OWNERSHIP_IN_DOUBT");
    const stuck = { powerState: "FAILED", ownership: { state: "IN_DOUBT" } };
    expect(await daemon.device()).toMatchObject(stuck);
    await daemon.disarm();
    // The image is sealed, and cannot be given up: the device must not go on.
    expect(await daemon.resume()).toBe("OWNERSHIP_IN_DOUBT");
    expect(await daemon.device()).toMatchObject(stuck);
    a.remount(daemon, "rw");
    expect(await daemon.resume()).toBe("none");
    expect(await daemon.device()).toMatchObject({ powerState: "ACTIVE", image: "" });
    expect(await daemon.has(object, 1)).toBe(true);
    expect((await daemon.call("GET", "images")).body.images).toEqual([]);
  });

  it("while a device sleeps keeps it asleep, and nothing is claimed", async () => {
    await using a = new RemountedDirectory();
    const daemon = await a.start();
    const object = await daemon.put(1);
    const image = await daemon.hibernate();
    a.remount(daemon, "ro");
    expect(await daemon.resume()).toBe("COPY_FAILED");
    expect(await daemon.device()).toMatchObject({
      powerState: "SUSPENDED",
      ownership: { state: "SLEEPING" },
    });
    expect(await daemon.image(image)).toMatchObject({ state: "SEALED" });
    a.remount(daemon, "rw");
    expect(await daemon.resume()).toBe("none");
    expect(await daemon.has(object, 1)).toBe(true);
  });
});

async function objectsOf(
  daemon: OwnedDaemon,
  device = "card0",
): Promise<readonly { readonly name: string }[]> {
  const { body } = await daemon.call("GET", `devices/${device}/objects`);
  return body.objects as readonly { readonly name: string }[];
}
