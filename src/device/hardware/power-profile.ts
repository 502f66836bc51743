/**
 * Profiles of cards: the watts that a device is said to take. Each figure says where it comes from; the
 * sources are in docs/power.md. A profile never sets the size of a memory.
 */
import type { CardState } from "../resource.ts";

/** Where a figure comes from: somebody measured it, the vendor or a third party says so, or we chose it. */
export type Basis = "measured" | "data sheet" | "third party" | "chosen";

export interface Figure {
  readonly value: number;
  readonly basis: Basis;
}

export interface PowerProfile {
  readonly name: string;
  readonly maxWatts: Figure;
  /** Awake, without work. */
  readonly idleWatts: Figure;
  readonly memory: keyof typeof MEMORY_PICOJOULES_PER_BYTE;
  /** Percent of the watts between idle and max that a busy engine takes, by class. All chosen. */
  readonly enginePercent: EngineShares;
}

interface EngineShares {
  readonly rcs: number;
  readonly ccs: number;
  readonly bcs: number;
  readonly vcs: number;
}

/** Average device power per byte (Micron's page of its memories); HBM3 is taken to be as HBM2E. */
const MEMORY_PICOJOULES_PER_BYTE = { GDDR6: 60, HBM2E: 48, HBM3: 48 } as const;
/** Each way. Chosen: nobody publishes a figure. */
const LINK_PICOJOULES_PER_BYTE = 40;

/** Engines of all four classes together stay below the maximum. */
const VIRTUAL_SHARES: EngineShares = { rcs: 35, ccs: 35, bcs: 5, vcs: 10 };
const CARD_SHARES: EngineShares = { rcs: 85, ccs: 85, bcs: 5, vcs: 14 };

const MEASURED = (value: number): Figure => ({ value, basis: "measured" });
const SHEET = (value: number): Figure => ({ value, basis: "data sheet" });
const THIRD = (value: number): Figure => ({ value, basis: "third party" });
const CHOSEN = (value: number): Figure => ({ value, basis: "chosen" });

/** The card of our own choice comes first: it is the default. */
export const POWER_PROFILES: readonly PowerProfile[] = [
  {
    name: "virtual",
    maxWatts: CHOSEN(75),
    idleWatts: CHOSEN(12),
    memory: "GDDR6",
    enginePercent: VIRTUAL_SHARES,
  },
  card("flex-170", [THIRD(150), CHOSEN(25)], "GDDR6"),
  card("arc-a770", [SHEET(225), MEASURED(40)], "GDDR6"),
  card("arc-b580", [THIRD(190), CHOSEN(33)], "GDDR6"),
  card("max-1550", [THIRD(600), CHOSEN(150)], "HBM2E"),
  card("l4", [THIRD(72), MEASURED(16)], "GDDR6"),
  card("l40s", [MEASURED(350), MEASURED(37)], "GDDR6"),
  card("a100-80", [THIRD(400), MEASURED(63)], "HBM2E"),
  card("h100", [MEASURED(700), MEASURED(70)], "HBM3"),
  card("h200", [MEASURED(700), MEASURED(78)], "HBM3"),
  card("mi300x", [SHEET(750), MEASURED(137)], "HBM3"),
];

/** What a device gets that names no profile. */
export const POWER_PROFILE_DEFAULT = "virtual";
/** The name that switches the model off. */
export const POWER_PROFILE_NONE = "none";

export function findPowerProfile(name: string): PowerProfile | undefined {
  return POWER_PROFILES.find((profile) => profile.name === name);
}

/** The power of a state without any work. Microwatts. All but D0 and OFF are chosen. */
export function stateMicrowatts({ idleWatts }: PowerProfile, state: CardState): bigint {
  const idle = BigInt(idleWatts.value) * 1_000_000n;
  switch (state) {
    case "D0":
      return idle;
    case "BOOT":
      return (idle * 3n) / 2n;
    case "D3HOT":
      return idle / 5n > 2_000_000n ? idle / 5n : 2_000_000n;
    case "D3COLD":
      return 100_000n;
    case "OFF":
      return 0n;
  }
}

/** What a busy engine takes beyond the card's idle power. Microwatts. */
export function engineMicrowatts(profile: PowerProfile, engine: string): bigint {
  const shares = Object.entries(profile.enginePercent);
  const percent = shares.find(([kind]) => engine.startsWith(kind))?.[1] ?? 0;
  return BigInt((profile.maxWatts.value - profile.idleWatts.value) * percent) * 10_000n;
}

/** Femtojoules for each byte of a path. */
export function byteFemtojoules(profile: PowerProfile): { readonly lmem: bigint; readonly link: bigint } {
  return {
    lmem: BigInt(MEMORY_PICOJOULES_PER_BYTE[profile.memory]) * 1000n,
    link: BigInt(LINK_PICOJOULES_PER_BYTE) * 1000n,
  };
}

function card(name: string, watts: readonly [max: Figure, idle: Figure], memory: PowerProfile["memory"]) {
  return { name, maxWatts: watts[0], idleWatts: watts[1], memory, enginePercent: CARD_SHARES };
}
