/**
 * The services that the outside world gives a device. They are handed in at boot, and handed on to each part
 * that needs them.
 */
import type { Clock } from "./clock.ts";
import type { EventSink } from "./events.ts";
import type { DeviceFailpoints } from "./failpoints.ts";
import type { MachineMemory } from "./machine-memory.ts";

/** Makes hashes. Handed in, because the device has no cryptography of its own. */
export type HashFactory = () => { update(bytes: Uint8Array): void; digestHex(): string };

export interface DeviceServices {
  readonly clock: Clock;
  readonly emit: EventSink;
  /** Places where faults can be injected. */
  readonly failpoints: DeviceFailpoints;
  readonly sha256: HashFactory;
  /** Uniform in [0, 1). Only for values that need not be secret. */
  readonly random: () => number;
  readonly machine: MachineMemory;
}
