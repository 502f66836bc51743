/**
 * A client's context: an image and a ring, which are both device-owned objects in local memory. They are
 * pinned while there is work. Otherwise they may be evicted like other objects, and the image keeps the
 * registers.
 */
import assert from "node:assert/strict";
import { DeviceError } from "../errors.ts";
import { CONTEXT_IMAGE_BYTES, loadContext } from "../hardware/context-image.ts";
import { CLIENT_RING_BYTES, OBJECTS_MAX } from "../limits.ts";
import type { Memory } from "../memory/memory.ts";
import { FLAG, NONE } from "../memory/object-table.ts";
import { destroy } from "../memory/objects.ts";
import { makeResident } from "../memory/placement.ts";
import { roundUp } from "../memory/region.ts";
import { notePinned, relist } from "../memory/residency.ts";
import type { ContextPriority, ContextResource } from "../resource.ts";
import type { Request } from "./request.ts";
import type { ContextPlace, RingContext } from "./ring-context.ts";

/** Numbers of the priorities that clients may ask for. Heartbeats and the kernel's copies are above them. */
export const PRIORITY: Readonly<Record<ContextPriority, number>> = { LOW: -100, NORMAL: 0, HIGH: 100 };

/** A context without work as plain data, for hibernation images. */
export interface SavedContext {
  readonly id: number;
  readonly engine: string;
  readonly priority: ContextPriority;
  readonly hangs: number;
  readonly banned: boolean;
  readonly seqno: number;
  /** Whether the image holds registers. */
  readonly placedBefore: boolean;
  readonly imageSlot: number;
  readonly ringSlot: number;
}

export interface ClientContextOptions {
  readonly id: string;
  readonly engine: string;
  readonly priority: ContextPriority;
  readonly ring: RingContext;
  readonly memory: Memory;
  /** Its saved state, including image and ring; undefined for a new context. */
  readonly saved?: SavedContext | undefined;
}

export class ClientContext {
  readonly id: string;
  readonly engine: string;
  readonly ring: RingContext;
  /** Requests that have not been handed to the ring, oldest first. */
  readonly queue: Request[] = [];
  /** Requests in the ring, oldest first. */
  readonly inFlight: Request[] = [];
  /** Whether a feeder is moving requests from the queue to the ring. */
  feeding = false;
  hangs = 0;
  banned = false;
  deleted = false;
  seqno = 0;
  readonly #options: ClientContextOptions;
  readonly #imageSlot: number;
  readonly #ringSlot: number;
  #pinned = false;
  /** Whether the image was ever written. */
  #placedBefore = false;

  constructor(options: ClientContextOptions) {
    this.id = options.id;
    this.engine = options.engine;
    this.ring = options.ring;
    this.#options = options;
    const { saved } = options;
    if (saved !== undefined) {
      this.hangs = saved.hangs;
      this.banned = saved.banned;
      this.seqno = saved.seqno;
      this.#placedBefore = saved.placedBefore;
      this.#imageSlot = saved.imageSlot;
      this.#ringSlot = saved.ringSlot;
      return;
    }
    if (options.memory.table.count + 2 > OBJECTS_MAX) {
      throw new DeviceError(
        "LIMIT_EXCEEDED",
        "The device holds as many objects as it can, and a context needs two.",
      );
    }
    this.#imageSlot = this.#addObject("image", CONTEXT_IMAGE_BYTES);
    this.#ringSlot = this.#addObject("ring", CLIENT_RING_BYTES);
  }

  get pendingRequests(): number {
    return this.queue.length + this.inFlight.length;
  }

