/** Which device a seed gets: its policy, what it has, and whether it suspends itself. */
import {
  DEFAULT_POLICY,
  DEFAULT_RATES,
  type DeviceOptions,
  type PowerPolicy,
} from "../../../src/device/mod.ts";
import { KIB, MIB, seededRandom } from "../test-device.ts";

export interface DevicePlan {
  readonly policy: PowerPolicy;
  readonly swapBytes: number;
  /** Copies, clears and swap take so long that other commands come in between. */
  readonly slow: boolean;
  readonly options: Partial<DeviceOptions>;
  /**
   * Whether the blitter may get bytes wrong and say nothing. Nobody works on such a device: what an engine would make of
   * a context that came back wrong, no model could say.
   */
  readonly blitsWrong: boolean;
  /** Regions by id, as objects may name them. */
  readonly placements: readonly (readonly string[])[];
}

/** Small, since every byte of it is moved, checked and overwritten again and again: objects are small too. */
const SMALL_WINDOW = [
  { sizeBytes: 4 * MIB, visibleBytes: 2 * MIB, minPageBytes: 16 * KIB },
  { sizeBytes: MIB, visibleBytes: 384 * KIB, minPageBytes: 4 * KIB },
];
const SLOW = {
  ...DEFAULT_RATES,
  blitterBytesPerSecond: 50e6,
  cpuReadLocalBytesPerSecond: 20e6,
  cpuWriteLocalBytesPerSecond: 50e6,
};
const WHOLE_WINDOW = SMALL_WINDOW.map(({ visibleBytes: _, ...region }) => region);

/** The device of a seed. Half of them have a small window, most have swap, a third runtime PM. */
export function deviceOf(seed: number): DevicePlan {
  const random = seededRandom(seed ^ 0x5eed);
  const chance = (probability: number): boolean => random() < probability;
  const policy: PowerPolicy = {
    notifier: chance(0.3) ? "opportunistic" : "off",
    producers: chance(0.3) ? "blocked" : "frozen",
    failure: chance(0.3) ? "continue" : "abort",
    preallocateBackups: chance(0.3),
    step1: chance(0.3) ? "chain" : "idle_only",
    gtResumeFailure: chance(0.3) ? "memcpy_restore" : "keep_backups",
    s2idleKeepsLmem: chance(0.6),
    swapAllowed: chance(0.5) ? DEFAULT_POLICY.swapAllowed : ["S2IDLE", "S3", "S4"],
  };
  const swapBytes = chance(0.8) ? 3 * MIB : 0;
  const verify = seededRandom(seed ^ 0x7e51f)() < 0.5;
  const runtimePm = chance(0.35)
    ? { enabled: true, autosuspendDelayMs: 20, d3coldThresholdBytes: chance(0.5) ? 4 * MIB : 0, verify }
    : undefined;
  const slow = seededRandom(seed ^ 0x510e)() < 0.5;
  return {
    policy,
    swapBytes,
    slow,
    blitsWrong: chance(0.25),
    options: {
      engines: ["rcs0", "ccs0", "bcs0", "bcs1"],
      lmem: chance(0.5) ? SMALL_WINDOW : WHOLE_WINDOW,
      smem: { sizeBytes: chance(0.3) ? 2 * MIB : 5 * MIB },
      policy,
      random: seededRandom(seed),
      ...(slow ? { rates: SLOW } : {}),
      ...(chance(0.2) ? { stolenBytes: 256 * KIB } : {}),
      ...(runtimePm === undefined ? {} : { runtimePm }),
    },
    placements: [
      ["lmem0", "smem"],
      ["lmem0", "smem"],
      ["lmem0"],
      ["lmem1", "lmem0", "smem"],
      ["lmem1"],
      ["smem"],
      ["smem", "lmem1"],
    ],
  };
}
