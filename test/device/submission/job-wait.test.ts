/** How long requests wait before they go into their context's ring, as the device tells it. Under virtual time. */
import { describe, expect, test } from "vitest";
import type { WorkCommand } from "../../../src/device/mod.ts";
import { MemoryStore } from "../../support/regions.ts";
import { bootVirtual, MIB, type VirtualDevice } from "../../support/test-device.ts";

async function submit(
  gpu: VirtualDevice,
  context: string,
  commands: WorkCommand[],
  waitFences: string[] = [],
): Promise<string> {
  return (await gpu.execute({ type: "submitWork", context, commands, waitFences })).id;
}

function wait(gpu: VirtualDevice, fence: string) {
  return gpu.execute({ type: "waitFence", fence, timeoutMs: 60_000 });
}

/** Waits of the requests that have ended, in milliseconds, in that order. */
function waits(gpu: VirtualDevice): (number | undefined)[] {
  return gpu.events.flatMap((event) =>
    event.type === "jobEnded" ? [event.waitNs === undefined ? undefined : Number(event.waitNs) / 1e6] : [],
  );
}

async function bootTwo() {
  const gpu = await bootVirtual({ engines: ["rcs0", "bcs0"] });
  const { id: render } = await gpu.execute({ type: "createContext", engine: "rcs0", priority: "NORMAL" });
  const { id: copy } = await gpu.execute({ type: "createContext", engine: "bcs0", priority: "NORMAL" });
  return { gpu, render, copy };
}

describe("the wait of a request", () => {
  test("is that for the fences that it waits for", async () => {
    const { gpu, render, copy } = await bootTwo();
    const first = await submit(gpu, render, [{ op: "spin", durationMs: 20 }]);
    const second = await submit(gpu, copy, [{ op: "spin", durationMs: 5 }], [first]);
    await wait(gpu, second);
    const [alone = Number.NaN, behind = Number.NaN] = waits(gpu);
    expect(alone).toBeLessThan(5);
    expect(behind).toBeGreaterThanOrEqual(20);
    expect(behind).toBeLessThan(25);
  });

  test("is unknown when it ended before it began", async () => {
    const { gpu, render, copy } = await bootTwo();
    const hung = await submit(gpu, render, [{ op: "hang" }]);
    const second = await submit(gpu, copy, [{ op: "spin", durationMs: 5 }], [hung]);
    expect((await wait(gpu, second)).state).toBe("FAILED");
    const known = waits(gpu).filter((each) => each !== undefined);
    expect(waits(gpu)).toHaveLength(2);
    expect(known).toHaveLength(1);
  });
});

test("a device shows its swap and how much of it is in use, or that there is none", async () => {
  const without = await bootVirtual();
  expect((await without.execute({ type: "getDevice" })).swap).toBeUndefined();
  const gpu = await bootVirtual({ smem: { sizeBytes: 4 * MIB }, swap: new MemoryStore(8 * MIB) });
  expect((await gpu.execute({ type: "getDevice" })).swap).toEqual({ sizeBytes: 8 * MIB, usedBytes: 0 });
  for (let index = 0; index < 3; index++) await gpu.upload(new Uint8Array(2 * MIB), { regions: ["smem"] });
  const { swap } = await gpu.execute({ type: "getDevice" });
  expect(swap?.usedBytes).toBeGreaterThanOrEqual(2 * MIB);
});
