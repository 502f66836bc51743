/** What `execute` promises to whoever calls it, of any device: the real one and the one that wires are tested with. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { CommandOf, CommandType } from "../../src/device/command.ts";
import type { DeviceHandle } from "../../src/server/api/devices.ts";
import { ANY_OBJECT, reasonOf } from "./test-device.ts";

type Device = Pick<DeviceHandle, "execute">;

/** A page of local memory: sizes are rounded up to one. */
const SIZE_BYTES = 65_536;
const BYTES = new TextEncoder().encode("twelve bytes");

/** Says every claim of the device that `make` makes. It is new, ACTIVE and empty, and its name is card0. */
export function claimsOfDevice(make: () => Promise<Device>): void {
  describe("names", () => namesAreKnown(make));
  describe("objects", () => objectsAreKept(make));
  describe("batches", () => batchesAreObjects(make));
  describe("content", () => contentIsKept(make));
  describe("power", () => transitionsAreKept(make));
}

function namesAreKnown(make: () => Promise<Device>): void {
  it("of regions and engines are those that the device lists", async () => {
    const device = await make();
    const shown = await device.execute({ type: "getDevice" });
    expect(shown).toMatchObject({ name: "card0", powerState: "ACTIVE", dState: "D0", transition: "" });
    const regions = await device.execute({ type: "listRegions" });
    expect(regions.map(({ id }) => id)).toEqual(shown.regions);
    for (const region of shown.regions) {
      expect(await device.execute({ type: "getRegion", region })).toMatchObject({ id: region });
    }
    const engines = await device.execute({ type: "listEngines" });
    expect(engines.map(({ name }) => name)).toEqual(shown.engines);
    for (const engine of shown.engines) {
      expect(await device.execute({ type: "getEngine", engine })).toMatchObject({ name: engine });
    }
  });

  it.each([
    ["REGION_NOT_FOUND", { type: "getRegion", region: "none" }],
    ["ENGINE_NOT_FOUND", { type: "getEngine", engine: "none" }],
    ["ENGINE_NOT_FOUND", { type: "createContext", engine: "none", priority: "NORMAL" }],
    ["OBJECT_NOT_FOUND", { type: "getObject", object: "999" }],
    ["OBJECT_NOT_FOUND", { type: "deleteObject", object: "999" }],
    ["OBJECT_NOT_FOUND", { type: "pinObject", object: "999" }],
    ["OBJECT_NOT_FOUND", { type: "unpinObject", object: "999" }],
    ["OBJECT_NOT_FOUND", { type: "checksumObject", object: "999" }],
    ["OBJECT_NOT_FOUND", { type: "readObject", object: "999", offsetBytes: 0, lengthBytes: 1 }],
    ["OBJECT_NOT_FOUND", { type: "writeObject", object: "999", offsetBytes: 0, data: BYTES }],
    ["OBJECT_NOT_FOUND", { type: "batchPinObjects", objects: ["999"] }],
    ["OBJECT_NOT_FOUND", { type: "batchDeleteObjects", objects: ["999"] }],
    ["CONTEXT_NOT_FOUND", { type: "getContext", context: "999" }],
    ["CONTEXT_NOT_FOUND", { type: "deleteContext", context: "999" }],
    ["FENCE_NOT_FOUND", { type: "getFence", fence: "999" }],
    ["TRANSITION_NOT_FOUND", { type: "getTransition", transition: "999" }],
    ["TRANSITION_NOT_FOUND", { type: "getTransitionTrace", transition: "999" }],
    ["TRANSITION_NOT_FOUND", { type: "cancelTransition", transition: "999" }],
  ] as const satisfies readonly (readonly [string, CommandOf<CommandType>])[])(
    "that nothing has are refused: %s for %o",
    async (reason, command) => {
      const device = await make();
      expect(await reasonOf(device.execute<CommandType>(command))).toBe(reason);
    },
  );
}

