/** Images that cannot be taken over: there is no room for them, or they contradict themselves. */
import { describe, expect, test } from "vitest";
import type { ImageContext, ImageDevice, ImageObject } from "../../../src/device/image/image-model.ts";
import { adopt, adoptAndRestore, allContents, type FakeTables, isEmpty } from "../../support/images.ts";
import { bootCard, hibernated } from "../../support/population.ts";
import { KIB, MIB, reasonOf } from "../../support/test-device.ts";

const OTHER_UID = "11111111-2222-4333-8444-555555555555";

describe("an adoption that fails", () => {
  test("for want of room leaves an empty device, which takes the image when there is room", async () => {
    const { before, tables } = await hibernated();
    const gpu = await bootCard({ uid: OTHER_UID });
    const { system, nextIds } = gpu.device.memory;
    for (const leftBytes of [4 * KIB, 1 * MIB, 3 * MIB]) {
      const request = { alignmentBytes: 0, contiguous: false, topDown: false, visibleOnly: false };
      const sizeBytes = system.sizeBytes - leftBytes;
      const taken = system.allocate({ ...request, sizeBytes, preferCleared: false });
      expect(await reasonOf(adopt(gpu, tables))).toBe("SYSTEM_MEMORY_EXHAUSTED");
      system.giveUp(taken);
      expect(isEmpty(gpu)).toBe(true);
      gpu.device.checkInvariants();
    }
    expect(gpu.device.memory.nextIds).toEqual(nextIds);
    expect(gpu.device.memory.deviceUid).toBe(OTHER_UID);
    await adoptAndRestore(gpu, tables);
    expect(await allContents(gpu)).toEqual(before);
  });

  const entry = (kind: ImageObject["kind"], change_: Partial<ImageObject>) => (tables: FakeTables) =>
    change(tables.entries, kind, change_);
  const place = (wanted: ImageObject["place"], change_: Partial<ImageObject>) => (tables: FakeTables) => {
    const at = tables.entries.findLastIndex((each) => each.kind === "CLIENT" && each.place === wanted);
    tables.entries[at] = { ...tables.entries[at], ...change_ };
  };
  const context = (change_: Partial<ImageContext>) => (tables: FakeTables) =>
    Object.assign(tables, {
      contexts: [...tables.contexts.slice(0, -1), { ...tables.contexts[2], ...change_ }],
    });
  const facts = (change_: Partial<ImageDevice>) => (tables: FakeTables) =>
    Object.assign(tables, { device: { ...tables.device, ...change_ } });
  test.each<[string, (tables: FakeTables) => unknown]>([
    ["an id that was used before", entry("CLIENT", { id: 1 })],
    ["an id that is not a number", entry("CLIENT", { id: Number.NaN })],
    ["an id that is still to come", entry("CLIENT", { id: 1e6 })],
    ["no bytes", entry("CLIENT", { sizeBytes: 0 })],
    ["flags of the device's own", entry("CLIENT", { flags: 2 })],
    ["no region", entry("CLIENT", { regions: [] })],
    ["a region that is not there", entry("CLIENT", { regions: [1, 9] })],
    ["a region twice", entry("CLIENT", { regions: [1, 1] })],
    ["an alignment that is none", entry("CLIENT", { alignmentBytes: 3 })],
    ["pins without bytes", place("NONE", { pinCount: 1 })],
    ["bytes without a place", place("NONE", { state: 1 })],
    ["swapped bytes in system memory", place("SYSTEM", { state: 2 })],
    [
      "an extent beyond its region",
      place("LOCAL", { extents: [{ offsetBytes: 2 ** 40, lengthBytes: MIB }] }),
    ],
    ["an extent that is not a number", place("LOCAL", { extents: [{ offsetBytes: 0.5, lengthBytes: MIB }] })],
    [
      "a contiguous object in pieces",
      place("LOCAL", {
        flags: 1 | 4,
        extents: [
          { offsetBytes: 0, lengthBytes: 512 * KIB },
          { offsetBytes: MIB, lengthBytes: 512 * KIB },
        ],
      }),
    ],
    ["extents that are too few", place("LOCAL", { extents: [] })],
    ["a region of extents that is not there", place("LOCAL", { region: 4 })],
    ["a backup of nothing", entry("BACKUP", { owner: 0.5 })],
    ["a backup of what has one", entry("BACKUP", { owner: 1e9 })],
    ["a backup of another size", entry("BACKUP", { sizeBytes: 4 * KIB })],
    ["a backup in swap", entry("BACKUP", { place: "SWAP", state: 2 })],
    ["a context twice", context({ id: 1 })],
    ["a context of the future", context({ id: 77 })],
    ["a context with half a hang", context({ hangs: 0.5 })],
    ["a context without its ring", context({ ringObject: 500 })],
    ["a context whose ring is another's", context({ ringObject: 9 })],
    ["a context whose ring is an image", context({ ringObject: 14, imageObject: 13 })],
    ["a uid that is none", facts({ uid: "card0" })],
    ["a counter that is none", facts({ nextFenceId: Number.NaN })],
  ])("because the image contradicts itself, with %s, leaves an empty device", async (_what, alter) => {
    const tables = await corruptible();
    alter(tables);
    const gpu = await bootCard();
    expect(await reasonOf(adopt(gpu, tables))).toBe("IMAGE_CORRUPT");
    expect(isEmpty(gpu)).toBe(true);
    gpu.device.checkInvariants();
  });

  test("because two objects lie in one place leaves an empty device", async () => {
    const tables = await corruptible();
    const local = tables.entries.filter(({ kind, place: at }) => kind === "CLIENT" && at === "LOCAL");
    const [first, second] = local.filter(({ region }) => region === 1);
    tables.entries[tables.entries.indexOf(second)] = { ...second, extents: first.extents };
    const gpu = await bootCard();
    expect(await reasonOf(adopt(gpu, tables))).toBe("IMAGE_CORRUPT");
    expect(isEmpty(gpu)).toBe(true);
    gpu.device.checkInvariants();
    await adoptAndRestore(gpu, await corruptible());
  });
});

/** Changes the last entry of a kind. */
function change(entries: ImageObject[], kind: ImageObject["kind"], what: Partial<ImageObject>): void {
  const at = entries.findLastIndex((entry) => entry.kind === kind);
  entries[at] = { ...entries[at], ...what };
}

let pristine: Promise<FakeTables> | undefined;

/** Tables that a test may spoil. */
async function corruptible(): Promise<FakeTables> {
  pristine ??= hibernated().then(({ tables }) => tables);
  const tables = await pristine;
  const entries = [...tables.entries];
  return { ...tables, entries, object: (index: number) => entries[index] };
}
