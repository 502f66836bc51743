/** The energy of a card is a pure function of counters that only grow, exact under virtual time. */
import { describe, expect, test } from "vitest";
import { sleep } from "../../../src/device/clock.ts";
import { POWER_PROFILES, stateMicrowatts } from "../../../src/device/hardware/power-profile.ts";
import { CARD_STATES, type EnergyReading } from "../../../src/device/resource.ts";
import {
  bootThreaded,
  bootVirtual,
  create,
  KIB,
  MIB,
  patternOf,
  reasonOf,
  type TestDevice,
  type VirtualDevice,
} from "../../support/test-device.ts";

const SECOND_NS = 1_000_000_000n;
/** The card `virtual`, in microwatts. */
const IDLE = 12_000_000n;
const BCS = 3_150_000n;
/** In femtojoules for each byte: GDDR6, and the link. */
const LMEM = 60_000n;
const LINK = 40_000n;

const power = (gpu: TestDevice): Promise<EnergyReading> => gpu.execute({ type: "getPower" });

/** The energy again, from the counters alone. */
function recomputed({ stateNs, engineNs, moved }: EnergyReading): bigint {
  const states =
    stateNs.D0 * IDLE + stateNs.BOOT * 18_000_000n + stateNs.D3HOT * 2_400_000n + stateNs.D3COLD * 100_000n;
  const engines = (engineNs.get("bcs0") ?? 0n) * BCS + (engineNs.get("rcs0") ?? 0n) * 22_050_000n;
  const bytes = (moved.lmemRead + moved.lmemWrite) * LMEM + (moved.linkOut + moved.linkIn) * LINK;
  return states + engines + bytes;
}

async function moveAway(gpu: VirtualDevice, sizeBytes: number): Promise<string> {
  const object = await gpu.upload(patternOf(1, sizeBytes), { regions: ["lmem0", "smem"] });
  await gpu.execute({ type: "moveObject", object, region: "smem" });
  return object;
}

