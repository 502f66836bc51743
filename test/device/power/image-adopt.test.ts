/** A hibernation image and devices: the one that it is of, which has lost everything, and another one that has nothing. */
import { describe, expect, test } from "vitest";
import type { ImageObject } from "../../../src/device/image/image-model.ts";
import { NONE } from "../../../src/device/memory/object-table.ts";
import { DeviceError } from "../../../src/device/mod.ts";
import { captureImage } from "../../../src/device/power/image/capture.ts";
import { loadImage, matchSlots } from "../../../src/device/power/image/load.ts";
import { findChanged } from "../../../src/device/power/verify.ts";
import {
  adopt,
  adoptAndRestore,
  allContents,
  everythingSeen,
  imaged,
  isEmpty,
  load,
  loseEverything,
  MARKS,
  readSource,
} from "../../support/images.ts";
import { bootCard, hibernated, unpinAll, work } from "../../support/population.ts";
import { MemoryStore } from "../../support/regions.ts";
import {
  bootVirtual,
  create,
  hashOf,
  KIB,
  look,
  MIB,
  patternOf,
  reasonOf,
} from "../../support/test-device.ts";

const OTHER_UID = "11111111-2222-4333-8444-555555555555";

describe("the device that was suspended", () => {
  test("gets back every byte that system memory and swap have lost", async () => {
    const { gpu, before, tables } = await hibernated();
    await loseEverything(gpu);
    const slots = await gpu.clock.run(matchSlots(gpu.device.memory, tables, gpu.clock));
    const { objects, bytes } = await load(gpu, tables, slots);
    const loaded = tables.entries.filter(({ place }) => place === "SYSTEM" || place === "SWAP");
    expect([objects, bytes]).toEqual([
      loaded.length,
      loaded.reduce((sum, entry) => sum + entry.sizeBytes, 0),
    ]);
    await gpu.execute({ type: "resume" });
    gpu.device.checkInvariants();
    expect(await allContents(gpu)).toEqual(before);
    gpu.device.checkInvariants();
  });

  test("has lost it indeed: without the image nothing comes back, and swap says so", async () => {
    const { gpu, things, before } = await hibernated();
    await loseEverything(gpu);
    // Garbage where the page table was: the firmware would not start.
    expect(await reasonOf(gpu.execute({ type: "resume" }))).not.toBe("none");
    const { table, swap } = gpu.device.memory;
    expect(swap?.has(gpu.device.memory.findObject(things.swapped))).toBe(true);
    const page = { runs: [new Uint8Array(64 * KIB)], crc32c: () => 0 };
    const slot = gpu.device.memory.findObject(things.swapped);
    await swap?.readPage(slot, 0, page).catch(() => {});
    expect(hashOf(page.runs[0])).not.toBe(hashOf(patternOf(3, 64 * KIB)));
    expect(before.size).toBeGreaterThan(10);
    expect(table.count).toBeGreaterThan(20);
  });

  test("a load that was stopped in the middle is run again", async () => {
    const { gpu, before, tables } = await hibernated();
    await loseEverything(gpu);
    const slots = await gpu.clock.run(matchSlots(gpu.device.memory, tables, gpu.clock));
    let left = 7;
    const check = (): void => {
      if (left-- === 0) throw new DeviceError("COPY_FAILED", "That is enough for now.");
    };
    const { memory } = gpu.device;
    const options = { clock: gpu.clock, check };
    expect(await reasonOf(gpu.clock.run(loadImage(memory, tables, { ...options, slots })))).toBe(
      "COPY_FAILED",
    );
    await load(gpu, tables, slots);
    await gpu.execute({ type: "resume" });
    expect(await allContents(gpu)).toEqual(before);
    gpu.device.checkInvariants();
  });

  test("a swap store that fails stops the load with COPY_FAILED; the next one works", async () => {
    const { gpu, before, tables } = await hibernated();
    await loseEverything(gpu);
    const slots = await gpu.clock.run(matchSlots(gpu.device.memory, tables, gpu.clock));
    gpu.swap.failWrites = 1;
    expect(await reasonOf(load(gpu, tables, slots))).toBe("COPY_FAILED");
    await load(gpu, tables, slots);
    await gpu.execute({ type: "resume" });
    expect(await allContents(gpu)).toEqual(before);
  });

  test.each([
    ["an object more", (entries: ImageObject[]) => entries.pop()],
    ["another size", (entries: ImageObject[]) => change(entries, "CLIENT", { sizeBytes: 4096 })],
    ["another state", (entries: ImageObject[]) => change(entries, "CLIENT", { state: 3 })],
    ["another object", (entries: ImageObject[]) => change(entries, "CLIENT", { id: 999 })],
  ])("does not take an image of a device with %s", async (_what, alter) => {
    const { gpu, tables } = await hibernated();
    const entries = [...tables.entries];
    alter(entries);
    const other = { ...tables, objectCount: entries.length, object: (index: number) => entries[index] };
    expect(await reasonOf(gpu.clock.run(matchSlots(gpu.device.memory, other, gpu.clock)))).toBe(
      "IMAGE_CORRUPT",
    );
  });
});

