/**
 * Suspends devices that have had no work for a while, and wakes them for whoever needs them. Made to be read: a power
 * manager of yours can be tested like this one, against a device whose suspend really fails.
 */
import type { DeviceState, Torpor, Work } from "./torpor.ts";

/** What was done about a device, with the reason where nothing could be done. */
export type Decision =
  | { readonly device: string; readonly action: "suspended" }
  | {
      readonly device: string;
      readonly action: "left";
      readonly because: "asleep" | "busy" | "not idle for long enough";
    }
  | { readonly device: string; readonly action: "could not"; readonly why: string };

export interface PowerManagerOptions {
  /** How long a device must have had no work. Unit: milliseconds. */
  readonly idleMs: number;
  /** A clock that never goes back. Unit: milliseconds. */
  readonly now: () => number;
}

interface Watch {
  readonly submitted: number;
  /** Since when there has been no work. */
  readonly sinceMs: number;
  /** How long to wait this time: doubled by each failure, because what fails now will most likely fail in a moment too. */
  readonly patienceMs: number;
}

/** No device is given up for longer than this many times the idle time. */
const PATIENCE_FACTOR_MAX = 32;

export class PowerManager {
  readonly #torpor: Torpor;
  readonly #options: PowerManagerOptions;
  readonly #watches = new Map<string, Watch>();

  constructor(torpor: Torpor, options: PowerManagerOptions) {
    this.#torpor = torpor;
    this.#options = options;
  }

  /** Looks at each device once. What is wrong with one device keeps nobody from the others. */
  async step(): Promise<readonly Decision[]> {
    const devices = await this.#torpor.devices();
    return Promise.all(
      devices.map((device) =>
        this.#look(device).catch((error: unknown) => this.#postpone(device.name, error)),
      ),
    );
  }

  /** Resumes a device for somebody who needs it; its idle time begins anew. */
  async wake(device: string): Promise<void> {
    this.#watches.delete(device);
    await this.#torpor.resume(device);
  }

  async #look({ name, powerState }: DeviceState): Promise<Decision> {
    if (powerState !== "ACTIVE") {
      this.#watches.delete(name);
      return { device: name, action: "left", because: "asleep" };
    }
    const work = await this.#torpor.work(name);
    const watch = this.#observe(name, work);
    if (work.pending > 0) return { device: name, action: "left", because: "busy" };
    if (this.#options.now() - watch.sinceMs < watch.patienceMs) {
      return { device: name, action: "left", because: "not idle for long enough" };
    }
    const blockers = await this.#torpor.blockers(name);
    if (blockers.length > 0) return this.#postpone(name, blockers.join(" "));
    await this.#torpor.suspend(name);
    this.#watches.delete(name);
    return { device: name, action: "suspended" };
  }

  /** Work that came and went between two looks counts too: more was handed in than at the last one. */
  #observe(name: string, { submitted, pending }: Work): Watch {
    const { idleMs, now } = this.#options;
    const known = this.#watches.get(name);
    if (known !== undefined && pending === 0 && known.submitted === submitted) return known;
    const watch = { submitted, sinceMs: now(), patienceMs: idleMs };
    this.#watches.set(name, watch);
    return watch;
  }

  #postpone(name: string, why: unknown): Decision {
    const { idleMs, now } = this.#options;
    const watch = this.#watches.get(name);
    if (watch !== undefined) {
      const patienceMs = Math.min(2 * watch.patienceMs, PATIENCE_FACTOR_MAX * idleMs);
      this.#watches.set(name, { ...watch, sinceMs: now(), patienceMs });
    }
    return { device: name, action: "could not", why: why instanceof Error ? why.message : String(why) };
  }
}
