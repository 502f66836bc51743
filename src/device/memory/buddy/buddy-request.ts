/**
 * Checks a request and converts it to chunks: the -EINVAL list of gpu_buddy_alloc_blocks, linux 6.12, as
 * sentences.
 */
import { formatBytes } from "../../format.ts";
import type { Window } from "./buddy-blocks.ts";
import { highestBit, roundUp } from "./buddy-free-map.ts";

export interface BuddyRequest {
  readonly sizeBytes: number;
  /** Smallest block, so also the alignment of each: a power of two, at least a chunk. */
  readonly minBlockBytes: number;
  /**
   * Where the blocks may be: the whole space when absent. A range of exactly `sizeBytes` is that very range.
   */
  readonly startBytes?: number;
  readonly endBytes?: number;
  /** One extent, aligned to `minBlockBytes`. */
  readonly contiguous?: boolean;
  /** The highest place instead of the one that keeps large blocks intact. */
  readonly topDown?: boolean;
  /** Prefers memory known to be zero. Other requests leave such memory to those that prefer it. */
  readonly preferCleared?: boolean;
}

/** The facts about the space that the checks need. */
export interface Space {
  readonly sizeBytes: number;
  readonly chunkBytes: number;
}

/** A request in chunks, checked. An allocator has one and refills it, so that allocating makes no garbage. */
export class Terms implements Window {
  size = 0;
  minOrder = 0;
  start = 0;
  end = 0;
  contiguous = false;
  topDown = false;
  preferCleared = false;

  /** @throws RangeError for a request that could never be met in this space. */
  fill(request: BuddyRequest, space: Space): void {
    // Exact, because a chunk is a power of two, and much cheaper than five divisions.
    const perChunk = 1 / space.chunkBytes;
    const chunkCount = space.sizeBytes * perChunk;
    const size = request.sizeBytes * perChunk;
    const minSize = request.minBlockBytes * perChunk;
    const start = request.startBytes === undefined ? 0 : request.startBytes * perChunk;
    const end = request.endBytes === undefined ? chunkCount : request.endBytes * perChunk;
    const contiguous = request.contiguous === true;
    const exact = start + size === end;
    const legal =
      isWhole(size) &&
      size >= 1 &&
      isWhole(minSize) &&
      minSize >= 1 &&
      (minSize & (minSize - 1)) === 0 &&
      isWhole(start) &&
      isWhole(end) &&
      start >= 0 &&
      start < end &&
      end <= chunkCount &&
      start + size <= chunkCount &&
      (exact ? ((start | end) & (minSize - 1)) === 0 : contiguous || roundUp(size, minSize) <= chunkCount);
    // The sentence is made only for a refusal.
    if (!legal) throw new RangeError(refusal(request, space));
    this.size = size | 0;
    this.minOrder = highestBit(minSize);
    this.start = start | 0;
    this.end = end | 0;
    this.contiguous = contiguous;
    this.topDown = request.topDown === true;
    this.preferCleared = request.preferCleared === true;
  }
}

/** Whether `chunks` is a whole number of chunks that fits in 32 bits. */
function isWhole(chunks: number): boolean {
  return (chunks | 0) === chunks;
}

/** Why a request is refused: the first rule it breaks. */
function refusal(request: BuddyRequest, space: Space): string {
  const { sizeBytes, minBlockBytes, startBytes = 0, endBytes = space.sizeBytes } = request;
  const chunk = formatBytes(space.chunkBytes);
  const size = `Size (${formatBytes(sizeBytes)})`;
  const minBlock = `Smallest block (${formatBytes(minBlockBytes)})`;
  const range = `Range (${formatBytes(startBytes)} to ${formatBytes(endBytes)})`;
  const whole = `the space (${formatBytes(space.sizeBytes)})`;
  if (!(sizeBytes >= space.chunkBytes)) return `${size} is smaller than a chunk (${chunk}).`;
  if (!(minBlockBytes >= space.chunkBytes)) return `${minBlock} is smaller than a chunk (${chunk}).`;
  if (!Number.isInteger(Math.log2(minBlockBytes))) return `${minBlock} is not a power of two.`;
  if (sizeBytes % space.chunkBytes !== 0) return `${size} is not a multiple of the chunk (${chunk}).`;
  if (startBytes % space.chunkBytes !== 0 || endBytes % space.chunkBytes !== 0) {
    return `${range} does not start and end at a multiple of the chunk (${chunk}).`;
  }
  if (!(startBytes >= 0 && endBytes <= space.sizeBytes)) return `${range} is not inside ${whole}.`;
  if (!(startBytes < endBytes)) return `${range} is empty.`;
  if (startBytes + sizeBytes > space.sizeBytes) {
    return `${size} from offset ${formatBytes(startBytes)} on ends behind ${whole}.`;
  }
  if (startBytes + sizeBytes === endBytes)
    return `${range} is not aligned to the smallest block (${formatBytes(minBlockBytes)}).`;
  return `${size} in blocks of at least ${formatBytes(minBlockBytes)} is larger than ${whole}.`;
}
