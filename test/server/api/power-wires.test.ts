/** Runtime PM, hibernation images and traces over both wires, with a device and a store that do as they are told. */
import type { JsonObject } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FakeDevice, RUNTIME_PM } from "../../support/fake-device.ts";
import { FakeImages, IMAGE_FACTS, threeImages } from "../../support/fake-images.ts";
import { type JsonCall, refusalOf, startWires, type Wires } from "../../support/wires.ts";

let device: FakeDevice;
let images: FakeImages;
let wires: Wires;
let bare: Wires;

beforeAll(async () => {
  device = new FakeDevice();
  images = new FakeImages();
  wires = await startWires([device], { images });
  bare = await startWires([device]);
});
beforeEach(() => {
  device.commands.length = 0;
  device.shows = {};
  device.runtimePm = RUNTIME_PM;
  images.facts = IMAGE_FACTS;
  images.records = threeImages();
});
afterAll(async () => {
  await wires[Symbol.asyncDispose]();
  await bare[Symbol.asyncDispose]();
});

const WIRES: readonly ["REST" | "gRPC", (on: Wires) => JsonCall][] = [
  ["REST", (on) => on.overRest],
  ["gRPC", (on) => on.overGrpc],
];
const NAME = "devices/card0/runtimePm";

describe.each(WIRES)("over %s", (wire, callOf) => {
  const call = (method: string, request: JsonObject) => callOf(wires)(method, request);

  describe("a suspend", () => {
    it("hands on S4, hybrid and validateOnly, and a validated one has no name", async () => {
      const request = { name: "devices/card0", state: "S4", hybrid: true, validateOnly: true };
      const answer = await call("Suspend", request);
      expect(answer).toMatchObject({ name: "", kind: "SUSPEND", sleepState: "S4" });
      expect(device.commands).toEqual([
        {
          type: "suspend",
          state: "S4",
          onIdleTimeout: "WEDGE",
          verify: false,
          hybrid: true,
          validateOnly: true,
        },
      ]);
    });
  });

  describe("a resume", () => {
    it.each(["images/card0-c", "card0-c"])("hands on the image %s and what may differ", async (image) => {
      await call("Resume", { name: "devices/card0", image, allowDifferences: ["uid", "engines"] });
      expect(device.commands).toEqual([
        {
          type: "resume",
          allowDifferences: ["uid", "engines"],
          verify: false,
          validateOnly: false,
          image: "card0-c",
        },
      ]);
    });

    it("refuses a name that is no image's", async () => {
      const refused = await refusalOf(call("Resume", { name: "devices/card0", image: "objects/1" }));
      expect(refused).toMatchObject({ reason: "INVALID_REQUEST" });
      expect(device.commands).toEqual([]);
    });
  });

  describe("runtime PM", () => {
    it("shows its settings and how it stands", async () => {
      expect(await call("GetRuntimePm", { name: NAME })).toMatchObject({
        name: NAME,
        autosuspendDelay: expect.stringMatching(/^1\.5/),
        d3coldThreshold: "4096",
        status: "ACTIVE",
        usageCount: 1,
        suspendedDuration: expect.stringMatching(/^2\.5/),
        suspends: "3",
      });
    });

    it("changes what is given, and nothing else", async () => {
      const answer = await call("UpdateRuntimePm", { runtimePm: { name: NAME, enabled: true } });
      expect(device.commands).toEqual([{ type: "updateRuntimePm", enabled: true }]);
      expect(answer).toMatchObject({ enabled: true, d3coldThreshold: "4096" });
    });

    it("tells false and 0 from what is not given", async () => {
      const runtimePm = {
        name: NAME,
        enabled: false,
        d3coldThreshold: "0",
        autosuspendDelay: "0s",
        verify: false,
      };
      await call("UpdateRuntimePm", { runtimePm });
      expect(device.commands).toEqual([
        {
          type: "updateRuntimePm",
          enabled: false,
          d3coldThresholdBytes: 0,
          autosuspendDelayMs: 0,
          verify: false,
        },
      ]);
    });

    it("changes only what the mask names", async () => {
      const runtimePm = { name: NAME, enabled: true, autosuspendDelay: "2s" };
      await call("UpdateRuntimePm", { runtimePm, updateMask: "autosuspendDelay" });
      expect(device.commands).toEqual([{ type: "updateRuntimePm", autosuspendDelayMs: 2000 }]);
    });

    it.each([
      ["names what is not given", { name: NAME }, "enabled", "runtimePm.enabled"],
      ["names what cannot be changed", { name: NAME, enabled: true }, "usageCount", "updateMask"],
      [
        "is of everything and half is given",
        { name: NAME, enabled: true },
        "*",
        "runtimePm.autosuspendDelay",
      ],
    ])("refuses a mask that %s", async (_title, runtimePm, updateMask, field) => {
      const refused = await refusalOf(call("UpdateRuntimePm", { runtimePm, updateMask }));
      expect(refused).toMatchObject({
        code: "INVALID_ARGUMENT",
        reason: "INVALID_REQUEST",
        metadata: { field },
      });
      expect(device.commands).toEqual([]);
    });

    it("refuses a delay below zero and a device that is not there", async () => {
      const negative = { name: NAME, autosuspendDelay: "-1s" };
      const field = "runtimePm.autosuspendDelay";
      expect(await refusalOf(call("UpdateRuntimePm", { runtimePm: negative }))).toMatchObject({
        reason: "INVALID_REQUEST",
        metadata: { field },
      });
      const other = { name: "devices/card9/runtimePm", enabled: true };
      expect(await refusalOf(call("UpdateRuntimePm", { runtimePm: other }))).toMatchObject({
        reason: "DEVICE_NOT_FOUND",
      });
    });
  });

  describe("images", () => {
    it("are shown with what their content says, and whether a device needs them", async () => {
      device.shows = { image: "card0-c" };
      expect(await call("GetImage", { name: "images/card0-c" })).toEqual({
        name: "images/card0-c",
        device: "devices/card0",
        state: "SEALED",
        createTime: "1970-01-01T00:00:01.500Z",
        sizeBytes: "4096",
        formatVersion: "1.0",
        hybrid: true,
        codec: "ZSTD",
        objectCount: 7,
        contentBytes: "8192",
        inUse: true,
        deviceUid: "6f1c2d3e-4b5a-4978-8c6d-0123456789ab",
        generation: "3",
        cause: "CLIENT",
      });
      expect(await call("GetImage", { name: "images/card0-a" })).toMatchObject({
        state: "CONSUMED",
        consumedBy: {
          incarnation: "0123456789abcdef",
          device: "devices/card0",
          time: "1970-01-01T00:00:02.500Z",
        },
      });
      expect(await call("GetDevice", { name: "devices/card0" })).toMatchObject({ image: "images/card0-c" });
    });

    it("are shown by their files when their content cannot be read", async () => {
      images.facts = undefined;
      expect(await call("GetImage", { name: "images/card0-a" })).toMatchObject({
        state: "CONSUMED",
        formatVersion: "",
        codec: "CODEC_UNSPECIFIED",
        inUse: false,
      });
      // Nothing can be resumed from a file that was copied half.
      expect(await call("GetImage", { name: "images/card0-c" })).toMatchObject({
        state: "UNREADABLE",
        formatVersion: "",
        deviceUid: "",
      });
    });

    it("come in pages", async () => {
      const first = await call("ListImages", { pageSize: 2 });
      expect(first).toMatchObject({ images: [{ name: "images/card0-a" }, { name: "images/card0-b" }] });
      const { nextPageToken } = first;
      expect(nextPageToken).not.toBe("");
      const second = await call("ListImages", { pageSize: 2, pageToken: nextPageToken ?? "" });
      expect(second).toMatchObject({ images: [{ name: "images/card0-c" }], nextPageToken: "" });
    });

    it("are deleted unless a device is suspended to them", async () => {
      device.shows = { image: "card0-c" };
      expect(await refusalOf(call("DeleteImage", { name: "images/card0-c" }))).toMatchObject({
        code: "FAILED_PRECONDITION",
        reason: "IMAGE_IN_USE",
        metadata: { image: "card0-c", device: "card0" },
      });
      expect(await call("DeleteImage", { name: "images/card0-b" })).toEqual({});
      expect(images.records.map(({ id }) => id)).toEqual(["card0-a", "card0-c"]);
      expect(await refusalOf(call("DeleteImage", { name: "images/card0-b" }))).toMatchObject({
        reason: "IMAGE_NOT_FOUND",
      });
    });

    it("are none where the daemon has no data directory", async () => {
      const callBare = callOf(bare);
      expect(await callBare("ListImages", {})).toEqual({ images: [], nextPageToken: "" });
      for (const method of ["GetImage", "DeleteImage"]) {
        expect(await refusalOf(callBare(method, { name: "images/x" }))).toMatchObject({
          code: "NOT_FOUND",
          reason: "IMAGE_NOT_FOUND",
        });
      }
    });
  });

  it("a trace of a transition that never was is refused", async () => {
    const refused = await refusalOf(call("GetTransitionTrace", { name: "devices/card0/transitions/99" }));
    expect(refused, wire).toMatchObject({ code: "NOT_FOUND", reason: "TRANSITION_NOT_FOUND" });
  });
});

