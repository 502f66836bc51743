/**
 * Copies whose result is always checked: if a blit fails, the CPU repeats it, or the caller gets an error.
 * The kernel lets some of these errors pass; we do not.
 */
import { DeviceError, toDeviceError } from "../errors.ts";
import type { CopyPath } from "../events.ts";
import type { Extent } from "../extent.ts";
import { formatBytes } from "../format.ts";
import { commitAhead, isUncommitted } from "./commit-ahead.ts";
import type { Copier, CopyList } from "./copier.ts";
import { CPU_TRACK } from "./copy-watch.ts";
import { damageCopy } from "./damage-copy.ts";
import type { Memory } from "./memory.ts";

/**
 * Carries out `list` by blitter if there is one, else or if that fails by CPU. Returns the path that did it.
 */
export function copyChecked(memory: Memory, list: CopyList): Promise<CopyPath> {
  const copying = byBlitterElse(memory, {
    bytes: list.totalBytes,
    byBlitter: (blitter) => blitter.copy(list),
    byCpu: () => copyByCpu(memory, list),
    onBlitted: () => damageCopy(memory, list),
  });
  return memory.commitsAhead && isUncommitted(memory, list) ? commitAhead(memory, list, copying) : copying;
}

/**
 * Carries out `list` by CPU, even if there is a blitter.
 * @throws DeviceError COPY_FAILED for what it cannot reach.
 */
export async function copyByCpu(memory: Memory, list: CopyList): Promise<CopyPath> {
  for (let at = 0; at < list.count; at++) {
    requireVisible(memory, list.sourceBank[at], list.source[at] + list.lengthBytes[at]);
    requireVisible(memory, list.destinationBank[at], list.destination[at] + list.lengthBytes[at]);
  }
  await memory.copies.watch(CPU_TRACK, list, () => memory.cpuCopier.copy(list));
  return memory.cpuCopier.path;
}

async function clearByCpu(memory: Memory, bank: number, ranges: readonly Extent[]): Promise<CopyPath> {
  for (const range of ranges) requireVisible(memory, bank, range.offsetBytes + range.lengthBytes);
  await memory.cpuCopier.clear(bank, ranges);
  return memory.cpuCopier.path;
}

/** The CPU reaches a bank only through its window. Memory beyond it needs a blitter (i915: -EIO). */
function requireVisible(memory: Memory, bank: number, endBytes: number): void {
  const region = memory.region(bank);
  if (endBytes <= region.visibleBytes) return;
  throw new DeviceError(
    "COPY_FAILED",
    `The blitter cannot be used, and the CPU cannot reach beyond the first ` +
      `${formatBytes(region.visibleBytes)} of region ${region.id}.`,
    { region: region.id },
  );
}

/** Zeroes the ranges of one bank, likewise. */
export function clearChecked(memory: Memory, bank: number, ranges: readonly Extent[]): Promise<CopyPath> {
  const bytes = ranges.reduce((sum, range) => sum + range.lengthBytes, 0);
  return byBlitterElse(memory, {
    bytes,
    byBlitter: (blitter) => blitter.clear(bank, ranges),
    byCpu: () => clearByCpu(memory, bank, ranges),
    onBlitted: () => {},
  });
}

interface Work {
  readonly bytes: number;
  byBlitter(blitter: Copier): Promise<void>;
  byCpu(): Promise<CopyPath>;
  /** Its fence says that the blitter has done it. */
  onBlitted(): void;
}

async function byBlitterElse(memory: Memory, work: Work): Promise<CopyPath> {
  const { blitter, services } = memory;
  if (blitter !== undefined) {
    try {
      await work.byBlitter(blitter);
      if (services.failpoints.fires("copy.blit")) {
        throw new DeviceError("COPY_FAILED", "Failpoint copy.blit made the fence of a blit fail.");
      }
      work.onBlitted();
      return blitter.path;
    } catch (error) {
      services.emit({ type: "blitterFallback", reason: toDeviceError(error).reason, bytes: work.bytes });
    }
  }
  return work.byCpu();
}
