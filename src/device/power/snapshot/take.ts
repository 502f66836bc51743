/**
 * Takes a snapshot of a device that is ACTIVE and quiet: no command is inside, no work runs, and nothing else
 * begins. Only bytes that changed since the last snapshot or restore are copied; the rest is shared with it.
 */
import assert from "node:assert/strict";
import type { Extent } from "../../extent.ts";
import { SNAPSHOT_EXTENT_BYTES, SNAPSHOT_OBJECT_BYTES } from "../../limits.ts";
import { FLAG, NONE } from "../../memory/object-table.ts";
import { type BytesInPlace, SavedBytes } from "../../memory/saved-bytes.ts";
import { FRAME_BYTES, framesOf } from "../../memory/written-frames.ts";
import { WorkSlices } from "../../work-slices.ts";
import { describeImagedDevice, type ImagedDevice } from "../image/capture.ts";
import type { RuntimePmSettings } from "../runtime-pm-settings.ts";
import { frameRunsOf, HostCopy, hasBytes } from "./host-copy.ts";
import type { FreeMemory, SavedObject, Snapshot, SnapshotContext } from "./snapshot.ts";
import type { SnapshotStore } from "./snapshot-store.ts";

export interface TakeOptions {
  readonly store: SnapshotStore;
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly generation: number;
  readonly runtimePm: RuntimePmSettings;
  readonly inPlace: BytesInPlace;
}

/**
 * @throws DeviceError SNAPSHOT_MEMORY_EXHAUSTED, MACHINE_MEMORY_EXHAUSTED, and what swap answers. Nothing is
 * kept then.
 */
export async function takeSnapshot(device: ImagedDevice, options: TakeOptions): Promise<Snapshot> {
  const taking = new Taking(device, options);
  try {
    return await taking.run();
  } catch (error) {
    taking.undo();
    throw error;
  }
}

/** One snapshot while it is taken. */
class Taking {
  readonly #device: ImagedDevice;
  readonly #options: TakeOptions;
  readonly #bytes: SavedBytes;
  readonly #copy: HostCopy;
  readonly #slices: WorkSlices;
  readonly #frames: number[] = [];
  readonly #objects: SavedObject[] = [];
  /** By position of the object. */
  readonly #slots: number[] = [];
  #recordBytes = 0;
  #contentBytes = 0;
  #copiedBytes = 0;

  constructor(device: ImagedDevice, options: TakeOptions) {
    this.#device = device;
    this.#options = options;
    this.#bytes = new SavedBytes(options.store.pool);
    this.#copy = new HostCopy(device.memory, options.store.pool);
    this.#slices = new WorkSlices(device.services.clock);
  }

