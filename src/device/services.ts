/** What the outside world gives a device: handed in at boot, and handed on to each part that needs it. */
import type { Clock } from "./clock.ts";
import type { EventSink } from "./events.ts";
import type { DeviceFailpoints } from "./failpoints.ts";

/** Makes hashes; handed in, because the device knows no cryptography. */
export type HashFactory = () => { update(bytes: Uint8Array): void; digestHex(): string };

export interface DeviceServices {
  readonly clock: Clock;
  readonly emit: EventSink;
  /** Places where things go wrong on purpose. */
  readonly failpoints: DeviceFailpoints;
  readonly sha256: HashFactory;
  /** Uniform in [0, 1); only for what need not be secret. */
  readonly random: () => number;
}
