/**
 * Makes an image the state of another device, which has just booted and is empty. Objects and contexts are as
 * they were, and pinned objects are in the same places. Bytes follow by `loadImage`, and the phases of a
 * resume restore the hardware.
 */

import { SWAPPED, UNPOPULATED } from "../../backing-state.ts";
import { DeviceError } from "../../errors.ts";
import type { Extent } from "../../extent.ts";
import { CONTEXT_IMAGE_BYTES } from "../../hardware/context-image.ts";
import { contradicts } from "../../image/image-error.ts";
import type { ImageContext, ImageObject, ImageTables } from "../../image/image-model.ts";
import { CLIENT_RING_BYTES, OBJECTS_MAX, WORK_SLICE_ITEMS } from "../../limits.ts";
import { deleteEverything } from "../../memory/delete-everything.ts";
import { machineExhausted, noSystemMemory } from "../../memory/evict.ts";
import { adoptState } from "../../memory/lifecycle.ts";
import type { Memory } from "../../memory/memory.ts";
import { NONE } from "../../memory/object-table.ts";
import { destroy } from "../../memory/objects.ts";
import type { Region } from "../../memory/region.ts";
import { bindResource, plainSpace, relist } from "../../memory/residency.ts";
import type { Space } from "../../memory/space.ts";
import type { SavedContext } from "../../submission/client-context.ts";
import type { Gt } from "../../submission/gt.ts";
import { recoverRegions } from "../restore.ts";
import type { Checksums } from "../verify.ts";
import type { WorkingMemory } from "../working-memory.ts";
import { describeImagedDevice, type ImagedDevice } from "./capture.ts";
import { compareDevices, requireCompatible } from "./compatibility.ts";
import { checkCountersAndContexts, visitEntries } from "./entries.ts";

/** The result of adopting an image. */
export interface Adopted {
  /** Position in the image to slot, for `loadImage`; NONE for objects that are not taken over. */
  readonly slots: Int32Array;
  /** CRC-32C of contents by slot; undefined when the image has none. */
  readonly checksums: Checksums | undefined;
}

/**
 * Makes the objects and contexts of an image on a device that has none. Legal while no command can run;
 * afterwards the device counts as suspended: backups are attached, and nothing may be read before `loadImage`
 * and a resume. The device takes the uid of the image. If this throws, the device is empty again.
 * @param allowed names of the differences between the devices that the caller accepts
 * @throws DeviceError DEVICE_NOT_EMPTY, IMAGE_INCOMPATIBLE, INVALID_REQUEST for a name that is none,
 * IMAGE_CORRUPT when the image contradicts itself, SYSTEM_MEMORY_EXHAUSTED, MACHINE_MEMORY_EXHAUSTED,
 * LIMIT_EXCEEDED
 */
export async function adoptImage(
  device: ImagedDevice,
  tables: ImageTables,
  allowed: readonly string[],
): Promise<Adopted> {
  const { memory, gt } = device;
  requireEmpty(memory, gt);
  checkCountersAndContexts(tables);
  requireCompatible(await compareDevices(tables, describeImagedDevice(device), device), allowed);
  const adoption = new Adoption(device, tables);
  try {
    await visitEntries(tables, device.services.clock, (entry, index) => adoption.add(entry, index));
    await adoption.relistAll();
    await adoption.clearUnsaved();
    adoption.restoreContexts(gt);
  } catch (error) {
    await adoption.undo();
    throw error;
  }
  const { device: image } = tables;
  memory.raiseNextIds({
    client: image.nextObjectId,
    owned: Math.max(image.nextOwnedId, adoption.nextOwnedId),
  });
  gt.contexts.raiseNextNumber(image.nextContextId);
  gt.scheduler.fences.raiseNextNumber(image.nextFenceId);
  memory.deviceUid = image.uid;
  const { slots, checksums } = adoption;
  return { slots, checksums: checksums.size > 0 ? checksums : undefined };
}

