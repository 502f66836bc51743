/** Work on objects that lie in many pieces: each command finds the bytes that it names, and finding them costs little. */
import { expect, test, vi } from "vitest";
import type { WorkCommand } from "../../../src/device/mod.ts";
import {
  ANY_OBJECT,
  bootVirtual,
  create,
  KIB,
  look,
  MIB,
  seededRandom,
  type VirtualDevice,
} from "../../support/test-device.ts";
import { finish, newContext, submit } from "../../support/work.ts";

const SIZE_BYTES = MIB;

test("work on objects in hundreds of pieces changes the bytes that it names, and no other", async () => {
  const { gpu, objects } = await splintered();
  const context = await newContext(gpu, "rcs0");
  const models = new Map(objects.map((id) => [id, new Uint8Array(SIZE_BYTES)]));
  const random = seededRandom(7);
  const below = (limit: number): number => Math.floor(random() * limit);
  for (let round = 0; round < 40; round++) {
    const [from, to] = below(2) === 0 ? objects : objects.toReversed();
    const lengthBytes = 1 + below(40 * KIB);
    const sourceOffsetBytes = below(SIZE_BYTES - lengthBytes);
    const destinationOffsetBytes = below(SIZE_BYTES - lengthBytes);
    const offsetBytes = 4 * below(SIZE_BYTES / 4 - 20 * KIB);
    const pattern = below(2 ** 32);
    const filledBytes = 4 * (1 + below(16 * KIB));
    const fill: WorkCommand = { op: "fill", object: from, offsetBytes, lengthBytes: filledBytes, pattern };
    const offsets = { sourceOffsetBytes, destinationOffsetBytes };
    const copy: WorkCommand = { op: "copy", source: from, destination: to, ...offsets, lengthBytes };
    await finish(gpu, await submit(gpu, context, fill, copy));
    const [source, target] = [models.get(from), models.get(to)].map((bytes) => bytes ?? new Uint8Array());
    new Uint32Array(source.buffer, offsetBytes, filledBytes / 4).fill(pattern);
    target.set(source.subarray(sourceOffsetBytes, sourceOffsetBytes + lengthBytes), destinationOffsetBytes);
  }
  for (const [id, bytes] of models) expect(Buffer.compare(await gpu.download(id), bytes)).toBe(0);
});

test("where an object is, is asked once for each request, however many of its commands name it", async () => {
  const { gpu, objects } = await splintered();
  const [object] = objects;
  const context = await newContext(gpu, "rcs0");
  const asking = vi.spyOn(gpu.device.memory.region(2), "forEachBlock");
  const stores = Array.from(
    { length: 1000 },
    (_, at): WorkCommand => ({ op: "storeDword", object, offsetBytes: at * 4, value: at }),
  );
  await finish(gpu, await submit(gpu, context, ...stores));
  expect(asking.mock.calls.length).toBeLessThan(20);
});

/** A device and two objects of it in 4 KiB pieces: every other page of their region is somebody else's. */
async function splintered(): Promise<{ gpu: VirtualDevice; objects: string[] }> {
  const gpu = await bootVirtual({
    engines: ["rcs0", "bcs0"],
    lmem: [{ sizeBytes: 8 * MIB }, { sizeBytes: 8 * MIB, minPageBytes: 4 * KIB }],
  });
  const free = (await gpu.execute({ type: "getRegion", region: "lmem1" })).availableBytes;
  const template = { ...ANY_OBJECT, sizeBytes: 4 * KIB, regions: ["lmem1"] };
  const count = free / template.sizeBytes - 40;
  const { objects: pages } = await gpu.execute({ type: "batchCreateObjects", template, count });
  await gpu.execute({ type: "batchPinObjects", objects: pages });
  const others = pages.filter((_, at) => at % 2 === 0);
  await gpu.execute({ type: "batchUnpinObjects", objects: others });
  await gpu.execute({ type: "batchDeleteObjects", objects: others });
  const objects: string[] = [];
  for (let at = 0; at < 2; at++) {
    const object = await create(gpu, { sizeBytes: SIZE_BYTES, regions: ["lmem1"] });
    await gpu.execute({ type: "pinObject", object });
    expect((await look(gpu, object)).extents.length).toBeGreaterThan(200);
    objects.push(object);
  }
  return { gpu, objects };
}
