/** Hibernation: the image holds what the memories lose, in this process and in the next. */
import { describe, expect, test } from "vitest";
import { ERROR_ONCE } from "../../support/faulty-device.ts";
import {
  boot,
  bootNext,
  expectBytes,
  expectState,
  flipped,
  listed,
  populate,
} from "../../support/hibernation.ts";
import { ANY_OBJECT, bootVirtual, hashOf, MIB, patternOf, reasonOf } from "../../support/test-device.ts";

describe("S4", () => {
  test("loses every memory, and a resume brings every byte back from the image, once", async () => {
    const { gpu, images } = await boot();
    const state = await populate(gpu);
    const suspended = await gpu.execute({ type: "suspend", state: "S4" });
    expect(suspended).toMatchObject({ state: "SUCCEEDED", sleepState: "S4", dState: "D3COLD" });
    expect(suspended.phases.map((each) => each.phase).slice(-3)).toEqual([
      "firmware_stop",
      "image",
      "power_off",
    ]);
    const [image] = images.idsOf("SEALED");
    expect((await gpu.execute({ type: "getDevice" })).image).toBe(image);
    const { bank } = gpu.device.memory.system;
    await gpu.clock.run(gpu.device.rail.restored());
    for (const [, text] of state.markers) expect(Buffer.from(bank.bytes.buffer).includes(text)).toBe(false);

    const resumed = await gpu.execute({ type: "resume" });
    expect(resumed.phases[0]).toMatchObject({ phase: "image" });
    expect(resumed.phases[0].bytes).toBeGreaterThan(0);
    expect(images.idsOf("CONSUMED")).toEqual([image]);
    expect((await gpu.execute({ type: "getDevice" })).image).toBe("");
    await expectState(gpu, state);
  });

  test("another process resumes from the image: same ids, uids, labels, places, pins, registers and bytes", async () => {
    const { gpu, images } = await boot();
    const state = await populate(gpu);
    await gpu.execute({ type: "suspend", state: "S4" });
    const { gpu: next } = await bootNext(images);
    expect(await next.execute({ type: "getDevice" })).toMatchObject({
      powerState: "SUSPENDED",
      sleepState: "S4",
      dState: "D3COLD",
    });
    expect(await reasonOf(next.execute(ANY_OBJECT))).toBe("DEVICE_SUSPENDED");
    expect((await next.execute({ type: "resume" })).state).toBe("SUCCEEDED");
    await expectState(next, state);
    expect((await next.execute({ type: "getDevice" })).suspendCount).toBe(1);
    // What comes next gets ids that nobody had.
    const before = Math.max(...state.objects.map((each) => Number(each.id)));
    expect(Number((await next.execute(ANY_OBJECT)).id)).toBeGreaterThan(before);
    await next.execute({ type: "suspend", state: "S4" });
    await next.execute({ type: "resume" });
    await expectState(next, state);
  });

  test("through five processes, with work in each", async () => {
    const first = await boot();
    const state = await populate(first.gpu);
    let { gpu, images } = first;
    for (let process = 0; process < 5; process++) {
      await gpu.execute({ type: "suspend", state: "S4", verify: process % 2 === 0 });
      ({ gpu, images } = await bootNext(images));
      await gpu.execute({ type: "resume" });
      await expectState(gpu, state);
    }
  });

  test("without a store is refused, and so is hybrid sleep to any other state", async () => {
    const gpu = await bootVirtual();
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S4" }))).toBe("IMAGE_STORE_MISSING");
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3", hybrid: true }))).toBe(
      "IMAGE_STORE_MISSING",
    );
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S2IDLE", hybrid: true }))).toBe(
      "INVALID_REQUEST",
    );
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("ACTIVE");
  });

  test("verifies what came through the image, in another process too", async () => {
    const { gpu, images } = await boot();
    const state = await populate(gpu);
    await gpu.execute({ type: "suspend", state: "S4", verify: true });
    const { gpu: next, failpoints } = await bootNext(images);
    failpoints.arm("verify.mismatch", ERROR_ONCE);
    expect(await reasonOf(next.execute({ type: "resume", verify: true }))).toBe("CHECKSUM_MISMATCH");
    expect((await next.execute({ type: "getDevice" })).powerState).toBe("FAILED");
    await next.execute({ type: "resume" });
    const lost = (await listed(next)).filter((object) => object.state === "UNKNOWN");
    expect(lost).toHaveLength(1);
    state.hashes.delete(lost[0].id);
    await expectBytes(next, state.hashes);
  });
});

test("a resume refuses a difference that has no such name, also of the device that wrote the image", async () => {
  const { gpu } = await boot();
  await gpu.execute({ type: "suspend", state: "S4" });
  expect(await reasonOf(gpu.execute({ type: "resume", allowDifferences: ["NO_SUCH"] }))).toBe(
    "INVALID_REQUEST",
  );
  expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("SUSPENDED");
});

describe("a resume that is only rehearsed", () => {
  test.each([
    { state: "S4" as const, hybrid: false },
    { state: "S3" as const, hybrid: true },
  ])("by the device that wrote the image ($state) finds its own objects in nobody's way", async (how) => {
    const { gpu } = await boot({ smem: { sizeBytes: 16 * MIB } });
    const state = await populate(gpu);
    await gpu.execute({ type: "suspend", ...how });
    expect(await gpu.execute({ type: "resume", validateOnly: true })).toMatchObject({ kind: "RESUME" });
    await gpu.execute({ type: "resume" });
    await expectState(gpu, state);
  });
});

