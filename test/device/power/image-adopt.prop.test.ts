/** Hibernation whatever there is: the same device and another one come out of an image as the first went in. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { DeviceError, type ObjectFlag } from "../../../src/device/mod.ts";
import { matchSlots } from "../../../src/device/power/image/load.ts";
import {
  adoptAndRestore,
  everythingSeen,
  load,
  loseEverything,
  suspendToTables,
} from "../../support/images.ts";
import { bootCard, type Card } from "../../support/population.ts";
import { create, hashOf, KIB, look, patternOf, reasonOf } from "../../support/test-device.ts";

const OTHER_UID = "11111111-2222-4333-8444-555555555555";
const FLAGS: ObjectFlag[] = ["CONTIGUOUS", "VOLATILE", "CPU_CLEAR", "PM_EARLY", "PM_VOLATILE", "CPU_ACCESS"];
const PLACEMENTS = [
  ["lmem0", "smem"],
  ["lmem0"],
  ["lmem1", "smem"],
  ["lmem1", "lmem0"],
  ["smem"],
  ["smem", "lmem1"],
];

test("whatever there is comes back, in the same device and in another one", async () => {
  const thing = fc.record({
    kib: fc.integer({ min: 1, max: 400 }),
    placement: fc.constantFrom(...PLACEMENTS),
    flags: fc.subarray(FLAGS, { maxLength: 2 }),
    alignmentLog2: fc.constantFrom(0, 0, 16, 17),
    written: fc.boolean(),
    pins: fc.constantFrom(0, 0, 0, 1, 2),
    after: fc.constantFrom("keep", "keep", "keep", "drop", "delete", "use"),
  });
  const population = fc.array(thing, { minLength: 5, maxLength: 45, size: "max" });
  const filling = fc.integer({ min: 1, max: 4096 });
  await fc.assert(
    fc.asyncProperty(population, filling, async (things, fillerKib) => {
      const gpu = await bootCard({ smem: { sizeBytes: 4096 * KIB } });
      const before = new Map<string, string>();
      for (const [seed, each] of things.entries()) await makeThing(gpu, seed, each, before);
      // What filled system memory is in swap now, and there is room for the suspend.
      const filler = await create(gpu, { sizeBytes: fillerKib * KIB, regions: ["smem"] });
      await reasonOf(gpu.execute({ type: "checksumObject", object: filler }));
      await gpu.execute({ type: "deleteObject", object: filler });
      const full = await reasonOf(gpu.execute({ type: "suspend", state: "S2IDLE" }));
      if (full === "SYSTEM_MEMORY_EXHAUSTED") return;
      await gpu.execute({ type: "resume" });
      const { tables } = await suspendToTables(gpu);
      await loseEverything(gpu);
      await load(gpu, tables, await gpu.clock.run(matchSlots(gpu.device.memory, tables, gpu.clock)));
      await gpu.execute({ type: "resume" });
      const other = await bootCard({ smem: { sizeBytes: 4096 * KIB }, uid: OTHER_UID });
      await adoptAndRestore(other, tables);
      for (const device of [gpu, other]) device.device.checkInvariants();
      expect(await everythingSeen(other)).toEqual(await everythingSeen(gpu));
      for (const device of [gpu, other]) {
        const after = await hashesInPlace(device);
        for (const [id, hash] of after) if (before.has(id)) expect([id, hash]).toEqual([id, before.get(id)]);
        device.device.checkInvariants();
      }
    }),
    { numRuns: 25 },
  );
}, 120_000);

interface Thing {
  readonly kib: number;
  readonly placement: readonly string[];
  readonly flags: readonly ObjectFlag[];
  readonly alignmentLog2: number;
  readonly written: boolean;
  readonly pins: number;
  readonly after: string;
}

/** Makes an object as far as there is room for it, and notes what it should read. */
async function makeThing(gpu: Card, seed: number, thing: Thing, hashes: Map<string, string>): Promise<void> {
  const sizeBytes = thing.kib * KIB;
  const alignmentBytes = thing.alignmentLog2 === 0 ? 0 : 2 ** thing.alignmentLog2;
  const { flags, placement } = thing;
  let object: string;
  try {
    object = await create(gpu, { sizeBytes, regions: [...placement], flags: [...flags], alignmentBytes });
  } catch (error) {
    if (error instanceof DeviceError && error.kind === "invalid") return;
    throw error;
  }
  const attempt = (command: Parameters<Card["execute"]>[0]): Promise<string> =>
    reasonOf(gpu.execute(command));
  const data = patternOf(seed, sizeBytes);
  const bytes = new Uint8Array((await look(gpu, object)).sizeBytes);
  if (thing.written) {
    const answer = await attempt({ type: "writeObject", object, offsetBytes: 0, data });
    if (answer === "none") bytes.set(data);
  }
  hashes.set(object, hashOf(bytes));
  for (let pin = 0; pin < thing.pins; pin++) await attempt({ type: "pinObject", object });
  if (thing.after === "drop") await attempt({ type: "adviseObject", object, advice: "DONT_NEED" });
  if (thing.after === "delete") await attempt({ type: "deleteObject", object });
  if (thing.after !== "use") return;
  await attempt({ type: "checksumObject", object: String(1 + (seed % Math.max(1, Number(object)))) });
}

/** Hashes of what may be read and is what was written, by id. */
async function hashesInPlace(gpu: Card): Promise<Map<string, string>> {
  const list = { type: "listObjects", afterId: "", limit: 1000, showDeviceOwned: false } as const;
  const hashes = new Map<string, string>();
  for (const { id, flags, state, madvise } of (await gpu.execute(list)).objects) {
    const stays = madvise === "WILL_NEED" && (state === "RESIDENT" || state === "SWAPPED");
    if (!stays || flags.includes("PM_VOLATILE") || flags.includes("VOLATILE")) continue;
    try {
      hashes.set(id, (await gpu.execute({ type: "checksumObject", object: id })).sha256Hex);
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
    }
  }
  return hashes;
}