function requireEmpty(memory: Memory, gt: Gt): void {
  const contexts = gt.contexts.all().length;
  if (memory.table.orderHead === NONE && contexts === 0) return;
  throw new DeviceError(
    "DEVICE_NOT_EMPTY",
    `The device has objects or contexts of its own (${contexts} contexts); an image is restored into ` +
      `an empty one only.`,
    { contexts: String(contexts) },
  );
}

/** One image on its way into one device. */
class Adoption {
  readonly slots: Int32Array;
  readonly checksums = new Map<number, number>();
  /** Next number for objects of the device's own whose number in the image is taken here. */
  nextOwnedId: number;
  readonly #work: WorkingMemory;
  readonly #memory: Memory;
  readonly #tables: ImageTables;
  /** By number in the image: the objects of contexts. */
  readonly #ownedSlots = new Map<number, number>();
  /** By region: the slot at each position of its order of use. */
  readonly #orders = new Map<number, Int32Array>();
  /** Slots of pinned objects without content (PM_VOLATILE). */
  readonly #unsaved = new Set<number>();

  constructor(work: WorkingMemory, tables: ImageTables) {
    const { memory } = work;
    this.#work = work;
    this.#memory = memory;
    this.#tables = tables;
    this.slots = new Int32Array(tables.objectCount).fill(NONE);
    this.nextOwnedId = Math.max(tables.device.nextOwnedId, memory.nextIds.owned);
  }

  /** Makes the object of one entry, which has been checked, and gives it its place. */
  add(entry: ImageObject, index: number): void {
    const { table } = this.#memory;
    const slot = this.#makeObject(entry);
    try {
      this.#place(slot, entry);
    } catch (error) {
      this.#memory.removeObject(slot);
      throw error;
    }
    this.slots[index] = slot;
    if (entry.kind === "OWNED") this.#ownedSlots.set(entry.id, slot);
    if (entry.kind === "BACKUP") {
      const owner = this.slots[entry.owner];
      table.backup[owner] = slot;
      this.#unsaved.delete(owner);
    }
    if (entry.place === "LOCAL") this.#unsaved.add(slot);
    if (entry.checksum !== undefined) this.checksums.set(slot, entry.checksum);
  }