describe("hybrid sleep", () => {
  test("keeps system memory too: a wake-up reads no image, and consumes it", async () => {
    const { gpu, images } = await boot({ smem: { sizeBytes: 16 * MIB } });
    const state = await populate(gpu);
    await gpu.execute({ type: "suspend", state: "S3", hybrid: true });
    expect(images.idsOf("SEALED")).toHaveLength(1);
    const resumed = await gpu.execute({ type: "resume" });
    expect(resumed.phases.map((each) => each.phase)).not.toContain("image");
    expect(images.idsOf("SEALED")).toEqual([]);
    await expectState(gpu, state);
  });

  test("of a device that is in S3 already is the same state once there is an image", async () => {
    const { gpu } = await boot({ smem: { sizeBytes: 16 * MIB } });
    const hybrid = { type: "suspend", state: "S3", hybrid: true } as const;
    await gpu.execute({ type: "suspend", state: "S3" });
    const { id } = await gpu.execute(hybrid);
    expect(await gpu.execute(hybrid)).toMatchObject({ id, alreadyInState: true });
    expect(await gpu.execute({ type: "suspend", state: "S3" })).toMatchObject({ id, alreadyInState: true });
  });

  test("survives the death of the process", async () => {
    const smem = { sizeBytes: 16 * MIB };
    const { gpu, images } = await boot({ smem });
    const state = await populate(gpu);
    await gpu.execute({ type: "suspend", state: "S3", hybrid: true });
    const { gpu: next } = await bootNext(images, { smem });
    await next.execute({ type: "resume" });
    await expectState(next, state);
  });
});

describe("an ACTIVE device", () => {
  test("that is empty resumes from an image that it is given; one that is not, does not", async () => {
    const { gpu, images } = await boot();
    const state = await populate(gpu);
    await gpu.execute({ type: "suspend", state: "S4" });
    const [image] = images.idsOf("SEALED");
    const other = await boot({ images });
    const object = await other.gpu.execute(ANY_OBJECT);
    expect(await reasonOf(other.gpu.execute({ type: "resume", image }))).toBe("DEVICE_NOT_EMPTY");
    // A name that is wrong is wrong whatever the device holds.
    expect(await reasonOf(other.gpu.execute({ type: "resume", image: "card0-99" }))).toBe("IMAGE_NOT_FOUND");
    await other.gpu.execute({ type: "deleteObject", object: object.id });
    expect(await reasonOf(other.gpu.execute({ type: "resume", image: "card0-99" }))).toBe("IMAGE_NOT_FOUND");
    const rehearsed = await other.gpu.execute({ type: "resume", image, validateOnly: true });
    expect(rehearsed).toMatchObject({ id: "", kind: "RESUME" });
    expect((await other.gpu.execute({ type: "getDevice" })).powerState).toBe("ACTIVE");
    await other.gpu.execute({ type: "resume", image });
    await expectState(other.gpu, state);
    expect(images.idsOf("SEALED")).toEqual([]);
  });

  test("stays as it was when the image turns out to be damaged", async () => {
    const { gpu, images } = await boot();
    await populate(gpu);
    await gpu.execute({ type: "suspend", state: "S4" });
    const [id] = images.idsOf("SEALED");
    const image = images.images.get(id);
    if (image === undefined) throw new Error("the image is there");
    image.bytes = flipped(image.bytes, Math.floor(image.bytes.length / 2));
    const other = await boot({ images });
    expect(await reasonOf(other.gpu.execute({ type: "resume", image: id }))).toBe("IMAGE_CORRUPT");
    expect(await other.gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "ACTIVE", image: "" });
    expect(await listed(other.gpu)).toEqual([]);
    other.gpu.device.checkInvariants();
    expect(images.idsOf("SEALED")).toEqual([id]);
    const bytes = patternOf(3, MIB);
    expect(hashOf(await other.gpu.download(await other.gpu.upload(bytes)))).toBe(hashOf(bytes));
  });

  test("of another make takes it only when every difference is allowed, and says which there are", async () => {
    const { gpu, images } = await boot();
    const state = await populate(gpu);
    await gpu.execute({ type: "suspend", state: "S4" });
    const larger = { lmem: [{ sizeBytes: 32 * MIB }], smem: { sizeBytes: 12 * MIB } };
    const next = await bootNext(images, larger);
    await expect(next.gpu.execute({ type: "resume" })).rejects.toMatchObject({
      reason: "IMAGE_INCOMPATIBLE",
      metadata: {
        differences: "LMEM_SIZE,LMEM_VISIBLE,SMEM_SIZE",
        allowable: "LMEM_SIZE,LMEM_VISIBLE,SMEM_SIZE",
      },
    });
    const allowDifferences = ["LMEM_SIZE"];
    expect(await reasonOf(next.gpu.execute({ type: "resume", allowDifferences }))).toBe("IMAGE_INCOMPATIBLE");
    expect(await reasonOf(next.gpu.execute({ type: "resume", allowDifferences: ["NO_SUCH"] }))).toBe(
      "INVALID_REQUEST",
    );
    expect((await next.gpu.execute({ type: "getDevice" })).powerState).toBe("SUSPENDED");
    await next.gpu.execute({ type: "resume", allowDifferences: ["LMEM_SIZE", "LMEM_VISIBLE", "SMEM_SIZE"] });
    await expectState(next.gpu, state);
  });
});