describe("the energy of a card", () => {
  test("of an idle one grows by its idle watts, and a reading changes nothing", async () => {
    const gpu = await bootVirtual();
    const first = await power(gpu);
    await gpu.clock.advance(500);
    await power(gpu);
    await gpu.clock.advance(500);
    const second = await power(gpu);
    expect(second.energyFemtojoules - first.energyFemtojoules).toBe(SECOND_NS * IDLE);
    expect(second).toEqual(await power(gpu));
    expect(second).toMatchObject({ state: "D0", powerMicrowatts: IDLE, profile: "virtual" });
  });

  test("is what its counters say, after work, sleep and a reset", async () => {
    const gpu = await bootVirtual({ engines: ["rcs0", "bcs0"] });
    await moveAway(gpu, 2 * MIB);
    await gpu.execute({ type: "suspend", state: "S3" });
    await gpu.clock.advance(1000);
    await gpu.execute({ type: "resume" });
    await gpu.execute({ type: "suspend", state: "S2IDLE" });
    await gpu.execute({ type: "resetDevice", scope: "FACTORY" });
    const reading = await power(gpu);
    expect(reading.energyFemtojoules).toBe(recomputed(reading));
    expect(reading.engineNs.get("bcs0")).toBeGreaterThan(0n);
    const stateNs = Object.values(reading.stateNs).reduce((sum, ns) => sum + ns, 0n);
    expect(stateNs).toBe(gpu.clock.monotonicNs());
  });

  test("counts each byte once on each path that it takes", async () => {
    const gpu = await bootVirtual();
    const object = await create(gpu, { sizeBytes: 2 * MIB, regions: ["lmem0", "smem"] });
    const [before] = [await power(gpu)];
    const data = patternOf(1, MIB);
    await gpu.execute({ type: "writeObject", object, offsetBytes: 0, data });
    const written = await power(gpu);
    // The blitter clears it first, and then the CPU writes over the link.
    expect(written.moved.linkIn - before.moved.linkIn).toBe(BigInt(MIB));
    await gpu.execute({ type: "readObject", object, offsetBytes: 0, lengthBytes: MIB });
    const read = await power(gpu);
    expect(read.moved).toEqual({
      ...written.moved,
      lmemRead: written.moved.lmemRead + BigInt(MIB),
      linkOut: written.moved.linkOut + BigInt(MIB),
    });
    await gpu.execute({ type: "moveObject", object, region: "smem" });
    const moved = await power(gpu);
    expect(moved.moved.linkOut - read.moved.linkOut).toBe(2n * BigInt(MIB));
    expect(moved.moved.linkIn).toBe(read.moved.linkIn);
  });

  test("includes the time of an engine's last step, which is as long as its bytes take", async () => {
    const gpu = await bootVirtual();
    const before = await power(gpu);
    await moveAway(gpu, MIB);
    const after = await power(gpu);
    const busyNs = (after.engineNs.get("bcs0") ?? 0n) - (before.engineNs.get("bcs0") ?? 0n);
    expect(Number(busyNs)).toBeGreaterThanOrEqual(Math.floor((MIB / 12e9) * 1e9));
  });

  test.each([
    ["S3", "OFF", 0n],
    ["S2IDLE", "D3HOT", 2_400_000n],
  ] as const)("in %s grows by what the state takes", async (state, card, microwatts) => {
    const gpu = await bootVirtual();
    await gpu.execute({ type: "suspend", state });
    const asleep = await power(gpu);
    expect(asleep).toMatchObject({ state: card, powerMicrowatts: microwatts });
    await gpu.clock.advance(1000);
    expect((await power(gpu)).energyFemtojoules - asleep.energyFemtojoules).toBe(SECOND_NS * microwatts);
  });

  test("of a card in runtime D3cold grows by what is left of its power", async () => {
    const d3coldThresholdBytes = 16 * MIB;
    const gpu = await bootVirtual({
      runtimePm: { enabled: true, autosuspendDelayMs: 100, d3coldThresholdBytes, verify: false },
    });
    await gpu.clock.advance(1000);
    const asleep = await power(gpu);
    expect(asleep).toMatchObject({ state: "D3COLD", powerMicrowatts: 100_000n });
    await gpu.clock.advance(1000);
    expect((await power(gpu)).energyFemtojoules - asleep.energyFemtojoules).toBe(SECOND_NS * 100_000n);
  });

  test("of a transition is the sum of its phases, and the counter the sum of all that happened", async () => {
    const gpu = await bootVirtual();
    await gpu.upload(patternOf(2, 3 * MIB), { regions: ["lmem0"] });
    const before = await power(gpu);
    const suspend = await gpu.execute({ type: "suspend", state: "S3" });
    const resume = await gpu.execute({ type: "resume" });
    const after = await power(gpu);
    for (const transition of [suspend, resume]) {
      const sum = transition.phases.reduce((total, phase) => total + (phase.energyFemtojoules ?? 0n), 0n);
      expect(transition.energyFemtojoules).toBe(sum);
      expect(sum).toBeGreaterThan(0n);
    }
    const both = (suspend.energyFemtojoules ?? 0n) + (resume.energyFemtojoules ?? 0n);
    expect(after.energyFemtojoules - before.energyFemtojoules).toBe(both);
    // BOOT costs more than D0, and nobody forgets it.
    const restored = resume.phases.find(({ phase }) => phase === "restore_early");
    expect(restored?.energyFemtojoules).toBeGreaterThan((restored?.durationNs ?? 0n) * 18_000_000n);
  });

  test("of a suspend that was undone is more than none, and the card is in D0", async () => {
    const gpu = await bootVirtual({ smem: { sizeBytes: 4 * MIB } });
    for (let at = 0; at < 6; at++) await gpu.upload(patternOf(at, MIB), { regions: ["lmem0"] });
    const before = await power(gpu);
    await gpu.execute({ type: "suspend", state: "S3" }).catch(() => undefined);
    const [failed] = (await gpu.execute({ type: "listTransitions", beforeId: "", limit: 1 })).transitions;
    expect(failed.state).toBe("FAILED");
    expect(failed.energyFemtojoules).toBeGreaterThan(0n);
    const after = await power(gpu);
    expect(after.state).toBe("D0");
    expect(after.energyFemtojoules).toBeGreaterThan(before.energyFemtojoules);
  });

  test("is the same in two runs of one seed, whoever reads meanwhile", async () => {
    const run = async (reads: boolean): Promise<EnergyReading> => {
      const gpu = await bootVirtual();
      const step = async (): Promise<void> => void (reads && (await power(gpu)));
      await moveAway(gpu, 3 * MIB + 4 * KIB);
      await step();
      const resting = sleep(gpu.clock, 250);
      await gpu.clock.advance(125);
      await step();
      await gpu.clock.advance(125);
      await resting;
      await gpu.execute({ type: "suspend", state: "S3" });
      await step();
      await gpu.execute({ type: "resume" });
      return power(gpu);
    };
    expect(await run(true)).toEqual(await run(false));
  });

  test("never falls on threads, and counts their bytes and busy time", async () => {
    const gpu = await bootThreaded();
    try {
      let last = await power(gpu);
      for (let round = 0; round < 4; round++) {
        const object = await gpu.upload(patternOf(round, 2 * MIB), { regions: ["lmem0", "smem"] });
        const moving = gpu.execute({ type: "moveObject", object, region: "smem" });
        const during = await power(gpu);
        await moving;
        const after = await power(gpu);
        expect(during.energyFemtojoules).toBeGreaterThanOrEqual(last.energyFemtojoules);
        expect(after.energyFemtojoules).toBeGreaterThanOrEqual(during.energyFemtojoules);
        expect(after.moved.linkOut - last.moved.linkOut).toBe(2n * BigInt(MIB));
        last = after;
      }
      expect(last.engineNs.get("bcs0")).toBeGreaterThan(0n);
      expect(last.energyFemtojoules).toBe(recomputed(last));
    } finally {
      await gpu.device.close();
    }
  });
});

describe("a profile of power", () => {
  test("`none` models nothing: no reading, and no energy in transitions", async () => {
    const gpu = await bootVirtual({ powerProfile: "none" });
    expect(await reasonOf(power(gpu))).toBe("POWER_NOT_MODELLED");
    const suspend = await gpu.execute({ type: "suspend", state: "S3" });
    expect(suspend.energyFemtojoules).toBeUndefined();
    expect(suspend.phases.every((phase) => phase.energyFemtojoules === undefined)).toBe(true);
  });

  test("that does not exist is refused, and the answer names those that do", async () => {
    await expect(bootVirtual({ powerProfile: "h1000" })).rejects.toThrow(
      /h1000 does not exist; there are virtual, flex-170, .*, none\./,
    );
  });

  test.each(POWER_PROFILES.map((profile) => [profile.name, profile] as const))(
    "%s takes less power the deeper it sleeps, and at most its maximum with idle engines",
    (_name, profile) => {
      const [d0, boot, hot, cold, off] = CARD_STATES.map((state) => stateMicrowatts(profile, state));
      expect(boot).toBeGreaterThan(d0);
      expect(boot).toBeLessThanOrEqual(BigInt(profile.maxWatts.value) * 1_000_000n);
      expect(d0).toBeGreaterThan(hot);
      expect(hot).toBeGreaterThan(cold);
      expect(cold).toBeGreaterThan(off);
    },
  );
});
