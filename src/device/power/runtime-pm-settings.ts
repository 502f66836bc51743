/** The settings of runtime PM. */
import { DeviceError } from "../errors.ts";
import { formatBytes } from "../format.ts";
import { AUTOSUSPEND_DELAY_MAX_MS, AUTOSUSPEND_DELAY_MIN_MS } from "../limits.ts";
import type { Memory } from "../memory/memory.ts";

export interface RuntimePmSettings {
  readonly enabled: boolean;
  readonly autosuspendDelayMs: number;
  /**
   * The device enters D3cold if it uses less local memory than this; 0 means never. At most the size of local
   * memory.
   */
  readonly d3coldThresholdBytes: number;
  /**
   * Whether D3cold takes a CRC-32C of every object, and compares it after the device has woken.
   * @default false
   */
  readonly verify?: boolean;
}

/** @throws DeviceError INVALID_REQUEST */
export function checkSettings(settings: RuntimePmSettings, localBytesTotal: number): void {
  const { autosuspendDelayMs, d3coldThresholdBytes } = settings;
  if (!(autosuspendDelayMs >= AUTOSUSPEND_DELAY_MIN_MS && autosuspendDelayMs <= AUTOSUSPEND_DELAY_MAX_MS)) {
    throw new DeviceError(
      "INVALID_REQUEST",
      `Autosuspend delay (${autosuspendDelayMs} ms) is not between ${AUTOSUSPEND_DELAY_MIN_MS} and ` +
        `${AUTOSUSPEND_DELAY_MAX_MS} ms.`,
      { autosuspendDelayMs: String(autosuspendDelayMs) },
    );
  }
  const isSize = Number.isSafeInteger(d3coldThresholdBytes) && d3coldThresholdBytes >= 0;
  if (isSize && d3coldThresholdBytes <= localBytesTotal) return;
  throw new DeviceError(
    "INVALID_REQUEST",
    `D3cold threshold (${d3coldThresholdBytes} bytes) is not between 0 and the size of local memory ` +
      `(${formatBytes(localBytesTotal)}).`,
    { d3coldThresholdBytes: String(d3coldThresholdBytes), localBytes: String(localBytesTotal) },
  );
}

/** The most that a threshold can be. */
export function localBytes(memory: Memory): number {
  return memory.localRegions.reduce((sum, region) => sum + region.sizeBytes, 0);
}
