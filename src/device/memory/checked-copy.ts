/**
 * Copies whose result is always checked: a blit that fails is done again by the CPU, or the caller hears of it. The
 * kernel lets some of these errors pass; we do not.
 */
import { toDeviceError } from "../errors.ts";
import type { CopyPath } from "../events.ts";
import type { ClearRange, Copier, CopyList } from "./copier.ts";
import type { Memory } from "./memory.ts";

/** Carries out `list` by blitter if there is one, else (or if that fails) by CPU. Answers which path did it. */
export function copyChecked(memory: Memory, list: CopyList): Promise<CopyPath> {
  return byBlitterElseCpu(memory, memory.blitter, list.totalBytes, (copier) => copier.copy(list));
}

/** Carries out `list` by CPU, whatever the blitter could do. */
export async function copyByCpu(memory: Memory, list: CopyList): Promise<CopyPath> {
  await memory.cpuCopier.copy(list);
  return memory.cpuCopier.path;
}

/** Zeroes the ranges of one bank, likewise. */
export function clearChecked(memory: Memory, bank: number, ranges: readonly ClearRange[]): Promise<CopyPath> {
  const bytes = ranges.reduce((sum, range) => sum + range.lengthBytes, 0);
  return byBlitterElseCpu(memory, memory.blitter, bytes, (copier) => copier.clear(bank, ranges));
}

async function byBlitterElseCpu(
  memory: Memory,
  blitter: Copier | undefined,
  bytes: number,
  work: (copier: Copier) => Promise<void>,
): Promise<CopyPath> {
  if (blitter !== undefined) {
    try {
      await work(blitter);
      return blitter.path;
    } catch (error) {
      memory.emit({ type: "blitterFallback", reason: toDeviceError(error).reason, bytes });
    }
  }
  await work(memory.cpuCopier);
  return memory.cpuCopier.path;
}
