/**
 * What the machine still gives. A device asks before it touches memory for the first time: afterwards it
 * would be too late, because the kernel answers by ending the process.
 */
export interface MachineMemory {
  /** Bytes that may still be touched for the first time. Asked for at allocations, so it must be cheap. */
  spareBytes(): number;
  /** Notes that so many bytes more will be touched. They are never given back. */
  take(bytes: number): void;
}

/** A machine that gives whatever is asked of it. */
export const MACHINE_WITHOUT_END: MachineMemory = {
  spareBytes: () => Number.POSITIVE_INFINITY,
  take: () => {},
};
