/**
 * The blitter: memory's Copier, made of the migrate contexts of all copy engines. A large list is divided
 * among them. A small one goes to the least busy context.
 */

import type { Extent } from "../extent.ts";
import type { DeviceFailpoints } from "../failpoints.ts";
import { COMMAND_LENGTH_MAX, type RingWriter } from "../hardware/ring.ts";
import { BLIT_CHUNK_BYTES } from "../limits.ts";
import type { Copier, CopyList } from "../memory/copier.ts";
import type { CopyWatch } from "../memory/copy-watch.ts";
import { HangingWork } from "./hanging-work.ts";
import type { RingContext, RingWork } from "./ring-context.ts";

/** Lists from this size on are worth dividing: each engine gets several milliseconds of work. */
const SHARED_BYTES = 2 * BLIT_CHUNK_BYTES;

/** The migrate context of an engine. */
export interface BlitterContext {
  readonly engine: string;
  readonly ring: RingContext;
}

export interface BlitterOptions {
  readonly contexts: readonly BlitterContext[];
  readonly copies: CopyWatch;
  readonly failpoints: DeviceFailpoints;
  /** Writes garbage over the page table of the contexts. */
  readonly damagePageTable: () => void;
}

export class Blitter implements Copier {
  readonly path = "blitter";
  readonly #options: BlitterOptions;

  constructor(options: BlitterOptions) {
    this.#options = options;
  }

  async copy(list: CopyList): Promise<void> {
    if (list.count === 0) return;
    const { contexts } = this.#options;
    if (contexts.length === 1 || list.totalBytes < SHARED_BYTES) return this.#copy(list);
    const shares = list.shares(contexts.length);
    const ends = await Promise.allSettled(shares.map((share) => this.#copy(share)));
    // When this is known nothing is being written any more, because every share has ended.
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }

  clear(bank: number, ranges: readonly Extent[]): Promise<void> {
    return ranges.length === 0
      ? Promise.resolve()
      : this.#submit(this.#idlest(), new ClearWork(bank, ranges));
  }

  #copy(list: CopyList): Promise<void> {
    const context = this.#idlest();
    return this.#options.copies.watch(context.engine, list, () => this.#submit(context, new CopyWork(list)));
  }

  #idlest(): BlitterContext {
    return this.#options.contexts.reduce((best, each) =>
      each.ring.pendingBytes < best.ring.pendingBytes ? each : best,
    );
  }

  #submit({ ring }: BlitterContext, work: RingWork): Promise<void> {
    const { failpoints, damagePageTable } = this.#options;
    if (failpoints.fires("migrate.pageTable")) damagePageTable();
    return ring.submit(failpoints.fires("blitter.hang") ? new HangingWork(work) : work).wait();
  }
}

/**
 * Turns the copies of a list into commands of at most BLIT_CHUNK_BYTES. Merges neighbours with neighbouring
 * destinations.
 */
class CopyWork implements RingWork {
  readonly bytes: number;
  readonly #list: CopyList;
  #index = 0;
  #doneBytes = 0;

  constructor(list: CopyList) {
    this.#list = list;
    this.bytes = list.totalBytes;
  }

  emit(ring: RingWriter, commandsMax: number): number {
    const list = this.#list;
    let emitted = 0;
    while (emitted < commandsMax && this.#index < list.count) {
      const at = this.#index;
      const done = this.#doneBytes;
      let length = list.lengthBytes[at] - done;
      let next = at + 1;
      if (length > BLIT_CHUNK_BYTES) {
        length = BLIT_CHUNK_BYTES;
        next = at;
      } else {
        while (
          next < list.count &&
          list.continues(next) &&
          length + list.lengthBytes[next] <= BLIT_CHUNK_BYTES
        )
          length += list.lengthBytes[next++];
      }
      ring.copyIndependent(
        list.sourceBank[at],
        list.source[at] + done,
        list.destinationBank[at],
        list.destination[at] + done,
        length,
      );
      emitted++;
      this.#doneBytes = next === at ? done + length : 0;
      this.#index = next;
    }
    return emitted;
  }

  done(): boolean {
    return this.#index === this.#list.count;
  }
}

/** Ranges to be zeroed, one command each, because one large fill is faster than many small ones. */
class ClearWork implements RingWork {
  readonly bytes: number;
  readonly #bank: number;
  readonly #ranges: readonly Extent[];
  #index = 0;
  #doneBytes = 0;

  constructor(bank: number, ranges: readonly Extent[]) {
    this.#bank = bank;
    this.#ranges = ranges;
    this.bytes = ranges.reduce((sum, range) => sum + range.lengthBytes, 0);
  }

  emit(ring: RingWriter, commandsMax: number): number {
    let emitted = 0;
    for (; emitted < commandsMax && this.#index < this.#ranges.length; emitted++) {
      const range = this.#ranges[this.#index];
      const length = Math.min(range.lengthBytes - this.#doneBytes, COMMAND_LENGTH_MAX);
      ring.fill({ bank: this.#bank, offsetBytes: range.offsetBytes + this.#doneBytes }, length, 0);
      this.#doneBytes += length;
      if (this.#doneBytes < range.lengthBytes) continue;
      this.#index++;
      this.#doneBytes = 0;
    }
    return emitted;
  }

  done(): boolean {
    return this.#index === this.#ranges.length;
  }
}
