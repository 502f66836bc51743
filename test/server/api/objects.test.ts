/** What the wires show and tell of objects and the memory they take, the same over both. */
import type { JsonObject } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Device } from "../../../src/device/mod.ts";
import { bootThreaded, MIB } from "../../support/test-device.ts";
import { type JsonCall, refusalOf, startWires, type Wires } from "../../support/wires.ts";

const parent = "devices/card0";
const size = String(MIB);

let device: Device;
let wires: Wires;

beforeEach(async () => {
  ({ device } = await bootThreaded({
    engineForm: "in-process",
    lmem: [{ sizeBytes: 32 * MIB, visibleBytes: 16 * MIB }],
    smem: { sizeBytes: 64 * MIB },
  }));
  wires = await startWires([device]);
});
afterEach(async () => {
  await wires[Symbol.asyncDispose]();
  device.checkInvariants();
  await device.close();
});

describe.each([
  ["REST", "overRest"],
  ["gRPC", "overGrpc"],
] as const)("over %s", (_wire, wire) => {
  const call: JsonCall = (method, request) => wires[wire](method, request);

  /** An object that has its memory in lmem0, pinned or not. Answers its name. */
  async function resident(label: string, pinned = false): Promise<string> {
    const { name = "" } = await call("CreateObject", { parent, size, label });
    await call("PinObject", { name });
    if (!pinned) await call("UnpinObject", { name });
    return String(name);
  }

  describe("AdviseObject", () => {
    it("has the content thrown away when room is needed, and says so", async () => {
      const name = await resident("");
      expect(await call("AdviseObject", { name, advice: "DONT_NEED" })).toEqual({ retained: true });
      expect(await call("GetObject", { name })).toMatchObject({ madvise: "DONT_NEED", state: "RESIDENT" });
      expect(await refusalOf(call("PinObject", { name }))).toMatchObject({ reason: "OBJECT_PURGED" });
      await call("EvictRegion", { name: `${parent}/regions/lmem0` });
      expect(await call("GetObject", { name })).toMatchObject({ state: "PURGED", region: "", extents: [] });
      expect(await call("AdviseObject", { name, advice: "WILL_NEED" })).toEqual({ retained: false });
    });

    it("can be taken back while the content is there", async () => {
      const name = await resident("");
      await call("AdviseObject", { name, advice: "DONT_NEED" });
      expect(await call("AdviseObject", { name, advice: "WILL_NEED" })).toEqual({ retained: true });
      expect(await call("PinObject", { name })).toMatchObject({ madvise: "WILL_NEED", pinCount: 1 });
    });

    it("is refused while the device sleeps", async () => {
      const name = await resident("");
      await device.execute({ type: "suspend", state: "S3" });
      const refusal = await refusalOf(call("AdviseObject", { name, advice: "DONT_NEED" }));
      expect(refusal).toMatchObject({ reason: "DEVICE_SUSPENDED", code: "FAILED_PRECONDITION" });
    });
  });

  it("GetUsage adds up what clients' objects take by label, asleep too", async () => {
    await resident("weights", true);
    await resident("weights");
    await call("CreateObject", { parent, size, label: "later" });
    const none = { local: "0", system: "0", swapped: "0", pinned: "0" };
    const usage = (local: string, system: string) => ({
      name: `${parent}/usage`,
      accounts: [
        { ...none, label: "weights", objects: 2, local, system, pinned: size },
        { ...none, label: "later", objects: 1 },
      ],
    });
    expect(await call("GetUsage", { name: `${parent}/usage` })).toEqual(usage(String(2 * MIB), "0"));
    await device.execute({ type: "suspend", state: "S3" });
    expect(await call("GetUsage", { name: `${parent}/usage` })).toEqual(usage(size, size));
  });

  it("a region tells its window, its pinned objects and what backups take", async () => {
    await resident("", true);
    const name = `${parent}/regions/lmem0`;
    const lmem = await call("GetRegion", { name });
    expect(lmem).toMatchObject({ size: String(32 * MIB), visible: String(16 * MIB), backup: "0" });
    expect(Number(lmem.visibleAvailable)).toBeLessThan(16 * MIB);
    expect(Number(lmem.pinned)).toBeGreaterThanOrEqual(MIB);
    const pinned = Number(lmem.pinnedObjectCount);
    await resident("", true);
    expect(await call("GetRegion", { name })).toMatchObject({ pinnedObjectCount: pinned + 1 });
    await device.execute({ type: "suspend", state: "S3" });
    const smem = await call("GetRegion", { name: `${parent}/regions/smem` });
    expect(Number(smem.backup)).toBeGreaterThanOrEqual(2 * MIB);
    expect(Number(smem.used)).toBeGreaterThanOrEqual(Number(smem.backup));
  });

  it.each([
    ["S3", "D3COLD"],
    ["S2IDLE", "D3HOT"],
  ])("a transition to %s leads to %s, and back to D0", async (state, dState) => {
    const suspend = await call("Suspend", { name: parent, state });
    expect(suspend).toMatchObject({ dState });
    expect(await call("GetDevice", { name: parent })).toMatchObject({ dState });
    const resume = await call("Resume", { name: parent });
    expect(resume).toMatchObject({ dState: "D0" });
    const { transitions } = await call("ListTransitions", { parent });
    expect(transitions as JsonObject[]).toEqual([resume, suspend]);
  });
});
