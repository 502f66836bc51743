/**
 * What moving bytes costs in virtual time. Only devices under virtual time charge it; a threaded device runs
 * as fast as the machine.
 */
export interface Rates {
  /** From doorbell to first byte. Milliseconds. */
  readonly jobLatencyMs: number;
  readonly blitterBytesPerSecond: number;
  /** CPU reads of local memory are uncached, and slow. */
  readonly cpuReadLocalBytesPerSecond: number;
  readonly cpuWriteLocalBytesPerSecond: number;
}

/**
 * Brakes for a device that runs at machine speed, so that a slow suspend can be rehearsed. Bytes per second.
 */
export interface RateLimits {
  /** Of each engine, for all that it copies and fills. */
  readonly blitter?: number;
  /** Of the CPU's copies. */
  readonly memcpy?: number;
}

/**
 * A believable discrete GPU: `reference` figures for blitter and BAR access (xe issue 1182, DG1 and BMG
 * reports).
 */
export const DEFAULT_RATES: Rates = {
  jobLatencyMs: 0.02,
  blitterBytesPerSecond: 12e9,
  cpuReadLocalBytesPerSecond: 70e6,
  cpuWriteLocalBytesPerSecond: 4e9,
};
