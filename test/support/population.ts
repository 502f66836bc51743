/** A device with something of everything that a hibernation image has to carry. */
import type { DeviceOptions, WorkCommand } from "../../src/device/mod.ts";
import { allContents, suspendToTables } from "./images.ts";
import { MemoryStore } from "./regions.ts";
import {
  bootVirtual,
  create,
  KIB,
  look,
  MIB,
  patternOf,
  reasonOf,
  type VirtualDevice,
} from "./test-device.ts";

const CARD: Partial<DeviceOptions> = {
  lmem: [{ sizeBytes: 8 * MIB }, { sizeBytes: MIB, minPageBytes: 4 * KIB, visibleBytes: 512 * KIB }],
  smem: { sizeBytes: 8 * MIB },
  stolenBytes: 64 * KIB,
  engines: ["rcs0", "bcs0"],
};

export interface Card extends VirtualDevice {
  readonly swap: MemoryStore;
}

/** A device with two local regions, swap, stolen memory and two engines. */
export async function bootCard(options: Partial<DeviceOptions> = {}): Promise<Card> {
  const swap = new MemoryStore(8 * MIB);
  return { ...(await bootVirtual({ ...CARD, swap, ...options })), swap };
}

/** Ids of what has been made, by what it is. */
export type Population = Readonly<Record<string, string>>;

export async function populate(gpu: Card): Promise<Population> {
  const lost = await gpu.upload(patternOf(1, 2 * MIB), { regions: ["smem"], label: "lost" });
  const passing = await gpu.upload(patternOf(2, 7 * MIB), { regions: ["smem"] });
  gpu.swap.damage();
  await gpu.execute({ type: "deleteObject", object: passing });
  await reasonOf(gpu.download(lost));

  const swapped = await gpu.upload(patternOf(3, 2 * MIB - 20 * KIB), { regions: ["smem"], label: "swapped" });
  const filler = await gpu.upload(patternOf(4, 7 * MIB), { regions: ["smem"] });
  await gpu.execute({ type: "deleteObject", object: filler });
  const things: Record<string, string> = { lost, swapped };
  const make = async (name: string, seed: number, bytes: number, spec: Spec = {}): Promise<void> => {
    const { pins = 0, ...rest } = spec;
    things[name] = await gpu.upload(patternOf(seed, bytes), { label: name, ...rest });
    for (let pin = 0; pin < pins; pin++) {
      const region = rest.regions?.[0] ?? "lmem0";
      await gpu.execute({ type: "pinObject", object: things[name], region });
    }
  };
  await make("pinned", 10, 256 * KIB, { pins: 2 });
  await make("early", 11, 192 * KIB, { pins: 1, flags: ["PM_EARLY"] });
  await make("givenUp", 12, 128 * KIB, { pins: 1, flags: ["PM_VOLATILE"] });
  await make("pinnedSystem", 13, 36 * KIB, { pins: 1, regions: ["smem"] });
  await make("evicted", 14, 1536 * KIB);
  await make("reached", 15, 256 * KIB, { flags: ["CPU_ACCESS"] });
  await make("system", 16, 300 * KIB, { regions: ["smem"] });
  await make("unneeded", 17, 64 * KIB, { regions: ["smem"] });
  await gpu.execute({ type: "adviseObject", object: things.unneeded, advice: "DONT_NEED" });
  await make("thrownAway", 18, 64 * KIB);
  await gpu.execute({ type: "adviseObject", object: things.thrownAway, advice: "DONT_NEED" });
  await make("volatile", 19, 64 * KIB, { regions: ["smem"], flags: ["VOLATILE"] });
  things.zero = await gpu.upload(new Uint8Array(200 * KIB), { label: "zero" });
  things.purged = await create(gpu, { label: "purged" });
  await gpu.execute({ type: "adviseObject", object: things.purged, advice: "DONT_NEED" });
  things.unpopulated = await create(gpu, { label: "unpopulated", alignmentBytes: 128 * KIB });
  await makeScattered(gpu, make);

  for (const engine of ["rcs0", "bcs0", "rcs0"]) {
    await gpu.execute({ type: "createContext", engine, priority: engine === "bcs0" ? "HIGH" : "NORMAL" });
  }
  await work(gpu, "1", [{ op: "loadRegister", register: 5, value: 0x1234_5678_9abc_def0n }]);
  await work(gpu, "2", [{ op: "loadRegister", register: 2, value: 2n }]);
  gpu.device.gt.contexts.get("2").hangs = 2;
  // The order of use is not that of creation.
  await gpu.execute({ type: "readObject", object: things.system, offsetBytes: 0, lengthBytes: 1 });
  return things;
}

type Spec = NonNullable<Parameters<VirtualDevice["upload"]>[1]> & { readonly pins?: number };

/** A pinned object in many pieces: every second page of its region is somebody else's. */
async function makeScattered(
  gpu: VirtualDevice,
  make: (name: string, seed: number, bytes: number, spec: Spec) => Promise<void>,
): Promise<void> {
  const pages: string[] = [];
  for (let page = 0; page < 64; page++) {
    const id = await create(gpu, { sizeBytes: 16 * KIB, regions: ["lmem1"], label: "page" });
    await gpu.execute({ type: "pinObject", object: id });
    pages.push(id);
  }
  for (const [at, object] of pages.entries()) {
    if (at % 2 === 0) continue;
    await gpu.execute({ type: "unpinObject", object });
    await gpu.execute({ type: "deleteObject", object });
  }
  await make("scattered", 30, 200 * KIB, { pins: 1, regions: ["lmem1"] });
  for (const [at, object] of pages.entries()) {
    if (at % 2 === 1 || at > 20) continue;
    await gpu.execute({ type: "unpinObject", object });
  }
}

/** Has a context do some work, and waits until it is done. */
export async function work(gpu: VirtualDevice, context: string, commands: WorkCommand[]): Promise<void> {
  const { state, error } = await gpu.execute({
    type: "submitWork",
    context,
    commands,
    waitFences: [],
    waitMs: 1000,
  });
  if (state !== "SIGNALED") throw new Error(error?.message ?? state);
}

/** A device with a population, suspended and imaged. `before`: what its contents will be after a resume. */
export async function hibernated(prepare?: (gpu: Card) => Promise<void>) {
  const gpu = await bootCard();
  const things = await populate(gpu);
  await prepare?.(gpu);
  const before = await contentsWithoutUse(gpu, things);
  return { gpu, things, before, ...(await suspendToTables(gpu)) };
}

/** What contents will be after a suspend: reading them now would bring them out of swap. */
async function contentsWithoutUse(gpu: Card, things: Population): Promise<Map<string, string>> {
  const twin = await bootCard();
  await populate(twin);
  if ((await look(gpu, things.pinned)).pinCount === 0) await unpinAll(twin);
  await twin.execute({ type: "suspend", state: "S3" });
  await twin.execute({ type: "resume" });
  return allContents(twin);
}

export async function unpinAll(gpu: Card): Promise<void> {
  const list = { type: "listObjects", afterId: "", limit: 1000, showDeviceOwned: false } as const;
  for (const { id, pinCount } of (await gpu.execute(list)).objects) {
    for (let pin = 0; pin < pinCount; pin++) await gpu.execute({ type: "unpinObject", object: id });
  }
}
