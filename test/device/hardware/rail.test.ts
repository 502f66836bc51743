/** What local memory holds after the power was cut: nothing of what it had, and nothing that a test could expect. */
import { expect, test } from "vitest";
import { MemoryBank } from "../../../src/device/hardware/bank.ts";
import { ControlMemory } from "../../../src/device/hardware/control.ts";
import { MicrocodeSet } from "../../../src/device/hardware/microcode-set.ts";
import { PowerRail } from "../../../src/device/hardware/rail.ts";
import { MIB } from "../../../src/device/limits.ts";
import { VirtualClock } from "../../../src/device/mod.ts";

const SYSTEM = 0;
const LOCAL = 1;

/** A rail over one system and one local bank of a MiB, all of both touched. */
function rail(random: () => number): {
  /** Cuts the power, and waits until it may return. */
  readonly cut: () => Promise<number>;
  readonly power: PowerRail;
  readonly clock: VirtualClock;
  readonly banks: readonly MemoryBank[];
} {
  const banks = [new MemoryBank(SYSTEM, MIB), new MemoryBank(LOCAL, MIB)];
  for (const bank of banks) {
    bank.markTouched(0, MIB);
    bank.words.fill(7);
  }
  const control = new ControlMemory({ engineCount: 1 });
  const memories = banks.map((bank) => bank.memory);
  const microcodes = new MicrocodeSet(memories, control.memory);
  const clock = new VirtualClock({ settle: () => new Promise((resolve) => void setImmediate(resolve)) });
  const power = new PowerRail({ banks, microcodes, clock, random });
  const cut = (): Promise<number> => {
    const pattern = power.cut();
    return clock.run(power.restored().then(() => pattern));
  };
  return { cut, power, clock, banks };
}

test.each([
  ["from a source that never repeats itself", Math.random],
  ["from a source that always says the same", (): number => 0.5],
  ["from a source that says nothing", (): number => 0],
])(
  "every cut overwrites local memory with a pattern that the cut before did not use, drawn %s",
  async (_, random) => {
    const { cut, banks } = rail(random);
    let before = 7;
    for (let round = 0; round < 20; round++) {
      const pattern = await cut();
      expect(pattern).not.toBe(0);
      expect(pattern).not.toBe(before);
      expect(new Set(banks[LOCAL].words)).toEqual(new Set([pattern]));
      expect(new Set(banks[SYSTEM].words)).toEqual(new Set([7]));
      before = pattern;
    }
  },
);

test("two devices with different sources lose their memory to different patterns", async () => {
  const patterns = await Promise.all([0.25, 0.75].map((drawn) => rail(() => drawn).cut()));
  expect(patterns[0]).not.toBe(patterns[1]);
});

test("a cut writes nothing by itself, and what it lost is overwritten in pieces while time passes", async () => {
  const { power, clock, banks } = rail(Math.random);
  const bank = banks[LOCAL];
  const pattern = power.cut();
  expect(bank.hasLost).toBe(true);
  expect(new Set(bank.words)).toEqual(new Set([7]));
  await clock.advance(0);
  expect(bank.hasLost).toBe(false);
  expect(new Set(bank.words)).toEqual(new Set([pattern]));
});

test("a second cut loses what is handed out after the first, and nothing else", async () => {
  const { cut, banks } = rail(Math.random);
  const bank = banks[LOCAL];
  const first = await cut();
  bank.forgetTouched(0, MIB);
  bank.markTouched(MIB / 2, 1);
  const second = await cut();
  const half = bank.words.length / 2;
  expect(new Set(bank.words.subarray(0, half))).toEqual(new Set([first]));
  expect(new Set(bank.words.subarray(half, half + 64 * 256))).toEqual(new Set([second]));
  expect(new Set(bank.words.subarray(half + 64 * 256))).toEqual(new Set([first]));
});

test("a closed device overwrites nothing more, and its power does not return", async () => {
  const { power, clock, banks } = rail(Math.random);
  power.cut();
  power.close();
  await expect(clock.run(power.restored())).rejects.toThrow("The device was closed while it had no power.");
  expect(new Set(banks[LOCAL].words)).toEqual(new Set([7]));
});