  /**
   * The data to restore the context. Legal when it has no work, because its registers are then in the image.
   */
  save(): SavedContext {
    assert(!this.#pinned && this.pendingRequests === 0, `context ${this.id} is saved when it has no work`);
    const { engine, hangs, banned, seqno } = this;
    return {
      id: Number(this.id),
      engine,
      priority: this.#options.priority,
      hangs,
      banned,
      seqno,
      placedBefore: this.#placedBefore,
      imageSlot: this.#imageSlot,
      ringSlot: this.#ringSlot,
    };
  }

  /** Pins image and ring in local memory and puts the context there. Does nothing while they are pinned. */
  async activate(): Promise<void> {
    if (this.#pinned) return;
    const { memory } = this.#options;
    const slots = [this.#imageSlot, this.#ringSlot];
    for (const slot of slots) await memory.locks.lock(slot);
    try {
      for (const slot of slots) await makeResident(memory, slot, memory.region(1));
      for (const slot of slots) {
        memory.table.pinCount[slot] = 1;
        notePinned(memory, slot, 1);
        relist(memory, slot);
      }
    } finally {
      for (const slot of slots) memory.locks.unlock(slot);
    }
    this.#pinned = true;
    const place = this.#place();
    if (this.#placedBefore && this.ring.placeSaved(place)) return;
    const damaged = this.#placedBefore;
    this.ring.placeFresh(place);
    this.#placedBefore = true;
    if (!damaged) return;
    throw new DeviceError(
      "ENGINE_HUNG",
      `The image of context ${this.id} was damaged in memory, and its registers are lost; the next ` +
        `request starts afresh.`,
      { context: this.id },
    );
  }

  /** Unpins image and ring when there is no work. Their contents stay. */
  deactivate(): void {
    if (!this.#pinned || this.pendingRequests > 0) return;
    const { memory } = this.#options;
    this.ring.leave();
    this.#pinned = false;
    for (const slot of [this.#imageSlot, this.#ringSlot]) {
      notePinned(memory, slot, -1);
      memory.table.pinCount[slot] = 0;
      relist(memory, slot);
      memory.touch(slot);
    }
    if (this.deleted) this.#free();
  }

  /** Releases a deleted context that has no work. */
  retire(): void {
    assert(this.deleted, "a context is retired after it was deleted");
    if (this.#pinned) this.deactivate();
    else this.#free();
  }

  /** Frees image and ring. */
  #free(): void {
    const { memory } = this.#options;
    for (const slot of [this.#imageSlot, this.#ringSlot]) {
      // A mover may hold one of them. It is then freed when the mover lets go.
      void memory.locks.lock(slot).then(() => {
        destroy(memory, slot);
        memory.locks.unlock(slot);
      });
    }
  }

  describe(): ContextResource {
    const { memory, priority } = this.#options;
    return {
      id: this.id,
      engine: this.engine,
      priority,
      registers: this.#registers(),
      image: memory.idOf(this.#imageSlot),
      ring: memory.idOf(this.#ringSlot),
      pendingRequests: this.pendingRequests,
      hangs: this.hangs,
      banned: this.banned,
    };
  }

  #registers(): bigint[] {
    const { memory } = this.#options;
    const slot = this.#imageSlot;
    if (!this.#placedBefore || memory.table.resource[slot] === NONE) return [];
    const region = memory.region(memory.table.region[slot]);
    const [extent] = region.extents(memory.table.resource[slot]);
    // A sleeping device is asked too, and its memory has nothing to say.
    if (region.bank.isLost(extent)) return [];
    const microcode = memory.microcodes.within(region.bank.index);
    const state = loadContext(region.bank.words, extent.offsetBytes, microcode);
    if (state === undefined) return [];
    const pair = (index: number): bigint =>
      BigInt(state.registers[index * 2]) | (BigInt(state.registers[index * 2 + 1]) << 32n);
    return Array.from({ length: 16 }, (_, index) => pair(index));
  }

  #place(): ContextPlace {
    const { memory } = this.#options;
    const region = memory.region(1);
    const offsetOf = (slot: number): number => region.extents(memory.table.resource[slot])[0].offsetBytes;
    return {
      bank: region.bank.index,
      words: region.bank.words,
      microcode: memory.microcodes.within(region.bank.index),
      imageOffsetBytes: offsetOf(this.#imageSlot),
      ringOffsetBytes: offsetOf(this.#ringSlot),
    };
  }

  #addObject(what: string, sizeBytes: number): number {
    const { memory, id } = this.#options;
    const slot = memory.addObject({
      sizeBytes: roundUp(sizeBytes, memory.region(1).minPageBytes),
      regions: [1],
      flags: FLAG.KERNEL | FLAG.CONTIGUOUS | FLAG.CPU_CLEAR | FLAG.PM_VOLATILE,
      alignmentBytes: 0,
      label: `${what} of context ${id}`,
    });
    assert(slot !== NONE, "the table has room for image and ring");
    return slot;
  }
}
