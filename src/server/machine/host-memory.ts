/** What the machine has for the devices of this process: the one account that all of them take from. */
import type { MachineMemory } from "../../device/mod.ts";
import {
  MACHINE_MEMORY_READ_INTERVAL_MS,
  MEMORY_AT_START_BYTES,
  MEMORY_FLOOR_BYTES,
  MEMORY_KEPT_BYTES,
  MEMORY_KEPT_SHARE,
} from "../daemon-limits.ts";
import { type MemoryRoom, readMemoryRoom } from "./memory-limits.ts";

export interface MachineMemoryOptions {
  /** @default the kernel's files */
  readonly read?: () => MemoryRoom;
  /** Milliseconds of a clock that never goes back. */
  readonly nowMs?: () => number;
}

/**
 * Two bounds hold together. By the account: what was left at the start, less what the daemon itself needs,
 * less what devices have asked for, touched or not. By the newest reading: what is left now, since others
 * live on the same machine, less what was asked for since.
 */
export function openMachineMemory({
  read = readMemoryRoom,
  nowMs = () => performance.now(),
}: MachineMemoryOptions = {}): MachineMemory {
  const { limitBytes, roomBytes } = read();
  let accountBytes = roomBytes - keptBytes(limitBytes);
  let readAtMs = nowMs();
  let leftBytes = roomBytes;
  return {
    spareBytes() {
      if (nowMs() - readAtMs >= MACHINE_MEMORY_READ_INTERVAL_MS) {
        leftBytes = read().roomBytes;
        readAtMs = nowMs();
      }
      return Math.min(accountBytes, leftBytes - MEMORY_FLOOR_BYTES);
    },
    take(bytes) {
      accountBytes -= bytes;
      leftBytes -= bytes;
    },
  };
}

/** What sizes that nobody chose may add up to. The same at every start under the same limit. */
export function deviceMemoryBytes(limitBytes: number): number {
  return limitBytes - MEMORY_AT_START_BYTES - keptBytes(limitBytes);
}

/** What of a limit is not for devices. */
function keptBytes(limitBytes: number): number {
  return MEMORY_KEPT_BYTES + Math.floor(limitBytes * MEMORY_KEPT_SHARE);
}
