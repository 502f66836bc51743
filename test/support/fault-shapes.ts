/** Devices to break, small and each under a strain of its own, with every failpoint within reach. */
import type { DeviceOptions } from "../../src/device/mod.ts";
import { MemoryImageStore } from "./image-store.ts";
import { MemoryStore } from "./regions.ts";
import { create, hashOf, KIB, MIB, patternOf } from "./test-device.ts";
import { bootWatched, type WatchedDevice } from "./transition-rules.ts";

export interface StrainedDevice extends WatchedDevice {
  /** Of what a suspend must keep, by object. */
  readonly hashes: Map<string, string>;
  readonly images: MemoryImageStore;
}

export const SHAPES = ["empty", "fresh", "pinned-heavy", "SMEM-tight"] as const;
export type Shape = (typeof SHAPES)[number];

const LMEM_BYTES = 4 * MIB;
const OBJECT_BYTES = 64 * KIB;
/** System memory that is tight has room for what is not thrown away, for evictions and for backups, and 64 KiB more. */
const TIGHT_BYTES = 1280 * KIB;

/**
 * `empty`: nothing is there but what belongs to the device. `fresh`: what is used is evictable, but for one object. `pinned-heavy`: most of it is pinned, some PM_VOLATILE, in two
 * local regions, with two copy engines. `SMEM-tight`: system memory is full, of what may be thrown away or swapped out.
 */
export async function bootShape(shape: Shape): Promise<StrainedDevice> {
  const images = new MemoryImageStore();
  const watched = await bootOn(shape, images);
  const { gpu } = watched;
  const hashes = new Map<string, string>();
  const upload = async (seed: number, spec: { pinned?: boolean; regions?: string[] }): Promise<void> => {
    const bytes = patternOf(seed, OBJECT_BYTES);
    const id = await gpu.upload(bytes, { regions: spec.regions ?? ["lmem0", "smem"] });
    hashes.set(id, hashOf(bytes));
    if (spec.pinned === true) await gpu.execute({ type: "pinObject", object: id });
  };
  switch (shape) {
    case "empty":
      break;
    case "fresh":
      for (let seed = 0; seed < 5; seed++) await upload(seed, { pinned: seed === 2 });
      break;
    case "pinned-heavy": {
      for (let seed = 0; seed < 7; seed++) {
        await upload(seed, { pinned: seed % 3 !== 2, regions: [`lmem${seed % 2}`] });
      }
      const volatile = await create(gpu, { sizeBytes: OBJECT_BYTES, flags: ["PM_VOLATILE"] });
      await gpu.execute({ type: "pinObject", object: volatile });
      await gpu.execute({ type: "createContext", engine: "bcs0", priority: "NORMAL" });
      break;
    }
    case "SMEM-tight": {
      for (let seed = 0; seed < 5; seed++) await upload(seed, { pinned: seed % 2 === 1 });
      // Four more than fit: the oldest go to swap. Then all but nine may be thrown away.
      for (let seed = 5; seed < 14; seed++) await upload(seed, { regions: ["smem"] });
      const others: string[] = [];
      for (let seed = 14; seed < 29; seed++) {
        others.push(await gpu.upload(patternOf(seed, OBJECT_BYTES), { regions: ["smem"] }));
      }
      for (const object of others) await gpu.execute({ type: "adviseObject", object, advice: "DONT_NEED" });
      break;
    }
    default:
      shape satisfies never;
  }
  return { ...watched, hashes, images };
}

/** The process that comes after one that died: the same device with nothing on it, or what a sealed image holds. */
export async function bootAfterDeath(shape: Shape, dead: MemoryImageStore): Promise<StrainedDevice> {
  const images = dead.afterDeath();
  const resumeFrom = images.findSealed("card0");
  const watched = await bootOn(shape, images, resumeFrom === undefined ? {} : { resumeFrom });
  // The suspend that wrote the image.
  if (resumeFrom !== undefined) watched.rules.suspends++;
  return { ...watched, hashes: new Map(), images };
}

function bootOn(
  shape: Shape,
  images: MemoryImageStore,
  options: Partial<DeviceOptions> = {},
): Promise<WatchedDevice> {
  const tight = shape === "SMEM-tight";
  const local = { sizeBytes: LMEM_BYTES };
  const shaped: Partial<DeviceOptions> = {
    images,
    lmem: shape === "pinned-heavy" ? [local, local] : [local],
    engines: shape === "pinned-heavy" ? ["bcs0", "bcs1"] : ["bcs0"],
    smem: { sizeBytes: tight ? TIGHT_BYTES : 4 * MIB },
    ...(tight ? { swap: new MemoryStore(4 * MIB) } : {}),
  };
  return bootWatched({ ...shaped, ...options }, () => {
    images.dead = true;
  });
}

/** 1,400 pinned and 1,400 evictable objects of a page: more than one batch of each walk holds, so that several are in flight. */
export async function bootCrowded(): Promise<StrainedDevice> {
  const images = new MemoryImageStore();
  const watched = await bootWatched({
    images,
    lmem: [{ sizeBytes: 16 * MIB, minPageBytes: 4 * KIB }],
    smem: { sizeBytes: 32 * MIB },
    engines: ["bcs0", "bcs1"],
  });
  const { gpu } = watched;
  const template = { sizeBytes: 4 * KIB, regions: ["lmem0"], flags: [], alignmentBytes: 0, label: "" };
  const { objects } = await gpu.execute({ type: "batchCreateObjects", template, count: 2800 });
  const hashes = new Map<string, string>();
  for (const [seed, id] of objects.entries()) {
    const data = patternOf(seed, 4 * KIB);
    await gpu.execute({ type: "writeObject", object: id, offsetBytes: 0, data });
    hashes.set(id, hashOf(data));
  }
  const pinned = objects.filter((_, at) => at % 2 === 0);
  await gpu.execute({ type: "batchPinObjects", objects: pinned });
  return { ...watched, hashes, images };
}