describe("what is captured", () => {
  test("has as zeroes the frames that are, in one piece or in many, wherever data begin", async () => {
    const gpu = await bootVirtual({ smem: { sizeBytes: 40 * MIB } });
    const small: string[] = [];
    for (let index = 0; index < 384; index++) {
      small.push(await gpu.upload(patternOf(index % 3, 64 * KIB), { regions: ["smem"] }));
    }
    for (let index = 0; index < small.length; index += 2) {
      await gpu.execute({ type: "deleteObject", object: small[index] });
    }
    const contents = new Map<string, Uint8Array>();
    // Frames of 64 KiB, searched a MiB at a time: the first byte that is not 0 is at their edges and in between.
    for (const at of [-1, 0, 63, 64 * KIB - 1, 64 * KIB, 300_001, MIB - 1, MIB, MIB + 1, 2 * MIB + 99]) {
      const bytes = new Uint8Array(2 * MIB + 100);
      if (at >= 0) bytes[at] = 1;
      contents.set(await gpu.upload(bytes), bytes);
    }
    const pieces = new Uint8Array(MIB + 4 * KIB);
    pieces[MIB - 1] = 1;
    const inPieces = await gpu.upload(pieces, { regions: ["smem"] });
    contents.set(inPieces, pieces);
    await gpu.execute({ type: "suspend", state: "S3" });
    expect((await look(gpu, inPieces)).extents.length).toBeGreaterThan(1);
    const source = await gpu.clock.run(captureImage(imaged(gpu), MARKS));
    const { entries, frames } = await readSource(source);
    for (const [object, bytes] of contents) {
      const index = entries.findIndex(({ kind, id }) => kind === "CLIENT" && String(id) === object);
      const zeroes = [...source.frames(index)].map((frame) => !(frame instanceof Promise) && frame.isZero());
      const expected = (frames.get(index) ?? []).map((frame) => frame.every((byte) => byte === 0));
      expect(zeroes).toEqual(expected);
      const captured = Buffer.concat(frames.get(index) ?? []).subarray(0, bytes.length);
      expect(hashOf(captured)).toBe(hashOf(bytes));
    }
  });

  test("is in order: backups follow their owners, clients' objects come by id", async () => {
    const { tables } = await hibernated();
    for (const [index, entry] of tables.entries.entries()) {
      if (entry.kind === "BACKUP") expect(entry.owner).toBe(index - 1);
      expect(entry.place === "LOCAL").toBe(entry.region > 0);
      expect(entry.place === "LOCAL").toBe(entry.extents.length > 0);
    }
    const clients = tables.entries.filter(({ kind }) => kind === "CLIENT").map(({ id }) => id);
    expect(clients).toEqual(clients.toSorted((a, b) => a - b));
    expect(new Set(tables.entries.map(({ place }) => place))).toEqual(
      new Set(["NONE", "LOCAL", "SYSTEM", "SWAP"]),
    );
  });

  test("fails when swap does not give back what it was given, or gives nothing", async () => {
    for (const reason of ["CHECKSUM_MISMATCH", "COPY_FAILED"]) {
      const { gpu } = await hibernated();
      if (reason === "CHECKSUM_MISMATCH") gpu.swap.damage();
      else gpu.swap.failReads = 1;
      const source = await gpu.clock.run(captureImage(imaged(gpu), MARKS));
      expect(await reasonOf(gpu.clock.run(readSource(source)))).toBe(reason);
    }
  });
});

