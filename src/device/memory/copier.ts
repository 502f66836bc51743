/**
 * What memory needs to move bytes: a list of copies, and a copier that carries them out.
 *
 * Memory declares the interface and submission provides the blitter; the CPU copier always exists. The copies
 * of one list are independent: no byte is written twice, or both read and written.
 */

import type { CopyPath } from "../events.ts";
import type { Extent } from "../extent.ts";
import { PAGE_BYTES } from "../limits.ts";
import type { Space } from "./space.ts";

export interface Copier {
  readonly path: CopyPath;
  /** Resolves when every byte has arrived. Rejects if one has not, and then nothing more is written. */
  copy(list: CopyList): Promise<void>;
  /** Zeroes ranges of one bank, with the same guarantees as copy. */
  clear(bank: number, ranges: readonly Extent[]): Promise<void>;
}

/**
 * Most lists are for one object. V8 keeps arrays of 64 bytes on its heap, where they cost a tenth of larger
 * ones.
 */
const FIRST_CAPACITY = 8;

export class CopyList {
  count = 0;
  totalBytes = 0;
  sourceBank: Uint8Array;
  destinationBank: Uint8Array;
  source: Float64Array;
  destination: Float64Array;
  lengthBytes: Float64Array;

  /** @param capacity how many copies fit before it grows */
  constructor(capacity = FIRST_CAPACITY) {
    this.sourceBank = new Uint8Array(capacity);
    this.destinationBank = new Uint8Array(capacity);
    this.source = new Float64Array(capacity);
    this.destination = new Float64Array(capacity);
    this.lengthBytes = new Float64Array(capacity);
  }

  add(
    sourceBank: number,
    source: number,
    destinationBank: number,
    destination: number,
    length: number,
  ): void {
    if (this.count === this.source.length) this.#grow();
    const at = this.count++;
    this.sourceBank[at] = sourceBank;
    this.destinationBank[at] = destinationBank;
    this.source[at] = source;
    this.destination[at] = destination;
    this.lengthBytes[at] = length;
    this.totalBytes += length;
  }

  /** Adds the copies that carry `sizeBytes` from one resource to another, extents to extents. */
  addResource(source: Space, destination: Space, sizeBytes: number): void {
    const { region: from, handle: fromHandle } = source;
    const { region: to, handle: toHandle } = destination;
    // Most resources are one block, and making lists of one extent costs more than everything else here.
    if (from.onlyBlockBytes(fromHandle) >= sizeBytes && to.onlyBlockBytes(toHandle) >= sizeBytes) {
      const target = to.startBytes(toHandle);
      this.add(from.bank.index, from.startBytes(fromHandle), to.bank.index, target, sizeBytes);
      return;
    }
    const sources = from.extents(fromHandle);
    const targets = to.extents(toHandle);
    let sourceIndex = 0;
    let targetIndex = 0;
    let sourceDone = 0;
    let targetDone = 0;
    let left = sizeBytes;
    while (left > 0) {
      const piece = sources[sourceIndex];
      const target = targets[targetIndex];
      if (piece === undefined || target === undefined)
        throw new RangeError("a resource is shorter than its object");
      const length = Math.min(left, piece.lengthBytes - sourceDone, target.lengthBytes - targetDone);
      this.add(
        from.bank.index,
        piece.offsetBytes + sourceDone,
        to.bank.index,
        target.offsetBytes + targetDone,
        length,
      );
      left -= length;
      sourceDone += length;
      targetDone += length;
      if (sourceDone === piece.lengthBytes) {
        sourceIndex++;
        sourceDone = 0;
      }
      if (targetDone === target.lengthBytes) {
        targetIndex++;
        targetDone = 0;
      }
    }
  }

  /** Whether copy `at` continues the previous one in both banks, so that both together are one copy. */
  continues(at: number): boolean {
    const before = at - 1;
    const length = this.lengthBytes[before];
    return (
      this.source[before] + length === this.source[at] &&
      this.destination[before] + length === this.destination[at] &&
      this.sourceBank[before] === this.sourceBank[at] &&
      this.destinationBank[before] === this.destinationBank[at]
    );
  }

  /** The same copies as `count` lists with about equal bytes. A copy may be cut at a page. */
  shares(count: number): CopyList[] {
    const shareBytes = Math.ceil(this.totalBytes / count / PAGE_BYTES) * PAGE_BYTES;
    const shares: CopyList[] = [];
    let share = new CopyList();
    for (let at = 0; at < this.count; at++) {
      for (let done = 0; done < this.lengthBytes[at]; ) {
        const length = Math.min(this.lengthBytes[at] - done, shareBytes - share.totalBytes);
        const source = this.source[at] + done;
        share.add(this.sourceBank[at], source, this.destinationBank[at], this.destination[at] + done, length);
        done += length;
        if (share.totalBytes < shareBytes) continue;
        shares.push(share);
        share = new CopyList();
      }
    }
    if (share.count > 0) shares.push(share);
    return shares;
  }

  #grow(): void {
    const capacity = this.source.length * 4;
    this.sourceBank = copied(this.sourceBank, new Uint8Array(capacity));
    this.destinationBank = copied(this.destinationBank, new Uint8Array(capacity));
    this.source = copied(this.source, new Float64Array(capacity));
    this.destination = copied(this.destination, new Float64Array(capacity));
    this.lengthBytes = copied(this.lengthBytes, new Float64Array(capacity));
  }
}

function copied<T extends Uint8Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
