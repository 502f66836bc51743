/**
 * How much of a large piece of work is done in one turn of the event loop: as much as a slice, so that others have theirs.
 */
import { expect, test, vi } from "vitest";
import {
  BATCH_SLICE_OBJECTS,
  MOVE_BATCH_OBJECTS,
  WALK_SLICE_OBJECTS,
  WORK_SLICE_ITEMS,
} from "../../src/device/limits.ts";
import { MemoryImageStore } from "../support/image-store.ts";
import { ANY_OBJECT, bootVirtual, KIB, MIB, reasonOf, type VirtualDevice } from "../support/test-device.ts";

const COUNT = 10_000;
const LMEM = [{ sizeBytes: 48 * MIB, minPageBytes: 4 * KIB }];
const TEMPLATE = { ...ANY_OBJECT, sizeBytes: 4 * KIB, regions: ["lmem0"], label: "turns" };

/** What `look` answers before `work`, in each pause that it makes, and after it. */
async function inPauses(
  { clock }: VirtualDevice,
  look: () => number,
  work: () => Promise<unknown>,
): Promise<number[]> {
  const seen = [look()];
  const pause = clock.yield.bind(clock);
  const pauses = vi.spyOn(clock, "yield").mockImplementation(() => {
    seen.push(look());
    return pause();
  });
  try {
    await work();
  } finally {
    pauses.mockRestore();
  }
  return [...seen, look()];
}

function largestStep(seen: readonly number[]): number {
  return Math.max(...seen.slice(1).map((value, at) => Math.abs(value - (seen[at] ?? value))));
}

test("a batch of 10,000 is placed, pinned, unpinned and deleted slice by slice", async () => {
  const gpu = await bootVirtual({ lmem: LMEM });
  const { memory } = gpu.device;
  const [, lmem] = memory.regions;
  const { objects } = await gpu.execute({ type: "batchCreateObjects", template: TEMPLATE, count: COUNT });
  const steps: readonly [() => number, "batchPinObjects" | "batchUnpinObjects" | "batchDeleteObjects"][] = [
    [() => lmem?.objectCount ?? 0, "batchPinObjects"],
    [() => lmem?.pinnedObjectCount ?? 0, "batchUnpinObjects"],
    [() => lmem?.pinnedObjectCount ?? 0, "batchPinObjects"],
    [() => lmem?.pinnedObjectCount ?? 0, "batchUnpinObjects"],
    [() => memory.clientObjectCount, "batchDeleteObjects"],
  ];
  for (const [look, type] of steps) {
    const seen = await inPauses(gpu, look, () => gpu.execute({ type, objects }));
    expect(Math.abs((seen.at(-1) ?? 0) - (seen[0] ?? 0)), type).toBe(COUNT);
    expect(largestStep(seen), type).toBeLessThanOrEqual(Math.max(BATCH_SLICE_OBJECTS, MOVE_BATCH_OBJECTS));
  }
  gpu.device.checkInvariants();
});

test("a batch of pins that fails is taken back slice by slice", async () => {
  const gpu = await bootVirtual({ lmem: LMEM });
  const [, lmem] = gpu.device.memory.regions;
  const { objects } = await gpu.execute({ type: "batchCreateObjects", template: TEMPLATE, count: COUNT - 1 });
  const large = await gpu.execute({ ...TEMPLATE, sizeBytes: 40 * MIB });
  await gpu.execute({ type: "batchPinObjects", objects });
  const pinned = lmem?.pinnedObjectCount ?? 0;
  const pin = { type: "batchPinObjects", objects: [...objects, large.id] } as const;
  const pins = () => gpu.device.memory.table.pinCount.reduce((sum, count) => sum + count, 0);
  const seen = await inPauses(gpu, pins, async () => {
    expect(await reasonOf(gpu.execute(pin))).toBe("REGION_FULL");
  });
  expect(Math.max(...seen)).toBeGreaterThan(pinned + BATCH_SLICE_OBJECTS);
  expect(seen.at(-1)).toBe(seen[0]);
  expect(largestStep(seen)).toBeLessThanOrEqual(BATCH_SLICE_OBJECTS);
  gpu.device.checkInvariants();
});

test("who asks in a pause of a batch is answered, and who creates then has an object that works", async () => {
  const gpu = await bootVirtual({ lmem: LMEM });
  const { objects } = await gpu.execute({ type: "batchCreateObjects", template: TEMPLATE, count: COUNT });
  await gpu.execute({ type: "batchPinObjects", objects });
  await gpu.execute({ type: "batchUnpinObjects", objects });
  const { clock } = gpu;
  const answers: number[] = [];
  const others: Promise<unknown>[] = [];
  const pause = clock.yield.bind(clock);
  const pauses = vi.spyOn(clock, "yield").mockImplementation(async () => {
    // Some of these take the places in the table of objects that are gone, whose locks the batch holds to its end.
    if (others.length < 4) others.push(createAndPin());
    await pause();
  });
  await gpu.execute({ type: "batchDeleteObjects", objects });
  pauses.mockRestore();
  await clock.run(Promise.all(others));
  expect(answers.length).toBe(4);
  expect(gpu.device.memory.clientObjectCount).toBe(4);
  gpu.device.checkInvariants();

  async function createAndPin(): Promise<void> {
    const { id } = await gpu.device.execute(TEMPLATE);
    await gpu.device.execute({ type: "pinObject", object: id });
    answers.push(Number(id));
  }
});

test("a region whose power is gone forgets what its memory held slice by slice", async () => {
  const gpu = await bootVirtual({ lmem: [{ sizeBytes: 96 * MIB, minPageBytes: 4 * KIB }] });
  const ids: string[] = [];
  for (let batch = 0; batch < 2; batch++) {
    const { objects } = await gpu.execute({ type: "batchCreateObjects", template: TEMPLATE, count: COUNT });
    await gpu.execute({ type: "batchPinObjects", objects });
    ids.push(...objects);
  }
  // Every other one: what is between two that stay is a block of its own.
  const objects = ids.filter((_, at) => at % 2 === 0);
  await gpu.execute({ type: "batchUnpinObjects", objects });
  await gpu.execute({ type: "batchDeleteObjects", objects });
  const [, lmem] = gpu.device.memory.regions;
  const forgetting = vi.spyOn(lmem?.bank ?? expect.unreachable(), "forgetTouched");
  const forgotten = () => forgetting.mock.calls.length;
  const seen = await inPauses(gpu, forgotten, () => gpu.execute({ type: "suspend", state: "S3" }));
  expect(forgotten()).toBeGreaterThan(WALK_SLICE_OBJECTS);
  expect(largestStep(seen)).toBeLessThanOrEqual(WALK_SLICE_OBJECTS);
});

test("an image of objects that have no bytes is written slice by slice too", async () => {
  const gpu = await bootVirtual({ lmem: LMEM, images: new MemoryImageStore(256 * MIB) });
  await gpu.execute({ type: "batchCreateObjects", template: TEMPLATE, count: COUNT });
  const describing = vi.spyOn(gpu.device.memory, "placementOf");
  const described = () => describing.mock.calls.length;
  const seen = await inPauses(gpu, described, () => gpu.execute({ type: "suspend", state: "S4" }));
  expect(described()).toBeGreaterThanOrEqual(COUNT);
  expect(largestStep(seen)).toBeLessThanOrEqual(WORK_SLICE_ITEMS);
});