  async run(): Promise<Snapshot> {
    const { memory, gt, services } = this.#device;
    const contexts: SnapshotContext[] = [];
    for (const context of gt.contexts.all()) {
      const { imageSlot, ringSlot, ...rest } = context.save();
      const image = await this.#add(imageSlot, true);
      // An idle ring holds nothing that an engine will read.
      contexts.push({ ...rest, image, ring: await this.#add(ringSlot, false) });
    }
    const { table } = memory;
    for (let slot = table.orderHead; slot !== NONE; slot = table.orderNext[slot]) {
      await services.failpoints.pass("snapshotTake.object");
      await this.#add(slot, true);
    }
    return this.#finish(contexts, await this.#freeMemory());
  }

  undo(): void {
    const { pool } = this.#options.store;
    for (const frame of this.#frames) pool.release(frame);
    pool.discharge(this.#recordBytes);
  }

  #finish(contexts: readonly SnapshotContext[], free: readonly FreeMemory[]): Snapshot {
    const { memory, services, name } = this.#device;
    const { id, labels, generation, runtimePm, inPlace } = this.#options;
    this.#bytes.frames = Int32Array.from(this.#frames);
    for (const [position, { flags, firstFrame }] of this.#objects.entries()) {
      // Engines write the images of contexts without a report, so these always count as written.
      const watched = firstFrame !== NONE && (flags & FLAG.KERNEL) === 0;
      if (watched) inPlace.begin(this.#slots[position], this.#bytes, firstFrame);
    }
    return {
      resource: {
        id,
        device: name,
        deviceUid: memory.deviceUid,
        generation,
        labels,
        createTimeNs: services.clock.wallNs(),
        objects: memory.clientObjectCount,
        contexts: contexts.length,
        contentBytes: this.#contentBytes,
        copiedBytes: this.#copiedBytes,
        memoryBytes: this.#copiedBytes + this.#recordBytes,
      },
      shape: describeImagedDevice(this.#device),
      runtimePm,
      objects: this.#objects,
      orders: this.#orders(),
      free,
      contexts,
      bytes: this.#bytes,
      recordBytes: this.#recordBytes,
    };
  }

  /** Adds an object and returns its position. */
  async #add(slot: number, withBytes: boolean): Promise<number> {
    const { memory } = this.#device;
    const { table } = memory;
    const saves = withBytes && hasBytes(memory, slot);
    const region = table.region[slot];
    const extents = region === NONE ? [] : memory.region(region).extents(table.resource[slot]);
    const label = table.labels.get(slot);
    this.#charge(SNAPSHOT_OBJECT_BYTES + 2 * label.length + SNAPSHOT_EXTENT_BYTES * extents.length);
    const log2 = table.alignmentLog2[slot];
    const position = this.#objects.push({
      id: table.id[slot],
      sizeBytes: table.sizeBytes[slot],
      flags: table.flags[slot],
      regions: memory.placementOf(slot),
      alignmentBytes: log2 === 0 ? 0 : 2 ** log2,
      label,
      createTimeNs: table.createTimeNs[slot],
      version: table.version[slot],
      state: table.state[slot],
      dontNeed: table.dontNeed[slot] === 1,
      pinCount: table.pinCount[slot],
      region,
      extents,
      firstFrame: saves ? this.#frames.length : NONE,
    });
    this.#slots.push(slot);
    if (saves) await this.#saveBytes(slot);
    else if (this.#slices.spend(0)) await this.#slices.rest();
    return position - 1;
  }

  async #saveBytes(slot: number): Promise<void> {
    const { memory } = this.#device;
    const { table } = memory;
    const sizeBytes = table.sizeBytes[slot];
    const { inPlace } = this.#options;
    this.#contentBytes += sizeBytes;
    if (table.resource[slot] === NONE) {
      for (let index = 0; index < framesOf(sizeBytes); index++) {
        const lengthBytes = Math.min(FRAME_BYTES, sizeBytes - index * FRAME_BYTES);
        const known = inPlace.find(slot, index);
        if (known === NONE)
          await this.#copy.saveSwapped({ slot, index, lengthBytes }, this.#take(lengthBytes));
        else this.#frames.push(this.#options.store.pool.share(known));
      }
      return;
    }
    const bank = memory.region(table.region[slot]).bank.index;
    let index = 0;
    for (const runs of frameRunsOf(memory, slot)) {
      const lengthBytes = Math.min(FRAME_BYTES, sizeBytes - index * FRAME_BYTES);
      const known = inPlace.find(slot, index++);
      if (known === NONE) this.#copy.save(bank, runs, this.#take(lengthBytes));
      else this.#frames.push(this.#options.store.pool.share(known));
      if (this.#slices.spend(known === NONE ? lengthBytes : 0)) await this.#slices.rest();
    }
  }

  #take(lengthBytes: number): number {
    const frame = this.#options.store.pool.take(lengthBytes);
    this.#frames.push(frame);
    this.#copiedBytes += lengthBytes;
    return frame;
  }

  #charge(bytes: number): void {
    this.#options.store.pool.charge(bytes);
    this.#recordBytes += bytes;
  }

  async #freeMemory(): Promise<FreeMemory[]> {
    const { memory, services } = this.#device;
    const free: FreeMemory[] = [];
    for (const region of memory.regions) {
      const blocks: { range: Extent; cleared: boolean }[] = [];
      const visit = (offsetBytes: number, lengthBytes: number, cleared: boolean): void =>
        void blocks.push({ range: { offsetBytes, lengthBytes }, cleared });
      for (const _pause of region.visitFree(visit)) await services.clock.yield();
      this.#charge(SNAPSHOT_EXTENT_BYTES * blocks.length);
      free.push({ region: region.index, powerLosses: region.powerLosses, blocks });
    }
    return free;
  }

  #orders(): ReadonlyMap<number, Int32Array> {
    const { memory } = this.#device;
    const positions = new Map(this.#slots.map((slot, position) => [slot, position]));
    const orders = new Map<number, Int32Array>();
    for (const region of memory.regions) {
      const order: number[] = [];
      for (const slot of region.lists.all()) {
        const position = positions.get(slot);
        // The device's own objects are in their places for life.
        if (position !== undefined) order.push(position);
        else assert(memory.table.has(slot, FLAG.KERNEL), "a snapshot has every object of clients");
      }
      orders.set(region.index, Int32Array.from(order));
    }
    return orders;
  }
}
