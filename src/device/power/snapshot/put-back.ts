/**
 * Makes a device what a snapshot says. Everything is dropped, the objects are made anew in their old places,
 * and only frames whose bytes may differ are copied: dropping an object changes none of its bytes.
 */
import assert from "node:assert/strict";
import { SWAPPED, UNPOPULATED } from "../../backing-state.ts";
import { DeviceError } from "../../errors.ts";
import type { Extent } from "../../extent.ts";
import { OBJECTS_MAX } from "../../limits.ts";
import { deleteEverything } from "../../memory/delete-everything.ts";
import { machineExhausted } from "../../memory/evict.ts";
import { adoptState } from "../../memory/lifecycle.ts";
import type { Memory } from "../../memory/memory.ts";
import { FLAG, NONE } from "../../memory/object-table.ts";
import { bindResource, relist } from "../../memory/residency.ts";
import type { BytesInPlace } from "../../memory/saved-bytes.ts";
import { count, type Tally } from "../../memory/tally.ts";
import { FRAME_BYTES, framesOf } from "../../memory/written-frames.ts";
import type { Gt } from "../../submission/gt.ts";
import { WorkSlices } from "../../work-slices.ts";
import type { WorkingMemory } from "../working-memory.ts";
import { frameRunsOf, HostCopy } from "./host-copy.ts";
import type { FreeMemory, SavedObject, Snapshot } from "./snapshot.ts";
import type { SnapshotStore } from "./snapshot-store.ts";

export interface PutBackOptions extends WorkingMemory {
  readonly gt: Gt;
  readonly snapshot: Snapshot;
  readonly store: SnapshotStore;
  readonly inPlace: BytesInPlace;
}

/** Drops all objects and contexts of clients. Legal when no command is inside and no work runs. */
export async function dropEverything({ memory, services }: WorkingMemory, gt: Gt): Promise<void> {
  gt.contexts.clear();
  // Images and rings are freed in a turn of their own.
  await services.clock.yield();
  await deleteEverything(memory);
  gt.scheduler.fences.clear();
}

/** One restore. The steps are called in their order, the first of them while the old objects are there. */
export class PutBack {
  readonly #options: PutBackOptions;
  readonly #memory: Memory;
  readonly #copy: HostCopy;
  readonly #slices: WorkSlices;
  /** By frame of the snapshot: 1 where the device has its bytes already, in its place. */
  readonly #has: Uint8Array;
  /** By position of the object. */
  readonly #slots: Int32Array;

  constructor(options: PutBackOptions) {
    const { memory, snapshot, store, services } = options;
    this.#options = options;
    this.#memory = memory;
    this.#copy = new HostCopy(memory, store.pool);
    this.#slices = new WorkSlices(services.clock);
    this.#has = new Uint8Array(snapshot.bytes.frames.length);
    this.#slots = new Int32Array(snapshot.objects.length).fill(NONE);
  }

