/**
 * The memory that the machine can still give. A device asks before it touches memory for the first time.
 * Afterwards it would be too late, because the kernel would end the process.
 */
export interface MachineMemory {
  /** Bytes that may still be touched for the first time. Asked for at allocations, so it must be cheap. */
  spareBytes(): number;
  /** Records that so many more bytes will be touched. They are never given back. */
  take(bytes: number): void;
}

/** A machine with unlimited memory. */
export const MACHINE_WITHOUT_END: MachineMemory = {
  spareBytes: () => Number.POSITIVE_INFINITY,
  take: () => {},
};
