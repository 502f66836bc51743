/**
 * A suspended device as an image model. Metadata is read from the tables on demand, and bytes from where they
 * are. Nothing is copied in advance, and nothing changes.
 */
import assert from "node:assert/strict";
import { SWAPPED } from "../../backing-state.ts";
import { DeviceError, toDeviceError } from "../../errors.ts";
import type {
  FrameSource,
  ImageContext,
  ImageDevice,
  ImageObject,
  ImagePlace,
  ImageSource,
} from "../../image/image-model.ts";
import { WORK_SLICE_ITEMS } from "../../limits.ts";
import type { Memory } from "../../memory/memory.ts";
import { FLAG, FLAG_BACKUP, NONE } from "../../memory/object-table.ts";
import type { Gt } from "../../submission/gt.ts";
import type { Checksums } from "../verify.ts";
import type { WorkingMemory } from "../working-memory.ts";
import { frameLengths, readFramesInBank, scratchFrameOf } from "./object-frames.ts";

/** The facts about an image apart from the device. */
export interface ImageMarks {
  readonly hybrid: boolean;
  readonly byShutdown: boolean;
  readonly generation: number;
}

/** A device from which an image is made, or into which one is restored. */
export interface ImagedDevice extends WorkingMemory {
  readonly name: string;
  readonly model: string;
  readonly gt: Gt;
  readonly suspendCount: number;
  readonly nextTransitionId: number;
}

/** The device's options, and the present state of its counters. */
export function describeImagedDevice(device: ImagedDevice): ImageDevice {
  const { memory, gt } = device;
  return {
    name: device.name,
    uid: memory.deviceUid,
    model: device.model,
    lmem: memory.localRegions.map(({ sizeBytes, minPageBytes, visibleBytes }) => ({
      sizeBytes,
      minPageBytes,
      visibleBytes,
    })),
    smemBytes: memory.system.sizeBytes,
    stolenBytes: memory.regions.find((region) => region.kind === "STOLEN")?.sizeBytes ?? 0,
    swapBytes: memory.swap?.sizeBytes ?? 0,
    engines: gt.units.map((unit) => unit.engine.name),
    suspendCount: device.suspendCount,
    nextObjectId: memory.nextIds.client,
    nextOwnedId: memory.nextIds.owned,
    nextContextId: gt.contexts.nextNumber,
    nextFenceId: gt.scheduler.fences.nextNumber,
    nextTransitionId: device.nextTransitionId,
  };
}

/**
 * Makes an image model of a device. Legal between the end of step 3 and `power_off`: no command and no work
 * runs, every pinned object has its backup, and everything else has left local memory. The model is valid as
 * long as that holds. Only one frame of a swapped object exists at a time.
 *
 * Frames throw CHECKSUM_MISMATCH if swap returns other bytes than it was given, and COPY_FAILED if it returns
 * none.
 * @param checksums CRC-32C of contents by slot, if `verify` took them
 */
export async function captureImage(
  device: ImagedDevice,
  marks: ImageMarks,
  checksums?: Checksums,
): Promise<ImageSource> {
  const { memory, gt } = device;
  const slots = await slotsInOrder(device);
  const order = await positionsInLists(device);
  const contexts = gt.contexts.all().map((context): ImageContext => {
    const { imageSlot, ringSlot, ...saved } = context.save();
    return { ...saved, imageObject: memory.table.id[imageSlot], ringObject: memory.table.id[ringSlot] };
  });
  const frames = new ObjectFrames(memory);
  return {
    device: describeImagedDevice(device),
    ...marks,
    contexts,
    objectCount: slots.length,
    object: (index) =>
      describeEntry(memory, slots[index], {
        index,
        lru: order[slots[index]],
        checksum: checksums?.get(slots[index]),
      }),
    frames: (index) => frames.of(slots[index]),
  };
}

