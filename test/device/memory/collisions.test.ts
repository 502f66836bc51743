/**
 * Everything that changes the state of a device, all at once: it suspends itself every few milliseconds, every step takes
 * a moment, and calls, suspends, resumes, cancels and resets come in the middle of each other. The simulator keeps
 * FACTORY resets apart, to know every byte; here only the device has to know what it does.
 */
import { describe, expect, test } from "vitest";
import { type Command, DeviceError, type FailpointName } from "../../../src/device/mod.ts";
import { bootFaulty, ERROR_ONCE, type FaultyDevice } from "../../support/faulty-device.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
import { ANY_OBJECT, KIB, MIB, patternOf, reasonOf, seededRandom } from "../../support/test-device.ts";

const SEEDS = Array.from({ length: 6 }, (_, at) => at * 10);
const ROUNDS = 60;

/** Where a step takes a moment, or fails if it may. */
const SLOW: readonly FailpointName[] = ["powerOff.after", "powerOff.before", "backup.free", "evict.before"];
const FAILS: readonly FailpointName[] = ["powerOn.before", "restoreLate.object", "engine.start"];

describe.each(SEEDS)("where much collides (seeds from %i)", (first) => {
  test("everything ends, and the device goes on", async () => {
    for (let seed = first + 1; seed <= first + 10; seed++) await collide(seed);
  });
});

async function collide(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)];
  const runtimePm = { enabled: true, autosuspendDelayMs: pick([1, 3]), d3coldThresholdBytes: 8 * MIB };
  const options = { lmem: [{ sizeBytes: 8 * MIB }], images: new MemoryImageStore(), runtimePm };
  const device = await bootFaulty({ ...options, engines: ["rcs0", "bcs0"] });
  const { gpu, failpoints } = device;
  for (let at = 0; at < 3; at++) {
    const object = await gpu.upload(patternOf(at, 512 * KIB));
    await gpu.execute({ type: "pinObject", object });
  }
  let pending = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of [...SLOW, ...FAILS]) {
      if (random() > 0.2) continue;
      const action = FAILS.includes(name) ? pick(["DELAY", "ERROR"] as const) : "DELAY";
      failpoints.arm(name, { ...ERROR_ONCE, action, delayMs: pick([0.5, 2, 5]) });
    }
    for (let calls = pick([1, 2, 3, 4]); calls > 0; calls--) {
      pending++;
      // What is not an error for callers is a bug, and ends the test.
      gpu.device.execute(anyCall(gpu, pick)).then(
        () => pending--,
        (error: unknown) => {
          if (!(error instanceof DeviceError)) throw error;
          pending--;
        },
      );
    }
    await gpu.clock.advance(pick([0, 0.3, 0.5, 1, 1.5, 2, 3, 4, 6, 10]));
  }
  failpoints.reset();
  await gpu.clock.advance(300_000);
  expect(pending, `calls of seed ${seed} that never end`).toBe(0);
  await expectWell(device, seed);
}

function anyCall(gpu: FaultyDevice["gpu"], pick: <T>(choices: readonly T[]) => T): Command {
  const create: Command = { ...ANY_OBJECT, sizeBytes: 64 * KIB };
  const started = gpu.events.findLast((event) => event.type === "transitionStarted");
  return pick<Command>([
    create,
    { ...create, hold: "transition" },
    { ...create, hold: "until-active" },
    { type: "readObject", object: "1", offsetBytes: 0, lengthBytes: 100 },
    { type: "resetDevice", scope: "FACTORY" },
    { type: "resetDevice", scope: "GT" },
    { type: "suspend", state: pick(["S2IDLE", "S3", "S4"]), ...pick([{}, { waitMs: 0 }]) },
    { type: "resume", ...pick([{}, { waitMs: 0 }]) },
    { type: "cancelTransition", transition: started?.transition.id ?? "" },
    { type: "planSuspend" },
    { type: "updateRuntimePm", enabled: pick([true, true, false]) },
  ]);
}

async function expectWell({ gpu }: FaultyDevice, seed: number): Promise<void> {
  for (let resumes = 0; resumes < 2; resumes++) {
    const { powerState } = await gpu.execute({ type: "getDevice" });
    if (powerState !== "ACTIVE") await reasonOf(gpu.execute({ type: "resume" }));
  }
  await gpu.execute({ ...ANY_OBJECT, sizeBytes: 64 * KIB });
  const state = await gpu.execute({ type: "getDevice" });
  expect(state, `seed ${seed}`).toMatchObject({ powerState: "ACTIVE", dState: "D0", image: "" });
  gpu.device.checkInvariants();
  await gpu.execute({ type: "resetDevice", scope: "GT" });
  await gpu.execute({ type: "updateRuntimePm", enabled: true });
  await gpu.clock.advance(5000);
  expect((await gpu.execute({ type: "getDevice" })).dState, `seed ${seed} falls asleep`).not.toBe("D0");
  await gpu.execute({ type: "resetDevice", scope: "FACTORY" });
  gpu.device.checkInvariants();
}