function objectsAreKept(make: () => Promise<Device>): void {
  it("are as they were asked for, and have no bytes before they are used", async () => {
    const device = await make();
    const made = await device.execute({ ...ANY_OBJECT, label: "weights", flags: ["CPU_CLEAR"] });
    expect(made).toMatchObject({ sizeBytes: ANY_OBJECT.sizeBytes, label: "weights" });
    expect(made).toMatchObject({ state: "UNPOPULATED", extents: [], pinCount: 0, hasBackup: false });
    expect(made.flags).toContain("CPU_CLEAR");
    expect(await device.execute({ type: "getObject", object: made.id })).toEqual(made);
    await device.execute({ type: "writeObject", object: made.id, offsetBytes: 0, data: BYTES });
    const used = await device.execute({ type: "getObject", object: made.id });
    expect(used).toMatchObject({ state: "RESIDENT", region: "lmem0" });
    expect(used.extents.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)).toBeGreaterThanOrEqual(
      made.sizeBytes,
    );
  });

  it("of no size are refused", async () => {
    const device = await make();
    expect(await reasonOf(device.execute({ ...ANY_OBJECT, sizeBytes: 0 }))).toBe("INVALID_SIZE");
  });

  it("never get the id of another, not even of one that is gone", async () => {
    const device = await make();
    const ids = [await create(device), await create(device)];
    await device.execute({ type: "deleteObject", object: ids[0] });
    expect(await reasonOf(device.execute({ type: "getObject", object: ids[0] }))).toBe("OBJECT_NOT_FOUND");
    ids.push(await create(device));
    expect(new Set(ids).size).toBe(3);
  });

  it("are listed by pages, in the order of their ids", async () => {
    const device = await make();
    const ids = [await create(device), await create(device), await create(device)];
    const page = (afterId: string) =>
      device.execute({ type: "listObjects", afterId, limit: 2, showDeviceOwned: false });
    const first = await page("");
    expect(first.objects.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    const second = await page(first.nextAfterId);
    expect(second.objects.map(({ id }) => id)).toEqual(ids.slice(2));
    expect(second.nextAfterId).toBe("");
  });

  it("count their pins, and stay while they have one", async () => {
    const device = await make();
    const object = await create(device);
    expect(await device.execute({ type: "pinObject", object })).toMatchObject({ pinCount: 1 });
    const pinned = await device.execute({ type: "pinObject", object });
    expect(pinned).toMatchObject({ pinCount: 2, evictable: false, state: "RESIDENT" });
    expect(await reasonOf(device.execute({ type: "deleteObject", object }))).toBe("OBJECT_PINNED");
    await device.execute({ type: "unpinObject", object });
    expect(await device.execute({ type: "unpinObject", object })).toMatchObject({ pinCount: 0 });
    expect(await reasonOf(device.execute({ type: "unpinObject", object }))).toBe("OBJECT_NOT_PINNED");
  });

  it("have another etag when they have changed, and are not changed for who saw another", async () => {
    const device = await make();
    const before = await device.execute(ANY_OBJECT);
    const after = await device.execute({ type: "pinObject", object: before.id, etag: before.etag });
    expect(after.etag).not.toBe(before.etag);
    const late = device.execute({ type: "unpinObject", object: before.id, etag: before.etag });
    expect(await reasonOf(late)).toBe("ETAG_MISMATCH");
    expect(await device.execute({ type: "getObject", object: before.id })).toEqual(after);
  });
}

function batchesAreObjects(make: () => Promise<Device>): void {
  it("make, pin, unpin and delete each of their objects", async () => {
    const device = await make();
    const { type: _type, ...template } = ANY_OBJECT;
    const { objects } = await device.execute({ type: "batchCreateObjects", template, count: 3 });
    expect(new Set(objects).size).toBe(3);
    const pins = async () => {
      const found = objects.map((object) => device.execute({ type: "getObject", object }));
      return (await Promise.all(found)).map(({ pinCount }) => pinCount);
    };
    await device.execute({ type: "batchPinObjects", objects });
    expect(await pins()).toEqual([1, 1, 1]);
    await device.execute({ type: "batchUnpinObjects", objects });
    expect(await pins()).toEqual([0, 0, 0]);
    await device.execute({ type: "batchDeleteObjects", objects });
    const [object] = objects;
    expect(await reasonOf(device.execute({ type: "getObject", object }))).toBe("OBJECT_NOT_FOUND");
  });
}

