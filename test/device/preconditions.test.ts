/** What callers make a command depend on: that the object is as they saw it, and that they still wait for it. */
import { describe, expect, test } from "vitest";
import type { Command } from "../../src/device/mod.ts";
import { bootVirtual, create, look, MIB, reasonOf, together } from "../support/test-device.ts";

const COMMANDS = {
  deleteObject: {},
  pinObject: {},
  unpinObject: {},
  moveObject: { region: "smem" },
  adviseObject: { advice: "DONT_NEED" },
} as const;

describe.each(Object.entries(COMMANDS))("%s with an etag", (type, fields) => {
  const make = (object: string, etag: string) => ({ type, object, etag, ...fields }) as Command;

  test("is refused when the object has changed since, and changes nothing", async () => {
    const gpu = await bootVirtual();
    const id = await create(gpu);
    const { etag } = await look(gpu, id);
    await gpu.execute({ type: "pinObject", object: id });
    await gpu.execute({ type: "unpinObject", object: id });
    const before = await look(gpu, id);
    expect(await reasonOf(gpu.execute(make(id, etag)))).toBe("ETAG_MISMATCH");
    expect(await look(gpu, id)).toEqual(before);
  });

  test("is done when the object is the same", async () => {
    const gpu = await bootVirtual();
    const id = await create(gpu);
    if (type === "unpinObject") await gpu.execute({ type: "pinObject", object: id });
    await gpu.execute(make(id, (await look(gpu, id)).etag));
    gpu.device.checkInvariants();
  });
});

test("of many commands with the same etag one is done, whatever they wait for", async () => {
  const gpu = await bootVirtual();
  const id = await create(gpu, { sizeBytes: 4 * MIB });
  const { etag } = await look(gpu, id);
  const pin = { type: "pinObject", object: id, etag } as const;
  const outcomes = await together(gpu, [pin, pin, pin, pin]);
  expect(outcomes.map(({ status }) => status).sort()).toEqual([
    "fulfilled",
    "rejected",
    "rejected",
    "rejected",
  ]);
  expect((await look(gpu, id)).pinCount).toBe(1);
});

describe("a command for which nobody waits any more", () => {
  const held = {
    type: "createObject",
    sizeBytes: MIB,
    regions: [],
    flags: [],
    alignmentBytes: 0,
    label: "",
  } as const;

  test("is dropped while it is held, and never runs", async () => {
    const gpu = await bootVirtual();
    const gone = new AbortController();
    const suspend = gpu.device.execute({ type: "suspend", state: "S3" });
    const dropped = gpu.device.execute({ ...held, hold: "until-active", signal: gone.signal });
    const kept = gpu.device.execute({ ...held, hold: "until-active", signal: new AbortController().signal });
    const reason = reasonOf(dropped);
    await gpu.clock.run(suspend);
    gone.abort();
    expect(await reason).toBe("CALL_CANCELLED");
    await gpu.execute({ type: "resume" });
    await gpu.clock.run(kept);
    const { objects } = await gpu.execute({
      type: "listObjects",
      afterId: "",
      limit: 10,
      showDeviceOwned: false,
    });
    expect(objects).toHaveLength(1);
  });

  test("is dropped while a device that sleeps wakes for it, and the others are served", async () => {
    const runtimePm = { enabled: true, autosuspendDelayMs: 1000, d3coldThresholdBytes: 0 };
    const gpu = await bootVirtual({ runtimePm });
    await gpu.clock.advance(3000);
    expect((await gpu.execute({ type: "getRuntimePm" })).status).toBe("SUSPENDED");
    const gone = new AbortController();
    const dropped = reasonOf(gpu.device.execute({ ...held, signal: gone.signal }));
    const kept = gpu.device.execute({ ...held, label: "kept", signal: new AbortController().signal });
    gone.abort();
    expect(await gpu.clock.run(dropped)).toBe("CALL_CANCELLED");
    expect((await gpu.clock.run(kept)).label).toBe("kept");
    const all = { type: "listObjects", afterId: "", limit: 10, showDeviceOwned: false } as const;
    expect((await gpu.execute(all)).objects).toHaveLength(1);
    await gpu.clock.advance(3000);
    expect((await gpu.execute({ type: "getRuntimePm" })).status).toBe("SUSPENDED");
  });

  test("is not begun, and one that has begun runs to its end", async () => {
    const gpu = await bootVirtual();
    const signal = AbortSignal.abort();
    expect(await reasonOf(gpu.execute({ ...held, signal }))).toBe("CALL_CANCELLED");
    const id = await create(gpu);
    const gone = new AbortController();
    const pin = gpu.device.execute({ type: "pinObject", object: id, signal: gone.signal });
    await Promise.resolve();
    gone.abort();
    expect((await gpu.clock.run(pin)).pinCount).toBe(1);
  });
});
