/** How long a caller waits for objects in use to make room in a region. */
import { OBJECT_WAIT_TIMEOUT_MS } from "../limits.ts";
import type { Region } from "./region.ts";

/** The pause before the next look for room that others are about to make. */
export const BUSY_RETRY_MS = 5;

/** Why nothing can leave: commands hold the evictable objects (busy), or running work uses them (active). */
export type InUse = "busy" | "active";

/**
 * How many pauses to make while nothing leaves the region. There are few for busy objects, because two
 * callers that each hold the other's place could wait for ever. Work ends, or is found to hang.
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
