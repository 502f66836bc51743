/** Engine threads that die in the middle of a suspend or a resume: the transition ends, and no byte is lost. */
import { Worker } from "node:worker_threads";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FailpointName, Failpoints } from "../../../src/device/mod.ts";
import { systemClock } from "../../../src/server/machine/system-clock.ts";
import { ERROR_ONCE } from "../../support/faulty-device.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
import { bootThreaded, hashOf, MIB, patternOf, type TestDevice } from "../../support/test-device.ts";

/** Every thread that was made while a test ran. */
const workers = new Set<Worker>();
const { on } = Worker.prototype;
Worker.prototype.on = function (this: Worker, ...words: Parameters<typeof on>) {
  workers.add(this);
  return on.apply(this, words);
};
afterAll(() => {
  Worker.prototype.on = on;
});

let gpu: TestDevice;
let failpoints: Failpoints;
beforeEach(async () => {
  workers.clear();
  failpoints = new Failpoints({
    clock: systemClock,
    crash: () => {
      throw new Error("no test asked for a crash");
    },
  });
  gpu = await bootThreaded({
    engines: ["rcs0", "bcs0"],
    images: new MemoryImageStore(),
    failpoints: failpoints.forDevice("card0"),
  });
});
afterEach(() => gpu.device.close());

describe("all engine threads die", () => {
  test.each<FailpointName>([
    "evict.before",
    "evict.after",
    "evictPinned.before",
    "backup.allocate",
    "memcpy.object",
    "firmware.stop",
    "image.write",
    "powerOff.before",
    "powerOff.after",
  ])("at %s of a suspend to S4: it ends, and every byte is there after it", async (name) => {
    const hashes = await populate();
    await killAt(name, () => gpu.device.execute({ type: "suspend", state: "S4" })).catch(() => {});
    const { powerState } = await gpu.execute({ type: "getDevice" });
    expect(["SUSPENDED", "ACTIVE"]).toContain(powerState);
    if (powerState === "ACTIVE") await gpu.execute({ type: "resetDevice", scope: "GT" });
    else await gpu.execute({ type: "resume" });
    await expectWhole(hashes);
  });

  test.each<FailpointName>(["restoreEarly.object", "engine.start", "restoreLate.object", "image.consume"])(
    "at %s of a resume: it ends, and when it is repeated every byte is there",
    async (name) => {
      const hashes = await populate();
      await gpu.execute({ type: "suspend", state: "S4" });
      const killed = killAt(name, () => gpu.device.execute({ type: "resume" }));
      await killed.catch(() => gpu.execute({ type: "resume" }));
      await gpu.execute({ type: "resetDevice", scope: "GT" });
      await expectWhole(hashes);
    },
  );
});

/** Holds a transition at a failpoint until every thread is dead, then lets it end as it may. */
async function killAt(name: FailpointName, start: () => Promise<unknown>): Promise<void> {
  failpoints.arm(name, { ...ERROR_ONCE, action: "DELAY", delayMs: 150 });
  const transition = start();
  let ended = false;
  const end = (): void => {
    ended = true;
  };
  transition.then(end, end);
  while (failpoints.get(name).hits === 0 && !ended) await new Promise((resolve) => setTimeout(resolve, 2));
  expect(failpoints.get(name).hits).toBe(1);
  await Promise.all([...workers].map((worker) => worker.terminate()));
  await transition;
}

async function populate(): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  for (let seed = 0; seed < 6; seed++) {
    const bytes = patternOf(seed, MIB);
    const object = await gpu.upload(bytes);
    hashes.set(object, hashOf(bytes));
    if (seed % 2 === 0) await gpu.execute({ type: "pinObject", object });
  }
  return hashes;
}

async function expectWhole(hashes: ReadonlyMap<string, string>): Promise<void> {
  expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "ACTIVE", wedged: false });
  for (const [id, hash] of hashes) expect(hashOf(await gpu.download(id))).toBe(hash);
  gpu.device.checkInvariants();
  await gpu.execute({ type: "suspend", state: "S3" });
  await gpu.execute({ type: "resume" });
  for (const [id, hash] of hashes) expect(hashOf(await gpu.download(id))).toBe(hash);
}