describe("a trace", () => {
  it("is its JSON over REST, and a body with its type over gRPC", async () => {
    const { name } = await wires.overRest("Suspend", { name: "devices/card0" });
    const response = await fetch(`${wires.baseUrl}/v1/${String(name)}/trace`);
    expect(response.headers.get("content-type")).toMatch(/^application\/json\b/);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ traceEvents: [] });
    const body = await wires.overGrpc("GetTransitionTrace", { name: name ?? "" });
    expect(body).toMatchObject({ contentType: "application/json" });
    expect(Buffer.from(String(body.data), "base64").toString()).toBe(text);
  });
});

describe("over REST", () => {
  it("a validated suspend is no running one, even when nothing is waited for", async () => {
    const response = await fetch(`${wires.baseUrl}/v1/devices/card0:suspend`, {
      method: "POST",
      body: '{"validateOnly":true,"wait":"0s"}',
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("location")).toBeNull();
  });

  it.each([
    ["?enabled=true", "{}", "enabled"],
    ["?runtimePm=x", "{}", "runtimePm"],
    ["", '{"name":"devices/card1/runtimePm"}', "name"],
    ["", '{"enabledd":true}', "runtimePm.enabledd"],
  ])("a PATCH %s with the body %s is refused", async (query, body, field) => {
    const init = { method: "PATCH", body };
    const response = await fetch(`${wires.baseUrl}/v1/${NAME}${query}`, init);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { details: [{ reason: "INVALID_REQUEST", metadata: { field } }] },
    });
    expect(device.commands).toEqual([]);
  });
});
