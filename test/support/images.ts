/** Hibernation without a file: images that stay in memory, devices that lose everything, and what two of them show. */
import { PowerRail } from "../../src/device/hardware/rail.ts";
import type { ImageObject, ImageSource, ImageTables } from "../../src/device/image/image-model.ts";
import { NONE } from "../../src/device/memory/object-table.ts";
import { emptyTally } from "../../src/device/memory/tally.ts";
import { DeviceError } from "../../src/device/mod.ts";
import { adoptImage } from "../../src/device/power/image/adopt.ts";
import { captureImage, type ImagedDevice, type ImageMarks } from "../../src/device/power/image/capture.ts";
import { loadImage } from "../../src/device/power/image/load.ts";
import { restoreRegions } from "../../src/device/power/restore.ts";
import { type Checksums, takeChecksums } from "../../src/device/power/verify.ts";
import { hashOf, seededRandom, type VirtualDevice } from "./test-device.ts";

/** An image whose entries and bytes are plain values that a test may change. */
export interface FakeTables extends ImageTables {
  readonly entries: ImageObject[];
  readonly frames: Map<number, Uint8Array[]>;
}

/** Of images that nobody seals. */
export const MARKS: ImageMarks = { hybrid: false, byShutdown: false, generation: 1 };

/** Takes everything that a source gives, as a writer would. */
export async function readSource(source: ImageSource): Promise<FakeTables> {
  const entries = Array.from({ length: source.objectCount }, (_, index) => source.object(index));
  const frames = new Map<number, Uint8Array[]>();
  for (const [index, { place }] of entries.entries()) {
    if (place !== "SYSTEM" && place !== "SWAP") continue;
    const list: Uint8Array[] = [];
    for (const next of source.frames(index)) {
      const frame = await next;
      const bytes = new Uint8Array(frame.lengthBytes);
      frame.copyTo(bytes);
      if (frame.isZero() !== bytes.every((byte) => byte === 0)) throw new Error(`frame of entry ${index}`);
      list.push(bytes);
    }
    frames.set(index, list);
  }
  return tablesOf(source, entries, frames);
}

function tablesOf(
  source: ImageSource,
  entries: ImageObject[],
  frames: Map<number, Uint8Array[]>,
): FakeTables {
  return {
    device: source.device,
    hybrid: source.hybrid,
    generation: source.generation,
    createTimeNs: 0n,
    contexts: source.contexts,
    objectCount: entries.length,
    object: (index) => entries[index],
    place: (index) => entries[index].place,
    async load(index, targets) {
      const left = [...(frames.get(index) ?? [])];
      for (const next of targets) {
        const target = await next;
        const bytes = left.shift();
        if (bytes?.length !== target.lengthBytes) {
          throw new DeviceError("IMAGE_CORRUPT", `Entry ${index} is shorter than it was.`);
        }
        if (bytes.every((byte) => byte === 0)) target.fillZero();
        else target.copyFrom(bytes);
      }
    },
    entries,
    frames,
  };
}

export function imaged(gpu: VirtualDevice, change: Partial<ImagedDevice> = {}): ImagedDevice {
  const { memory, services, gt } = gpu.device;
  const counters = { suspendCount: 1, nextTransitionId: 2 };
  return { name: "card0", model: "model", memory, services, gt, ...counters, ...change };
}

/** Suspends as far as S3 does and takes an image: the state is that of S4 before its power is cut. */
export async function suspendToTables(
  gpu: VirtualDevice,
): Promise<{ tables: FakeTables; checksums: Checksums }> {
  const checksums = await gpu.clock.run(takeChecksums(gpu.device));
  await gpu.execute({ type: "suspend", state: "S3" });
  const source = await gpu.clock.run(captureImage(imaged(gpu), MARKS, checksums));
  return { tables: await gpu.clock.run(readSource(source)), checksums };
}

/** What S4 loses on top of S3: every byte of system memory and of swap. */
export async function loseEverything(gpu: VirtualDevice): Promise<void> {
  const { memory } = gpu.device;
  const rail = new PowerRail({
    banks: memory.regions.map((region) => region.bank),
    microcodes: memory.microcodes,
    clock: gpu.clock,
    random: seededRandom(99),
  });
  await gpu.clock.run(Promise.all([memory.swap?.poison(rail.cut("all")), rail.restored()]));
}

/** The part of a resume that moves bytes, on a device that has adopted an image while it was ACTIVE. */
export async function restoreBackups(gpu: VirtualDevice): Promise<void> {
  for (const step of ["early", "late"] as const) {
    await gpu.clock.run(restoreRegions(gpu.device, { step, tally: emptyTally(), check: () => {} }));
  }
}

/** All that a client sees of objects, contexts and order of use; where bytes lie in system memory is nobody's business. */
export async function everythingSeen(gpu: VirtualDevice): Promise<unknown> {
  const list = { type: "listObjects", afterId: "", limit: 1000, showDeviceOwned: true } as const;
  const { objects } = await gpu.execute(list);
  const { memory } = gpu.device;
  const orders = memory.regions.map((region) => [...region.lists.all()].map((slot) => memory.idOf(slot)));
  return {
    objects: objects
      .filter(({ id, label }) => !id.startsWith("k") || label.includes("of context"))
      .map((object) => (object.region === "smem" ? { ...object, extents: [] } : object)),
    contexts: (await gpu.execute({ type: "listContexts", afterId: "", limit: 1000 })).contexts,
    orders,
    usage: await gpu.execute({ type: "getUsage" }),
  };
}

/** Hashes of all contents that can be read, and for the others the reason why they cannot, by id. */
export async function allContents(gpu: VirtualDevice): Promise<Map<string, string>> {
  const list = { type: "listObjects", afterId: "", limit: 1000, showDeviceOwned: false } as const;
  const contents = new Map<string, string>();
  for (const { id, flags, pinCount } of (await gpu.execute(list)).objects) {
    // What is given up on purpose reads as the power left it, or as zeroes: nobody promises either.
    if (flags.includes("PM_VOLATILE") && pinCount > 0) continue;
    try {
      contents.set(id, hashOf(await gpu.download(id)));
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      contents.set(id, error.reason);
    }
  }
  return contents;
}

/** Whether a device has nothing but what boot has made. */
export function isEmpty(gpu: VirtualDevice): boolean {
  const { memory, gt } = gpu.device;
  return (
    memory.table.orderHead === NONE &&
    gt.contexts.all().length === 0 &&
    memory.table.count === memory.ownedSlots.length &&
    memory.system.freeBytes === memory.system.sizeBytes &&
    (memory.swap?.usedBytes ?? 0) === 0
  );
}

export function adopt(gpu: VirtualDevice, tables: FakeTables, allowed: readonly string[] = []) {
  return gpu.clock.run(adoptImage(imaged(gpu), tables, allowed));
}

/** All of the way, up to what a resume does with the GT. */
export async function adoptAndRestore(
  gpu: VirtualDevice,
  tables: FakeTables,
  allowed: readonly string[] = [],
) {
  const adopted = await adopt(gpu, tables, allowed);
  await load(gpu, tables, adopted.slots);
  await restoreBackups(gpu);
  return adopted;
}

export function load(gpu: VirtualDevice, tables: FakeTables, slots: Int32Array) {
  return gpu.clock.run(loadImage(gpu.device.memory, tables, { slots, clock: gpu.clock }));
}
