/**
 * An object's bytes where they lie in a bank: the runs of a range, and the pages that swap moves. The caller
 * holds the object's lock, so it stays where it is.
 */
import type { Extent } from "../extent.ts";
import type { Memory } from "./memory.ts";
import type { Region } from "./region.ts";
import type { Space } from "./space.ts";
import { SWAP_PAGE_BYTES, type SwapPage } from "./swap.ts";

/** A run of an object's bytes: its place in the bank, its length, and its place in the requested range. */
export interface Run {
  readonly bankOffsetBytes: number;
  readonly lengthBytes: number;
  readonly at: number;
}

/** A run of a page: its place in the page, and the rest of the run behind it. */
export interface PageRun extends Run {
  /** How many bytes of the object lie there without a gap, from its first byte on. */
  readonly contiguousBytes: number;
}

/** The runs of a range of a resource, in the order of the object's bytes. */
export function runsOf(region: Region, handle: number, { offsetBytes, lengthBytes }: Extent): Run[] {
  const runs: Run[] = [];
  const end = offsetBytes + lengthBytes;
  let position = 0;
  region.forEachBlock(handle, (blockOffset, blockLength) => {
    const from = Math.max(offsetBytes, position);
    const to = Math.min(end, position + blockLength);
    if (from < to) {
      runs.push({
        bankOffsetBytes: blockOffset + from - position,
        lengthBytes: to - from,
        at: from - offsetBytes,
      });
    }
    position += blockLength;
  });
  return runs;
}

/** The pages of a resource of `sizeBytes`, for swap. */
export function* swapPagesOf(
  memory: Memory,
  { region, handle }: Space,
  sizeBytes: number,
): Generator<SwapPage> {
  const { bank } = region;
  const microcode = memory.microcodes.within(bank.index);
  for (const page of pageRunsOf(region, handle, sizeBytes)) {
    yield {
      runs: page.map((run) =>
        bank.bytes.subarray(run.bankOffsetBytes, run.bankOffsetBytes + run.lengthBytes),
      ),
      crc32c: () => page.reduce((crc, run) => microcode.crc32c(run.bankOffsetBytes, run.lengthBytes, crc), 0),
    };
  }
}

/**
 * The runs of each page of SWAP_PAGE_BYTES of a resource of `sizeBytes`; `at` counts from the start of the
 * page.
 */
export function* pageRunsOf(
  region: Region,
  handle: number,
  sizeBytes: number,
): Generator<readonly PageRun[]> {
  // One pass over all extents instead of one per page, because objects may have many of both.
  const runs = runsOf(region, handle, { offsetBytes: 0, lengthBytes: sizeBytes });
  let index = 0;
  let done = 0;
  for (let position = 0; position < sizeBytes; position += SWAP_PAGE_BYTES) {
    const page: PageRun[] = [];
    let left = Math.min(SWAP_PAGE_BYTES, sizeBytes - position);
    while (left > 0) {
      const run = runs[index];
      const lengthBytes = Math.min(left, run.lengthBytes - done);
      const at = Math.min(SWAP_PAGE_BYTES, sizeBytes - position) - left;
      const contiguousBytes = run.lengthBytes - done;
      page.push({ bankOffsetBytes: run.bankOffsetBytes + done, lengthBytes, at, contiguousBytes });
      left -= lengthBytes;
      done += lengthBytes;
      if (done === run.lengthBytes) {
        index++;
        done = 0;
      }
    }
    yield page;
  }
}
