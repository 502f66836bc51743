/**
 * The energy of a card: a pure function of counters that only grow, so a reading changes nothing, and two
 * runs of one seed agree to the femtojoule.
 *
 *   E = sum of (time in a state x its power) + (busy time of an engine x its power) + (bytes x their energy)
 *
 * Power is in microwatts and time in nanoseconds, whose product is femtojoules. Nothing is rounded here.
 */
import type { Clock } from "../clock.ts";
import { DeviceError } from "../errors.ts";
import { CARD_STATES, type CardState, type EnergyReading } from "../resource.ts";
import type { Engine } from "./engine.ts";
import type { CpuBytes } from "./moved-bytes.ts";
import { byteFemtojoules, engineMicrowatts, type PowerProfile, stateMicrowatts } from "./power-profile.ts";

export interface EnergyMeterOptions {
  readonly profile: PowerProfile;
  readonly clock: Clock;
  readonly engines: readonly Engine[];
  readonly cpuBytes: CpuBytes;
}

/** @throws DeviceError POWER_NOT_MODELLED without a meter */
export function readPower(meter: EnergyMeter | undefined): EnergyReading {
  if (meter !== undefined) return meter.read();
  throw new DeviceError(
    "POWER_NOT_MODELLED",
    "The device has the power profile none, so nothing is known of its watts.",
  );
}

export class EnergyMeter {
  readonly #options: EnergyMeterOptions;
  readonly #engineMicrowatts: readonly bigint[];
  readonly #pastNs: Record<CardState, bigint> = { D0: 0n, BOOT: 0n, D3HOT: 0n, D3COLD: 0n, OFF: 0n };
  #state: CardState = "BOOT";
  #sinceNs: bigint;

  /** A card begins in BOOT. */
  constructor(options: EnergyMeterOptions) {
    this.#options = options;
    this.#engineMicrowatts = options.engines.map(({ name }) => engineMicrowatts(options.profile, name));
    this.#sinceNs = options.clock.monotonicNs();
  }

  get state(): CardState {
    return this.#state;
  }

  /** From now on the card is in `state`. */
  enter(state: CardState): void {
    const nowNs = this.#options.clock.monotonicNs();
    this.#pastNs[this.#state] += nowNs - this.#sinceNs;
    this.#state = state;
    this.#sinceNs = nowNs;
  }

  /** Since the device was made. */
  read(): EnergyReading {
    const { profile, clock, engines, cpuBytes } = this.#options;
    const openNs = clock.monotonicNs() - this.#sinceNs;
    const stateNs = { ...this.#pastNs, [this.#state]: this.#pastNs[this.#state] + openNs };
    const moved = { ...cpuBytes.moved };
    let energy = CARD_STATES.reduce(
      (sum, state) => sum + stateNs[state] * stateMicrowatts(profile, state),
      0n,
    );
    let power = stateMicrowatts(profile, this.#state);
    const engineNs = new Map<string, bigint>();
    for (const [at, engine] of engines.entries()) {
      const busyNs = engine.busyNs();
      engineNs.set(engine.name, busyNs);
      energy += busyNs * this.#engineMicrowatts[at];
      if (engine.busy()) power += this.#engineMicrowatts[at];
      const bytes = engine.movedBytes();
      moved.lmemRead += bytes.lmemRead;
      moved.lmemWrite += bytes.lmemWrite;
      moved.linkOut += bytes.linkOut;
      moved.linkIn += bytes.linkIn;
    }
    const perByte = byteFemtojoules(profile);
    energy += (moved.lmemRead + moved.lmemWrite) * perByte.lmem;
    energy += (moved.linkOut + moved.linkIn) * perByte.link;
    return {
      profile: profile.name,
      state: this.#state,
      energyFemtojoules: energy,
      powerMicrowatts: power,
      stateNs,
      engineNs,
      moved,
    };
  }
}
