/** How long somebody waits for room in a region that objects in use may make when they are not any more. */
import { OBJECT_WAIT_TIMEOUT_MS } from "../limits.ts";
import type { Region } from "./region.ts";

/** Pause before looking again for room that somebody else is about to make. */
export const BUSY_RETRY_MS = 5;

/** Why nothing can leave: commands hold what could (busy), or running work uses it (active). */
export type InUse = "busy" | "active";

/**
 * How many pauses in which nothing leaves the region. For what is busy they are few: two who hold an object
 * each and want the place of the other one could wait for ever. Work ends, or is found to hang.
 */
const PAUSES_MAX: Readonly<Record<InUse, number>> = {
  busy: 100,
  active: OBJECT_WAIT_TIMEOUT_MS / BUSY_RETRY_MS,
};

export class Patience {
  readonly #region: Region;
  #departures: number;
  #pauses: Record<InUse, number> = { busy: 0, active: 0 };

  constructor(region: Region) {
    this.#region = region;
    this.#departures = region.departures;
  }

  /** Whether to pause once more. */
  allows(reason: InUse): boolean {
    if (this.#departures !== this.#region.departures) {
      this.#departures = this.#region.departures;
      this.#pauses = { busy: 0, active: 0 };
    }
    return this.#pauses[reason]++ < PAUSES_MAX[reason];
  }
}