  /** Puts the objects of every region back into their order of use. */
  async relistAll(): Promise<void> {
    for (const order of this.#orders.values()) {
      for (const [position, slot] of order.entries()) {
        if ((position + 1) % WORK_SLICE_ITEMS === 0) await this.#work.services.clock.yield();
        if (slot !== NONE) relist(this.#memory, slot);
      }
    }
  }

  /** Zeroes the places that will not be restored, so that nobody reads what others left there. */
  async clearUnsaved(): Promise<void> {
    const { table, cpuCopier } = this.#memory;
    for (const slot of this.#unsaved) {
      const region = this.#memory.region(table.region[slot]);
      const dirty: Extent[] = [];
      region.forEachBlock(table.resource[slot], (offsetBytes, lengthBytes, cleared) => {
        if (!cleared) dirty.push({ offsetBytes, lengthBytes });
      });
      await cpuCopier.clear(region.bank.index, dirty);
    }
  }

  /** Makes all contexts, or throws before the first. */
  restoreContexts(gt: Gt): void {
    const saved = this.#tables.contexts.map((context) => this.#savedContext(context));
    for (const context of saved) gt.contexts.restore(gt.unit(context.engine), context);
  }

  /** Gives back everything. There are no contexts yet, because they come last and all at once. */
  async undo(): Promise<void> {
    await recoverRegions(this.#work, true);
    for (const slot of this.#ownedSlots.values()) destroy(this.#memory, slot);
    await deleteEverything(this.#memory);
  }

  #makeObject(entry: ImageObject): number {
    const { table } = this.#memory;
    const regions = this.#regionsHere(entry);
    const { sizeBytes, flags, alignmentBytes, label } = entry;
    const spec = { sizeBytes, regions, flags, alignmentBytes, label };
    const slot = this.#memory.addObject(spec, this.#numberHere(entry));
    if (slot === NONE) {
      throw new DeviceError(
        "LIMIT_EXCEEDED",
        `The image has more objects than a device can hold (${OBJECTS_MAX}).`,
        { limit: String(OBJECTS_MAX) },
      );
    }
    table.createTimeNs[slot] = entry.createTimeNs;
    table.dontNeed[slot] = entry.dontNeed ? 1 : 0;
    return slot;
  }

  /** The object's regions that this device has. The image of a device with more regions can be compatible. */
  #regionsHere(entry: ImageObject): readonly number[] {
    const { regions } = this.#memory;
    return entry.regions.filter((index) => index < regions.length && regions[index].kind !== "STOLEN");
  }

  #numberHere(entry: ImageObject): number {
    const isTaken = entry.kind === "OWNED" && this.#memory.findObject(`k${entry.id}`) !== NONE;
    return isTaken ? this.nextOwnedId++ : entry.id;
  }

  /** Gives a new object its place, or its state without one. */
  #place(slot: number, entry: ImageObject): void {
    const memory = this.#memory;
    const { table, swap, system } = memory;
    let changed = memory.placementOf(slot).length !== entry.regions.length;
    if (entry.place === "NONE") {
      if (entry.state !== UNPOPULATED) adoptState(memory, slot, entry.state);
    } else if (entry.place === "SWAP" && swap?.reserve(slot, entry.sizeBytes) === true) {
      adoptState(memory, slot, SWAPPED);
    } else if (entry.place === "LOCAL") {
      this.#bindLocal(slot, entry);
    } else {
      const handle = system.allocate(plainSpace(entry.sizeBytes));
      if (handle === NONE) throw noSystemMemory(memory, `the ${entry.sizeBytes} bytes of an object`);
      this.#bind(slot, entry, { region: system, handle });
      // Swap is smaller here. It has no room for the least recently used objects.
      changed ||= entry.place === "SWAP";
    }
    table.version[slot] = entry.version + (changed ? 1 : 0);
  }

  #bindLocal(slot: number, entry: ImageObject): void {
    const region = this.#memory.region(entry.region);
    const handle = region.allocateExtents(entry.extents);
    // An earlier check has found the place free, so its owner is another object of this image.
    if (region.shortOfMachine)
      throw machineExhausted(this.#memory, `the ${entry.sizeBytes} bytes of object ${entry.id}`);
    if (handle === NONE) throw contradicts(`object ${entry.id} lies where another one does`);
    this.#bind(slot, entry, { region, handle });
  }

  #bind(slot: number, entry: ImageObject, space: Space): void {
    const { table } = this.#memory;
    table.pinCount[slot] = entry.pinCount;
    bindResource(this.#memory, slot, space);
    if (entry.place !== "SWAP") this.#noteOrder(slot, entry, space.region);
  }

  #noteOrder(slot: number, entry: ImageObject, region: Region): void {
    let order = this.#orders.get(region.index);
    if (order === undefined) {
      order = new Int32Array(this.#tables.objectCount).fill(NONE);
      this.#orders.set(region.index, order);
    }
    order[entry.lru] = slot;
  }

  #savedContext(context: ImageContext): SavedContext {
    const { imageObject, ringObject, ...rest } = context;
    const imageSlot = this.#ownedSlots.get(imageObject);
    const ringSlot = this.#ownedSlots.get(ringObject);
    if (imageSlot === undefined || ringSlot === undefined) {
      throw contradicts(`context ${context.id} has an image or a ring that is not there`);
    }
    const { sizeBytes } = this.#memory.table;
    if (sizeBytes[imageSlot] < CONTEXT_IMAGE_BYTES || sizeBytes[ringSlot] < CLIENT_RING_BYTES) {
      throw contradicts(`context ${context.id} has an image or a ring that is too small`);
    }
    return { ...rest, imageSlot, ringSlot };
  }
}
