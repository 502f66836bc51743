/**
 * What power works with: the parts of a device that its sequences call, and the progress of each sequence.
 */
import type { DeviceEvent } from "../events.ts";
import type { EnergyMeter } from "../hardware/energy-meter.ts";
import type { PowerRail } from "../hardware/rail.ts";
import type { Listeners } from "../listeners.ts";
import type { PowerPolicy } from "../policy.ts";
import type { SleepState, SuspendCause } from "../resource.ts";
import type { Gt } from "../submission/gt.ts";
import type { PreallocatedBackups } from "./backup.ts";
import type { CommandGate } from "./command-gate.ts";
import type { Pace } from "./estimate.ts";
import type { Hibernation } from "./hibernation.ts";
import type { ImagedDevice } from "./image/capture.ts";
import type { Ownership } from "./ownership.ts";
import type { SnapshotStore } from "./snapshot/snapshot-store.ts";
import type { TakenChecksums } from "./verify.ts";
import type { WorkingMemory } from "./working-memory.ts";

export interface Parts extends WorkingMemory {
  readonly gt: Gt;
  readonly rail: PowerRail;
  /** Undefined without a profile of power. */
  readonly meter: EnergyMeter | undefined;
  readonly gate: CommandGate;
  readonly hibernation: Hibernation;
  /** Events of the device as they happen, for traces. */
  readonly events: Listeners<[event: DeviceEvent]>;
  readonly policy: PowerPolicy;
  /** What snapshots need: the device for one, where they are kept, and the owner of the state. */
  readonly snapshots: {
    readonly store: SnapshotStore | undefined;
    readonly device: () => ImagedDevice;
    readonly ownership: Ownership;
  };
  /** What a plan's time is estimated from. */
  readonly pace: Pace;
}

/** Where a suspend leads, and what it does on its way. */
export interface SuspendTarget {
  /** Undefined for runtime PM. */
  readonly sleepState: SleepState | undefined;
  readonly dState: "D3HOT" | "D3COLD";
  /** Whether steps 1 to 3 run. Only runtime D3hot skips them, because it loses nothing. */
  readonly copies: boolean;
  /** Whether a hibernation image is written. */
  readonly image: boolean;
  /** Whether system memory and swap are lost with local memory, as in S4. Hybrid sleep keeps them. */
  readonly losesSystem: boolean;
  /** Whether steps 1 to 3 may swap. */
  readonly swaps: boolean;
  readonly idleTimeoutMs: number;
  readonly onIdleTimeout: "WEDGE" | "ABORT";
  readonly verify: boolean;
  /** Who asked for it. The image records it. */
  readonly cause: SuspendCause;
}

/** How far a suspend came. Recover undoes what follows from it. */
export interface SuspendProgress {
  firmwareStopped: boolean;
  powerOffBegun: boolean;
  checksums: TakenChecksums | undefined;
  readonly preallocated: PreallocatedBackups;
}

/** How far a resume came. */
export interface ResumeProgress {
  /** A failure after that leaves the device FAILED, not SUSPENDED. */
  powerOn: boolean;
  /** Whether the checksums have been compared. */
  compared: boolean;
}