  /** Finds the frames that the device has already. */
  async compare(): Promise<void> {
    const { table } = this.#memory;
    const { snapshot, inPlace } = this.#options;
    for (const saved of snapshot.objects) {
      if (this.#slices.spend(0)) await this.#slices.rest();
      if (saved.firstFrame === NONE || (saved.flags & FLAG.KERNEL) !== 0) continue;
      const slot = this.#memory.findObject(String(saved.id));
      if (slot === NONE || table.sizeBytes[slot] !== saved.sizeBytes || !this.#isThere(slot, saved)) continue;
      for (let frame = 0; frame < framesOf(saved.sizeBytes); frame++) {
        const at = saved.firstFrame + frame;
        if (inPlace.find(slot, frame) === snapshot.bytes.frames[at]) this.#has[at] = 1;
      }
    }
  }

  /** Makes every object and context. Legal after `dropEverything`. */
  async rebuild(): Promise<void> {
    const { snapshot, gt } = this.#options;
    for (const [position, saved] of snapshot.objects.entries()) {
      if (this.#slices.spend(0)) await this.#slices.rest();
      this.#slots[position] = this.#make(saved);
    }
    for (const order of snapshot.orders.values())
      for (const position of order) relist(this.#memory, this.#slots[position]);
    for (const { image, ring, ...saved } of snapshot.contexts) {
      const [imageSlot, ringSlot] = [this.#slots[image], this.#slots[ring]];
      gt.contexts.restore(gt.unit(saved.engine), { ...saved, imageSlot, ringSlot });
    }
    for (const free of snapshot.free) await this.#setFree(free);
    const { shape } = snapshot;
    this.#memory.setNextIds({ client: shape.nextObjectId, owned: shape.nextOwnedId });
    gt.contexts.setNextNumber(shape.nextContextId);
    gt.scheduler.fences.setNextNumber(shape.nextFenceId);
  }

  /** Brings the bytes of the frames that differ. Counts what was copied. */
  async bringBytes(tally: Tally): Promise<void> {
    const { snapshot, services, inPlace } = this.#options;
    for (const [position, saved] of snapshot.objects.entries()) {
      await services.failpoints.pass("snapshotRestore.object");
      if (saved.firstFrame === NONE) continue;
      const slot = this.#slots[position];
      const bytes = await (saved.state === SWAPPED
        ? this.#bringSwapped(slot, saved)
        : this.#bring(slot, saved));
      if (bytes > 0) count(tally, "memcpy", { objects: 1, bytes });
      if ((saved.flags & FLAG.KERNEL) === 0) inPlace.begin(slot, snapshot.bytes, saved.firstFrame);
    }
  }

  #isThere(slot: number, saved: SavedObject): boolean {
    const { table } = this.#memory;
    if (table.resource[slot] === NONE || table.region[slot] !== saved.region) return false;
    const extents = this.#memory.region(saved.region).extents(table.resource[slot]);
    return (
      extents.length === saved.extents.length && extents.every((each, at) => isSame(each, saved.extents[at]))
    );
  }

  #make(saved: SavedObject): number {
    const memory = this.#memory;
    const { table, swap } = memory;
    const { sizeBytes, regions, flags, alignmentBytes, label, state } = saved;
    const slot = memory.addObject({ sizeBytes, regions, flags, alignmentBytes, label }, saved.id);
    if (slot === NONE) throw tooManyObjects();
    table.createTimeNs[slot] = saved.createTimeNs;
    table.dontNeed[slot] = saved.dontNeed ? 1 : 0;
    if (saved.region !== NONE) this.#place(slot, saved);
    else if (state === SWAPPED) {
      if (swap?.reserve(slot, sizeBytes) !== true) throw noSwap(saved);
      adoptState(memory, slot, SWAPPED);
    } else if (state !== UNPOPULATED) adoptState(memory, slot, state);
    table.version[slot] = saved.version;
    return slot;
  }

  #place(slot: number, saved: SavedObject): void {
    const { table } = this.#memory;
    const region = this.#memory.region(saved.region);
    const handle = region.allocateExtents(saved.extents);
    if (handle === NONE) {
      this.#memory.removeObject(slot);
      assert(region.shortOfMachine, "what was dropped has left its place");
      throw machineExhausted(this.#memory, `the ${saved.sizeBytes} bytes of object ${saved.id}`);
    }
    table.pinCount[slot] = saved.pinCount;
    bindResource(this.#memory, slot, { region, handle });
  }

  /** Zeroes what is free, was zero and has been used since. So the next objects go where they went then. */
  async #setFree({ region: index, powerLosses, blocks }: FreeMemory): Promise<void> {
    const region = this.#memory.region(index);
    if (region.powerLosses !== powerLosses) return;
    const microcode = this.#memory.microcodes.within(index);
    const zero = (offsetBytes: number, lengthBytes: number): void =>
      microcode.fill(offsetBytes, lengthBytes, 0);
    for (const { range, cleared } of blocks) {
      region.setCleared(range, cleared, zero);
      if (this.#slices.spend(0)) await this.#slices.rest();
    }
  }

  async #bring(slot: number, saved: SavedObject): Promise<number> {
    const { frames } = this.#options.snapshot.bytes;
    const lastFrame = saved.firstFrame + framesOf(saved.sizeBytes);
    // Most objects of most restores have not changed, and looking up where they lie takes longer than this.
    if (!this.#has.subarray(saved.firstFrame, lastFrame).includes(0)) return 0;
    const bank = this.#memory.region(saved.region).bank.index;
    let at = saved.firstFrame;
    let bytes = 0;
    for (const runs of frameRunsOf(this.#memory, slot)) {
      const isThere = this.#has[at] === 1;
      const lengthBytes = isThere
        ? 0
        : Math.min(FRAME_BYTES, saved.sizeBytes - (at - saved.firstFrame) * FRAME_BYTES);
      if (!isThere) this.#copy.bringBack(frames[at], bank, runs);
      bytes += lengthBytes;
      at++;
      if (this.#slices.spend(lengthBytes)) await this.#slices.rest();
    }
    return bytes;
  }

  async #bringSwapped(slot: number, saved: SavedObject): Promise<number> {
    const { frames } = this.#options.snapshot.bytes;
    for (let index = 0; index < framesOf(saved.sizeBytes); index++) {
      const lengthBytes = Math.min(FRAME_BYTES, saved.sizeBytes - index * FRAME_BYTES);
      await this.#copy.bringBackSwapped(frames[saved.firstFrame + index], { slot, index, lengthBytes });
    }
    return saved.sizeBytes;
  }
}

function isSame(one: Extent, other: Extent): boolean {
  return one.offsetBytes === other.offsetBytes && one.lengthBytes === other.lengthBytes;
}

function tooManyObjects(): DeviceError {
  return new DeviceError(
    "LIMIT_EXCEEDED",
    `The snapshot has more objects than the device can hold (${OBJECTS_MAX}).`,
    { limit: String(OBJECTS_MAX) },
  );
}

/** Swap is empty and as large as it was, but its store has not answered for what it was asked before. */
function noSwap({ id, sizeBytes }: SavedObject): DeviceError {
  return new DeviceError("COPY_FAILED", `Swap has no room for the ${sizeBytes} bytes of object ${id}.`, {
    object: String(id),
  });
}