function contentIsKept(make: () => Promise<Device>): void {
  it("is what was written, zero where nothing was, and summed whole", async () => {
    const device = await make();
    const object = await create(device);
    const written = { type: "writeObject", object, offsetBytes: 100, data: BYTES } as const;
    expect(await device.execute(written)).toEqual({ bytesWritten: BYTES.byteLength });
    const expected = new Uint8Array(SIZE_BYTES);
    expected.set(BYTES, 100);
    const read = { type: "readObject", object, offsetBytes: 0, lengthBytes: SIZE_BYTES } as const;
    expect(Buffer.from(await device.execute(read)).equals(expected)).toBe(true);
    expect(await device.execute({ type: "checksumObject", object })).toEqual({
      crc32c: expect.any(Number),
      sha256Hex: createHash("sha256").update(expected).digest("hex"),
      sizeBytes: SIZE_BYTES,
    });
  });

  it.each([
    ["writeObject", { offsetBytes: SIZE_BYTES - 6, data: BYTES }],
    ["writeObject", { offsetBytes: 0, data: new Uint8Array(), declaredBytes: SIZE_BYTES + 1 }],
    ["readObject", { offsetBytes: SIZE_BYTES - 6, lengthBytes: 12 }],
  ] as const)("beyond the end is refused: %s of %o", async (type, range) => {
    const device = await make();
    const object = await create(device);
    const command = { type, object, ...range } as CommandOf<"readObject" | "writeObject">;
    expect(await reasonOf(device.execute<"readObject" | "writeObject">(command))).toBe("INVALID_RANGE");
  });
}

function transitionsAreKept(make: () => Promise<Device>): void {
  const suspend = { type: "suspend", state: "S3" } as const;

  it("is what the last transition left, and each transition can be found", async () => {
    const device = await make();
    const down = await device.execute({ ...suspend, onIdleTimeout: "WEDGE", verify: false, hybrid: false });
    expect(down).toMatchObject({ kind: "SUSPEND", state: "SUCCEEDED", dState: "D3COLD", sleepState: "S3" });
    const asleep = await device.execute({ type: "getDevice" });
    expect(asleep).toMatchObject({ powerState: "SUSPENDED", dState: "D3COLD", suspendCount: 1 });
    const up = await device.execute({ type: "resume" });
    expect(up).toMatchObject({ kind: "RESUME", state: "SUCCEEDED", dState: "D0" });
    const awake = await device.execute({ type: "getDevice" });
    expect(awake).toMatchObject({ powerState: "ACTIVE", dState: "D0", transition: up.id });
    expect(await device.execute({ type: "getTransition", transition: down.id })).toEqual(down);
    const page = await device.execute({ type: "listTransitions", beforeId: "", limit: 1 });
    expect(page.transitions).toEqual([up]);
    const rest = await device.execute({ type: "listTransitions", beforeId: page.nextBeforeId, limit: 9 });
    expect(rest).toEqual({ transitions: [down], nextBeforeId: "" });
  });

  it("is not touched by a transition that is only checked", async () => {
    const device = await make();
    const before = await device.execute({ type: "getDevice" });
    const checked = await device.execute({
      ...suspend,
      onIdleTimeout: "WEDGE",
      verify: false,
      hybrid: false,
      validateOnly: true,
    });
    expect(checked.id).toBe("");
    expect(await device.execute({ type: "getDevice" })).toEqual(before);
  });

  it("of runtime PM is what was set last, and the rest is left", async () => {
    const device = await make();
    const before = await device.execute({ type: "getRuntimePm" });
    const changed = await device.execute({ type: "updateRuntimePm", autosuspendDelayMs: 4321 });
    expect(changed).toEqual({ ...before, autosuspendDelayMs: 4321 });
    expect(await device.execute({ type: "getRuntimePm" })).toEqual(changed);
  });
}

async function create(device: Device): Promise<string> {
  return (await device.execute({ ...ANY_OBJECT, sizeBytes: SIZE_BYTES })).id;
}
