/** Sizes of memory that nobody chose, made to fit what the process may have. */
import type { ConfigKey, Settings } from "./schema.ts";

export interface FittedMemory {
  readonly lmem: readonly number[];
  readonly smem: number;
}

const MIB = 2 ** 20;
/** Sizes are whole numbers of these. */
const STEP_BYTES = 16 * MIB;
/** A device that is smaller is of no use to anybody. */
const LEAST_LMEM_BYTES = 16 * MIB;
const LEAST_SMEM_BYTES = 32 * MIB;
/**
 * Local memory's share, where both are to fit: what is in it must have room in system memory at a suspend.
 */
const LMEM_SHARE = 1 / 3;

/**
 * Undefined where the defaults fit. Depends on nothing that changes from one start to the next, so that a
 * device fits the image that the daemon before this one has left.
 * @param memoryBytes what all devices may have together
 */
export function fitMemory(
  { device, lmem, smem, stolen }: Pick<Settings, "device" | "lmem" | "smem" | "stolen">,
  isGiven: (key: ConfigKey) => boolean,
  memoryBytes: number,
): FittedMemory | undefined {
  const eachBytes = memoryBytes / device.length - stolen;
  const lmemBytes = lmem.reduce((sum, sizeBytes) => sum + sizeBytes, 0);
  const fitsLmem = !isGiven("lmem");
  const fitsSmem = !isGiven("smem");
  if (lmemBytes + smem <= eachBytes || !(fitsLmem || fitsSmem)) return undefined;
  const roomBytes = fitsSmem ? eachBytes * LMEM_SHARE : eachBytes - smem;
  const local = fitsLmem ? [within(roomBytes, LEAST_LMEM_BYTES, lmemBytes)] : lmem;
  const localBytes = local.reduce((sum, sizeBytes) => sum + sizeBytes, 0);
  return {
    lmem: local,
    smem: fitsSmem ? within(eachBytes - localBytes, LEAST_SMEM_BYTES, smem) : smem,
  };
}

function within(bytes: number, leastBytes: number, mostBytes: number): number {
  return Math.min(mostBytes, Math.max(leastBytes, Math.floor(bytes / STEP_BYTES) * STEP_BYTES));
}
