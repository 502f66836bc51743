/**
 * The cost of moving bytes in virtual time. Only devices under virtual time charge it. A threaded device runs
 * as fast as the machine.
 */
export interface Rates {
  /** The delay from doorbell to first byte. Milliseconds. */
  readonly jobLatencyMs: number;
  readonly blitterBytesPerSecond: number;
  /** CPU reads of local memory are uncached and slow. */
  readonly cpuReadLocalBytesPerSecond: number;
  readonly cpuWriteLocalBytesPerSecond: number;
}

/** Rate limits for a device at machine speed, to rehearse a slow suspend. Bytes per second. */
export interface RateLimits {
  /** For each engine, covering all its copies and fills. */
  readonly blitter?: number;
  /** For copies by the CPU. */
  readonly memcpy?: number;
}

/**
 * A believable discrete GPU: figures for blitter and BAR access (xe issue 1182, DG1 and BMG reports).
 */
export const DEFAULT_RATES: Rates = {
  jobLatencyMs: 0.02,
  blitterBytesPerSecond: 12e9,
  cpuReadLocalBytesPerSecond: 70e6,
  cpuWriteLocalBytesPerSecond: 4e9,
};