/** The device's own objects by number, then clients' objects by id, each followed by its backup. */
async function slotsInOrder({ memory, services }: WorkingMemory): Promise<Int32Array> {
  const { table } = memory;
  const slots = new Int32Array(table.count);
  let count = 0;
  const add = (slot: number): void => {
    slots[count++] = slot;
    if (table.backup[slot] !== NONE) slots[count++] = table.backup[slot];
  };
  for (const slot of memory.ownedSlots) add(slot);
  let looked = 0;
  for (let slot = table.orderHead; slot !== NONE; slot = table.orderNext[slot]) {
    add(slot);
    if (++looked % WORK_SLICE_ITEMS === 0) await services.clock.yield();
  }
  assert.equal(count, table.count, "every object is a client's, the device's own, or a backup");
  return slots;
}

/** By slot: the position of each object on its region's lists, starting with the first to be evicted. */
async function positionsInLists({ memory, services }: WorkingMemory): Promise<Int32Array> {
  const positions = new Int32Array(memory.table.slotsUsed);
  for (const region of memory.regions) {
    let position = 0;
    for (const slot of region.lists.all()) {
      positions[slot] = position++;
      if (position % WORK_SLICE_ITEMS === 0) await services.clock.yield();
    }
  }
  return positions;
}

/** The parts of an object's image record that its slot does not have. */
interface EntryNotes {
  /** Position in the image. */
  readonly index: number;
  /** Position on the list of its region. */
  readonly lru: number;
  readonly checksum: number | undefined;
}

function describeEntry(memory: Memory, slot: number, { index, lru, checksum }: EntryNotes): ImageObject {
  const { table } = memory;
  const place = placeOf(memory, slot);
  const isBackup = table.has(slot, FLAG_BACKUP);
  const log2 = table.alignmentLog2[slot];
  const region = memory.regions[table.region[slot]];
  return {
    kind: isBackup ? "BACKUP" : table.has(slot, FLAG.KERNEL) ? "OWNED" : "CLIENT",
    id: isBackup ? 0 : table.id[slot],
    sizeBytes: table.sizeBytes[slot],
    flags: table.flags[slot],
    regions: memory.placementOf(slot),
    alignmentBytes: log2 === 0 ? 0 : 2 ** log2,
    label: table.labels.get(slot),
    createTimeNs: table.createTimeNs[slot],
    version: table.version[slot],
    state: table.state[slot],
    dontNeed: table.dontNeed[slot] === 1,
    pinCount: table.pinCount[slot],
    place,
    region: place === "LOCAL" ? region.index : -1,
    extents: place === "LOCAL" ? region.extents(table.resource[slot]) : [],
    // Backups follow their owners.
    owner: isBackup ? index - 1 : -1,
    lru,
    checksum,
  };
}

function placeOf(memory: Memory, slot: number): ImagePlace {
  const { table } = memory;
  if (table.resource[slot] === NONE) return table.state[slot] === SWAPPED ? "SWAP" : "NONE";
  return table.region[slot] === memory.system.index ? "SYSTEM" : "LOCAL";
}

/** Yields the frames of one object in order. */
class ObjectFrames {
  readonly #memory: Memory;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  of(slot: number): Iterable<FrameSource | Promise<FrameSource>> {
    const place = placeOf(this.#memory, slot);
    assert(place === "SYSTEM" || place === "SWAP", "an image holds the bytes of system memory and swap");
    return place === "SYSTEM" ? readFramesInBank(this.#memory, slot) : this.#framesInSwap(slot);
  }

  *#framesInSwap(slot: number): Generator<Promise<FrameSource>> {
    let index = 0;
    for (const lengthBytes of frameLengths(this.#memory.table.sizeBytes[slot])) {
      yield this.#readFromSwap(slot, index++, lengthBytes);
    }
  }

  async #readFromSwap(slot: number, index: number, lengthBytes: number): Promise<FrameSource> {
    const { swap } = this.#memory;
    assert(swap !== undefined, "a swapped object is in swap");
    const frame = scratchFrameOf(this.#memory).take(lengthBytes);
    try {
      await swap.readPage(slot, index, frame);
    } catch (error) {
      throw notReadFromSwap(this.#memory.idOf(slot), toDeviceError(error));
    }
    return frame;
  }
}

function notReadFromSwap(object: string, cause: DeviceError): DeviceError {
  const reason = cause.reason === "CHECKSUM_MISMATCH" ? cause.reason : "COPY_FAILED";
  const message = `Object ${object} could not be read from swap for the image: ${cause.message}`;
  return new DeviceError(reason, message, { object }).because(cause);
}
