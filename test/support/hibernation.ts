/** A device that hibernates, one of everything on it, and what must be true of it afterwards. */
import { expect } from "vitest";
import type { DeviceOptions, ObjectResource, WorkCommand } from "../../src/device/mod.ts";
import { bootFaulty, type FaultyDevice } from "./faulty-device.ts";
import { MemoryImageStore } from "./image-store.ts";
import { MemoryStore } from "./regions.ts";
import { newStore } from "./snapshots.ts";
import { ANY_OBJECT, hashOf, KIB, MIB, patternOf, type VirtualDevice } from "./test-device.ts";

export interface HibernatingDevice extends FaultyDevice {
  readonly images: MemoryImageStore;
}

const OPTIONS: Partial<DeviceOptions> = {
  engines: ["rcs0", "bcs0"],
  smem: { sizeBytes: 6 * MIB },
};

export async function boot(
  options: Partial<DeviceOptions> & { images?: MemoryImageStore } = {},
): Promise<HibernatingDevice> {
  const { images = new MemoryImageStore() } = options;
  const device = await bootFaulty(
    { ...OPTIONS, swap: new MemoryStore(4 * MIB), snapshots: newStore(), ...options, images },
    () => {
      images.dead = true;
    },
  );
  return { ...device, images };
}

/** What a daemon does that starts anew: nothing is left but the store. */
export async function bootNext(
  images: MemoryImageStore,
  options: Partial<DeviceOptions> = {},
): Promise<HibernatingDevice> {
  const resumeFrom = images.findSealed("card0");
  if (resumeFrom === undefined) throw new Error("there is a sealed image");
  return boot({ ...options, uid: "00000000-0000-4000-8000-000000000000", images, resumeFrom });
}

export interface State {
  readonly objects: readonly ObjectResource[];
  readonly hashes: Map<string, string>;
  readonly context: string;
  readonly register: bigint;
  readonly markers: ReadonlyMap<string, string>;
  readonly scratch: string;
}

/** One of everything: in each place, pinned and not, given up and not, swapped, and a context with a register. */
export async function populate(gpu: VirtualDevice): Promise<State> {
  const hashes = new Map<string, string>();
  const markers = new Map<string, string>();
  const put = async (seed: number, sizeBytes: number, regions: string[], label = ""): Promise<string> => {
    const bytes = patternOf(seed, sizeBytes);
    const marker = `marker of object ${seed} that nothing else says`;
    bytes.set(Buffer.from(marker), 100);
    const id = await gpu.upload(bytes, { regions, label });
    hashes.set(id, hashOf(bytes));
    markers.set(id, marker);
    return id;
  };
  const pinned = await put(1, 768 * KIB, ["lmem0"], "weights");
  await gpu.execute({ type: "pinObject", object: pinned });
  await put(2, 512 * KIB, ["lmem0", "smem"], "größe");
  const hole = await put(3, 64 * KIB, ["lmem0", "smem"]);
  const twice = await put(4, 192 * KIB, ["lmem0", "smem"]);
  await gpu.execute({ type: "pinObject", object: twice });
  await gpu.execute({ type: "pinObject", object: twice });
  await gpu.execute({ type: "deleteObject", object: hole });
  hashes.delete(hole);
  markers.delete(hole);
  const early = await gpu.upload(patternOf(5, 128 * KIB), { flags: ["PM_EARLY"] });
  hashes.set(early, hashOf(patternOf(5, 128 * KIB)));
  await gpu.execute({ type: "pinObject", object: early });
  // With what is to leave local memory more than system memory holds: some of these go to swap.
  for (let seed = 10; seed < 32; seed++) await put(seed, 256 * KIB, ["smem"]);
  const zeroes = await gpu.upload(new Uint8Array(256 * KIB));
  hashes.set(zeroes, hashOf(new Uint8Array(256 * KIB)));
  const unwanted = await gpu.upload(patternOf(6, 64 * KIB));
  await gpu.execute({ type: "adviseObject", object: unwanted, advice: "DONT_NEED" });
  await gpu.execute({ type: "evictRegion", region: "lmem0" });
  await gpu.execute({ ...ANY_OBJECT, sizeBytes: 64 * KIB, label: "never used" });

  const scratch = await gpu.upload(new Uint8Array(64 * KIB));
  const { id: context } = await gpu.execute({ type: "createContext", engine: "rcs0", priority: "HIGH" });
  const register = 0x0123_4567_89ab_cdefn;
  await work(gpu, context, [{ op: "loadRegister", register: 7, value: register }]);
  return { objects: await listed(gpu), hashes, context, register, markers, scratch };
}

export async function expectState(gpu: VirtualDevice, state: State): Promise<void> {
  gpu.device.checkInvariants();
  const found = new Map((await listed(gpu)).map((object) => [object.id, object]));
  for (const object of state.objects) {
    const { uid, sizeBytes, label, flags, regions, pinCount, madvise, createTimeNs } = object;
    expect(found.get(object.id)).toMatchObject({
      uid,
      sizeBytes,
      label,
      flags,
      regions,
      pinCount,
      madvise,
      createTimeNs,
    });
    if (pinCount > 0) expect(found.get(object.id)?.extents).toEqual(object.extents);
    if (["UNPOPULATED", "PURGED"].includes(object.state))
      expect(found.get(object.id)?.state).toBe(object.state);
  }
  expect((await gpu.execute({ type: "getContext", context: state.context })).priority).toBe("HIGH");
  const { context, scratch: object } = state;
  await work(gpu, context, [{ op: "storeRegister", register: 7, object, offsetBytes: 8 }]);
  const value = Buffer.from(await gpu.download(object)).readBigUInt64LE(8);
  expect(value).toBe(state.register);
  await expectBytes(gpu, state.hashes);
  gpu.device.checkInvariants();
}

export async function work(
  gpu: VirtualDevice,
  context: string,
  commands: readonly WorkCommand[],
): Promise<void> {
  const fence = await gpu.execute({ type: "submitWork", context, commands, waitFences: [], waitMs: 10_000 });
  expect(fence.state).toBe("SIGNALED");
}

export async function listed(gpu: VirtualDevice): Promise<readonly ObjectResource[]> {
  return (await gpu.execute({ type: "listObjects", afterId: "", limit: 1000, showDeviceOwned: false }))
    .objects;
}

export async function expectBytes(gpu: VirtualDevice, hashes: ReadonlyMap<string, string>): Promise<void> {
  for (const [id, hash] of hashes) expect([id, hashOf(await gpu.download(id))]).toEqual([id, hash]);
}

export function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] ^= 0x10;
  return copy;
}