describe("a device that has just booted", () => {
  test("becomes the one that was suspended: bytes, places, order of use, ids, uids, etags, contexts", async () => {
    const { gpu, things, before, tables, checksums } = await hibernated();
    const other = await bootCard({ uid: OTHER_UID });
    const { slots, checksums: known } = await adoptAndRestore(other, tables);
    other.device.checkInvariants();
    await loseEverything(gpu);
    await load(gpu, tables, await gpu.clock.run(matchSlots(gpu.device.memory, tables, gpu.clock)));
    await gpu.execute({ type: "resume" });
    expect(await everythingSeen(other)).toEqual(await everythingSeen(gpu));
    expect((await look(other, things.scattered)).extents.length).toBeGreaterThan(5);
    expect(other.device.memory.nextIds).toEqual(gpu.device.memory.nextIds);
    expect(known?.size).toBe(checksums.size);
    if (known !== undefined) expect(await other.clock.run(findChanged(other.device, known))).toEqual([]);
    expect([...slots].filter((slot) => slot === NONE).length).toBeGreaterThan(5);
    expect(await allContents(other)).toEqual(before);
    expect(await allContents(gpu)).toEqual(before);
    other.device.checkInvariants();
  });

  test("goes on where the other one stopped: registers are there after new work, numbers go on", async () => {
    const { tables } = await hibernated();
    const gpu = await bootCard({ uid: OTHER_UID });
    await adoptAndRestore(gpu, tables);
    const target = await gpu.upload(new Uint8Array(64 * KIB));
    expect(Number(target)).toBe(tables.device.nextObjectId);
    await work(gpu, "1", [{ op: "storeRegister", register: 5, object: target, offsetBytes: 8 }]);
    const bytes = await gpu.download(target);
    expect(new DataView(bytes.buffer).getBigUint64(8, true)).toBe(0x1234_5678_9abc_def0n);
    for (const [id, register, value] of [
      ["1", 5, 0x1234_5678_9abc_def0n],
      ["2", 2, 2n],
    ] as const) {
      await work(gpu, id, [{ op: "spin", durationMs: 1 }]);
      const context = await gpu.execute({ type: "getContext", context: id });
      expect(context.registers[register]).toBe(value);
    }
    expect(await gpu.execute({ type: "getContext", context: "2" })).toMatchObject({ hangs: 2 });
    await work(gpu, "3", [{ op: "spin", durationMs: 1 }]);
    const made = await gpu.execute({ type: "createContext", engine: "rcs0", priority: "LOW" });
    expect(Number(made.id)).toBe(tables.device.nextContextId);
    expect(Number(made.image.slice(1))).toBe(tables.device.nextOwnedId);
    gpu.device.checkInvariants();
  });

  test("with other engines gives its own objects' numbers to nobody else", async () => {
    const { tables } = await hibernated();
    const gpu = await bootCard({ engines: ["rcs0", "bcs0", "bcs1", "vcs0"] });
    const unsafe = tables.entries.filter(({ place, region }) => place === "LOCAL" && region === 1);
    expect(unsafe.length).toBeGreaterThan(0);
    // More of the device's own objects lie in the way of what was pinned there.
    expect(await reasonOf(adopt(gpu, tables, ["ENGINES"]))).toBe("IMAGE_INCOMPATIBLE");
    expect(isEmpty(gpu)).toBe(true);

    const unpinned = await hibernated((card) => unpinAll(card));
    await adoptAndRestore(gpu, unpinned.tables, ["ENGINES"]);
    gpu.device.checkInvariants();
    const { contexts } = await gpu.execute({ type: "listContexts", afterId: "", limit: 10 });
    const numbers = contexts.flatMap(({ image, ring }) => [image, ring]);
    expect(new Set(numbers).size).toBe(6);
    expect(contexts[0].registers[5]).toBe(0x1234_5678_9abc_def0n);
    const own = gpu.device.memory.ownedSlots.map((slot) => gpu.device.memory.table.id[slot]);
    expect(own).toEqual(own.toSorted((a, b) => a - b));
    expect(await allContents(gpu)).toEqual(unpinned.before);
  });

  test("zeroes what was given up on purpose, whatever lay there", async () => {
    const { tables, things } = await hibernated();
    const gpu = await bootCard();
    for (const sizeBytes of [MIB, 64 * KIB]) {
      for (let full = "none"; full === "none"; ) {
        const object = await create(gpu, { sizeBytes, regions: ["lmem0"] });
        full = await reasonOf(gpu.execute({ type: "pinObject", object }));
        if (full !== "none") continue;
        const data = patternOf(Number(object), sizeBytes);
        await gpu.execute({ type: "writeObject", object, offsetBytes: 0, data });
      }
    }
    expect((await gpu.execute({ type: "getRegion", region: "lmem0" })).availableBytes).toBe(0);
    await gpu.execute({ type: "resetDevice", scope: "FACTORY" });
    await adoptAndRestore(gpu, tables);
    const { sizeBytes } = await look(gpu, things.givenUp);
    expect((await gpu.download(things.givenUp)).every((byte) => byte === 0)).toBe(true);
    expect(sizeBytes).toBe(128 * KIB);
  });

  test("with less swap keeps in system memory what swap cannot take, when that is allowed", async () => {
    const { before, tables } = await hibernated();
    const gpu = await bootCard({ swap: new MemoryStore(64 * KIB), smem: { sizeBytes: 16 * MIB } });
    expect(await reasonOf(adopt(gpu, tables, ["SMEM_SIZE"]))).toBe("IMAGE_INCOMPATIBLE");
    await adoptAndRestore(gpu, tables, ["SMEM_SIZE", "SWAP_SIZE"]);
    gpu.device.checkInvariants();
    expect(await allContents(gpu)).toEqual(before);
  });

  test("is refused an image while it has anything of its own", async () => {
    const { tables } = await hibernated();
    const gpu = await bootCard();
    await create(gpu);
    expect(await reasonOf(adopt(gpu, tables))).toBe("DEVICE_NOT_EMPTY");
    const busy = await bootCard();
    await busy.execute({ type: "createContext", engine: "rcs0", priority: "LOW" });
    expect(await reasonOf(adopt(busy, tables))).toBe("DEVICE_NOT_EMPTY");
  });
});

/** Changes the last entry of a kind. */
function change(entries: ImageObject[], kind: ImageObject["kind"], what: Partial<ImageObject>): void {
  const at = entries.findLastIndex((entry) => entry.kind === kind);
  entries[at] = { ...entries[at], ...what };
}
