/**
 * Loads bytes from an image. Contents of system memory and swap go to where each object is now. Contents of
 * local memory come from backups later, in the phases of a resume.
 */
import assert from "node:assert/strict";
import type { Clock } from "../../clock.ts";
import { DeviceError, toDeviceError } from "../../errors.ts";
import type { FrameTarget, ImageObject, ImagePlace, ImageTables } from "../../image/image-model.ts";
import { CPU_SLICE_BYTES, WORK_SLICE_ITEMS } from "../../limits.ts";
import type { Memory } from "../../memory/memory.ts";
import { FLAG_BACKUP, NONE } from "../../memory/object-table.ts";
import { type BankFrame, frameLengths, framesInBank, scratchFrameOf } from "./object-frames.ts";

export interface LoadOptions {
  /** Position in the image to slot; NONE for objects that this device has not taken over. */
  readonly slots: Int32Array;
  readonly clock: Clock;
  /** Called before each object whose bytes will be loaded. Throws to stop the load. */
  readonly check?: () => void | Promise<void>;
}

/**
 * Loads the bytes of an image into its objects. Legal while no command runs and the backups in the image are
 * attached. Idempotent, so it can run again after a failure.
 * @throws DeviceError IMAGE_CORRUPT; COPY_FAILED if swap does not accept its part; the errors of `check`
 */
export async function loadImage(
  memory: Memory,
  tables: ImageTables,
  { slots, clock, check }: LoadOptions,
): Promise<{ objects: number; bytes: number }> {
  assert.equal(slots.length, tables.objectCount, "every entry of the image has its slot, or NONE");
  const { table } = memory;
  const targets = new ObjectTargets(memory);
  const loaded = { objects: 0, bytes: 0 };
  let bytesAtYield = 0;
  for (let index = 0; index < slots.length; index++) {
    // The image itself divides large objects into slices.
    if ((index + 1) % WORK_SLICE_ITEMS === 0 || loaded.bytes - bytesAtYield >= CPU_SLICE_BYTES) {
      bytesAtYield = loaded.bytes;
      await clock.yield();
    }
    const slot = slots[index];
    if (!hasBytes(tables.place(index))) continue;
    await check?.();
    if (slot === NONE) {
      // The device has made this anew. Its bytes are looked at all the same: no bit changes unnoticed.
      await tables.load(index, discarded(memory, tables.object(index).sizeBytes));
      continue;
    }
    const { frames, finish } = targets.of(slot);
    await tables.load(index, frames);
    await finish();
    assert.equal(targets.bytesAsked, table.sizeBytes[slot], "the image brings every frame of an object");
    loaded.objects++;
    loaded.bytes += table.sizeBytes[slot];
  }
  return loaded;
}

/**
 * The slot of each entry of an image on its own device, which has been suspended since, for `loadImage`.
 * Legal until the resume has restored the first backup.
 * @throws DeviceError IMAGE_CORRUPT if the image does not match the device.
 */
export async function matchSlots(memory: Memory, tables: ImageTables, clock: Clock): Promise<Int32Array> {
  const slots = new Int32Array(tables.objectCount).fill(NONE);
  for (let index = 0; index < slots.length; index++) {
    if ((index + 1) % WORK_SLICE_ITEMS === 0) await clock.yield();
    const entry = tables.object(index);
    slots[index] = findEntry(memory, entry, slots);
    if (slots[index] !== NONE && isSame(memory, slots[index], entry)) continue;
    throw new DeviceError(
      "IMAGE_CORRUPT",
      `The image is not one of this device as it was suspended: its entry ${index} (${entry.kind} ` +
        `${entry.id}, ${entry.sizeBytes} bytes in ${entry.place}) is not what the device has.`,
      { entry: String(index) },
    );
  }
  if (slots.length === memory.table.count) return slots;
  throw new DeviceError(
    "IMAGE_CORRUPT",
    `The image is not one of this device as it was suspended: it has ${slots.length} objects, and ` +
      `the device has ${memory.table.count}.`,
    { objects: String(slots.length), present: String(memory.table.count) },
  );
}

function findEntry(memory: Memory, entry: ImageObject, slots: Int32Array): number {
  if (entry.kind === "CLIENT") return memory.findObject(String(entry.id));
  if (entry.kind === "OWNED") return memory.findObject(`k${entry.id}`);
  const owner = slots[entry.owner] ?? NONE;
  return owner === NONE ? NONE : memory.table.backup[owner];
}

/** Whether the image describes an object correctly, so that the loaded bytes belong to it. */
function isSame(memory: Memory, slot: number, entry: ImageObject): boolean {
  const { table } = memory;
  const inSystem = table.resource[slot] !== NONE && table.region[slot] === memory.system.index;
  return (
    table.sizeBytes[slot] === entry.sizeBytes &&
    table.flags[slot] === entry.flags &&
    table.state[slot] === entry.state &&
    table.has(slot, FLAG_BACKUP) === (entry.kind === "BACKUP") &&
    inSystem === (entry.place === "SYSTEM") &&
    (memory.swap?.has(slot) ?? false) === (entry.place === "SWAP")
  );
}

/** Frames for bytes that are checked and not kept. */
function* discarded(memory: Memory, sizeBytes: number): Generator<FrameTarget> {
  const scratch = scratchFrameOf(memory);
  for (const lengthBytes of frameLengths(sizeBytes)) yield scratch.take(lengthBytes);
}

function hasBytes(place: ImagePlace): boolean {
  return place === "SYSTEM" || place === "SWAP";
}

interface Targets {
  readonly frames: Iterable<FrameTarget | Promise<FrameTarget>>;
  /** Waits until the loaded bytes are in place. */
  finish(): Promise<void>;
}

/** The destination of bytes, one object after the other. */
class ObjectTargets {
  /** How much of the object has been requested. */
  bytesAsked = 0;
  readonly #memory: Memory;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  of(slot: number): Targets {
    this.bytesAsked = 0;
    if (this.#memory.table.resource[slot] === NONE) return this.#inSwap(slot);
    return { frames: this.#inBank(slot), finish: async () => {} };
  }

  *#inBank(slot: number): Generator<FrameTarget> {
    for (const frame of framesInBank(this.#memory, slot)) {
      this.bytesAsked += frame.lengthBytes;
      yield frame;
    }
  }

  /**
   * A single buffer: it is written out when the next frame is requested, and for the last time at the end.
   */
  #inSwap(slot: number): Targets {
    const { swap, table } = this.#memory;
    assert(swap?.has(slot) === true, "what has its bytes in an image is in system memory or in swap");
    const scratch = scratchFrameOf(this.#memory);
    let pending: BankFrame | undefined;
    let index = 0;
    const finish = async (): Promise<void> => {
      if (pending === undefined) return;
      try {
        await swap.writePage(slot, index++, pending);
      } catch (error) {
        throw notWrittenToSwap(this.#memory.idOf(slot), toDeviceError(error));
      }
      pending = undefined;
    };
    const take = async (lengthBytes: number): Promise<FrameTarget> => {
      await finish();
      this.bytesAsked += lengthBytes;
      pending = scratch.take(lengthBytes);
      return pending;
    };
    const frames = function* (): Generator<Promise<FrameTarget>> {
      for (const lengthBytes of frameLengths(table.sizeBytes[slot])) yield take(lengthBytes);
    };
    return { frames: frames(), finish };
  }
}

function notWrittenToSwap(object: string, cause: DeviceError): DeviceError {
  return new DeviceError(
    "COPY_FAILED",
    `Object ${object} could not be written to swap from the image: ${cause.message}`,
    { object },
  ).because(cause);
}
