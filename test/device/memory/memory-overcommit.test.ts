/** More objects than memory: everything is served, and every byte is what was written, after each move. */
import { afterEach, describe, expect, test } from "vitest";
import { MOVE_BATCH_BYTES } from "../../../src/device/limits.ts";
import { MemoryStore } from "../../support/regions.ts";
import {
  bootThreaded,
  bootVirtual,
  create,
  KIB,
  look,
  MIB,
  patternOf,
  reasonOf,
  seededRandom,
  type TestDevice,
  together,
  type VirtualDevice,
  wrongContents,
} from "../../support/test-device.ts";

interface Load {
  readonly gpu: TestDevice;
  readonly contents: Map<string, Uint8Array>;
}

describe("[gem_lmem_swapping] objects of more than lmem0 can hold", () => {
  test("[@basic] of 1 MiB and 150 %: each is moved in at random, and others leave for it", async () => {
    const gpu = await bootVirtual();
    const load = await fill(gpu, 24 * MIB, () => MIB);
    const moved = await moveIn(load, seededRandom(1), 120);
    expect(moved).toBeGreaterThan(20);
    gpu.device.checkInvariants();
    expect(await wrongContents(gpu, load.contents)).toEqual([]);
  });

  test("[@verify-random] of 4 KiB to 2 MiB and 150 %: the pattern of each is there after each move-in", async () => {
    const gpu = await bootVirtual({ lmem: [{ sizeBytes: 16 * MIB, minPageBytes: 4 * KIB }] });
    const random = seededRandom(2);
    const load = await fill(gpu, 24 * MIB, () => 4 * KIB * Math.ceil(random() * 512));
    expect(await moveIn(load, random, 150)).toBeGreaterThan(20);
    gpu.device.checkInvariants();
    expect(await wrongContents(gpu, load.contents)).toEqual([]);
  });

  test("[@heavy-verify-random] of 4 KiB to 2 MiB and 300 %, with system memory full and the rest in swap: the pattern of each is there after each move-in", async () => {
    const swap = new MemoryStore(40 * MIB);
    const gpu = await bootVirtual({ smem: { sizeBytes: 12 * MIB }, swap });
    const random = seededRandom(3);
    const load = await fill(gpu, 48 * MIB, () => 4 * KIB * Math.ceil(random() * 512));
    expect(await moveIn(load, random, 150)).toBeGreaterThan(50);
    gpu.device.checkInvariants();
    const states = await Promise.all(
      [...load.contents.keys()].map(async (id) => (await look(gpu, id)).state),
    );
    expect(states).toContain("SWAPPED");
    expect(await wrongContents(gpu, load.contents)).toEqual([]);
  });

  test("[@massive] of 18 to 22 MiB, each larger than a batch of moves, and 150 %, and over a suspend", async () => {
    const lmem = [{ sizeBytes: 64 * MIB, minPageBytes: 64 * KIB }];
    const gpu = await bootVirtual({ lmem, smem: { sizeBytes: 256 * MIB } });
    const random = seededRandom(4);
    const sizes = [18, 19, 20, 21, 22].map((size) => size * MIB);
    expect(Math.min(...sizes)).toBeGreaterThan(MOVE_BATCH_BYTES);
    const load = await fill(gpu, 96 * MIB, () => sizes[Math.floor(random() * sizes.length)]);
    expect(await moveIn(load, random, 12)).toBeGreaterThan(2);
    const [pinned] = load.contents.keys();
    await gpu.execute({ type: "pinObject", object: pinned, region: "lmem0" });
    await gpu.execute({ type: "suspend", state: "S3" });
    await gpu.execute({ type: "resume" });
    gpu.device.checkInvariants();
    expect(await wrongContents(gpu, load.contents)).toEqual([]);
  });

  test("[@parallel-random-verify] by five clients at once, whose commands come between each other", async () => {
    const swap = new MemoryStore(32 * MIB);
    const gpu = await bootVirtual({ smem: { sizeBytes: 12 * MIB }, swap });
    swap.clock = gpu.clock;
    const contents = new Map<string, Uint8Array>();
    await gpu.clock.run(
      Promise.all([1, 2, 3, 4, 5].map((seed) => client(contents, seed, gpu.device.execute.bind(gpu.device)))),
    );
    gpu.device.checkInvariants();
    expect(await wrongContents(gpu, contents)).toEqual([]);
    expect(swap.reads).toBeGreaterThan(0);
  });

  test("[@smem-oom] with system memory and swap full: commands fail with SYSTEM_MEMORY_EXHAUSTED and succeed when somebody lets go; nothing is corrupted", async () => {
    const gpu = await bootVirtual({ smem: { sizeBytes: 6 * MIB }, swap: new MemoryStore(8 * MIB) });
    const contents = new Map<string, Uint8Array>();
    for (let seed = 0; ; seed++) {
      const data = patternOf(seed, MIB);
      const object = await create(gpu);
      const reason = await reasonOf(gpu.execute({ type: "writeObject", object, offsetBytes: 0, data }));
      if (reason === "none") contents.set(object, data);
      else {
        expect(reason).toBe("SYSTEM_MEMORY_EXHAUSTED");
        // Purgeable leaks give memory back of themselves; one more than needed, because coming back takes room too.
        for (const leak of [...contents.keys()].slice(0, 2)) {
          await gpu.execute({ type: "adviseObject", object: leak, advice: "DONT_NEED" });
          contents.delete(leak);
        }
        await gpu.execute({ type: "writeObject", object, offsetBytes: 0, data });
        contents.set(object, data);
        break;
      }
    }
    expect(contents.size).toBe(28);
    gpu.device.checkInvariants();
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });
});

test("[gem_lmem_swapping@random-engines] work on random engines brings objects in, several at once, and every value that it stores is there", async () => {
  const engines = ["rcs0", "ccs0", "bcs0", "vcs0"];
  const gpu = await bootVirtual({ engines, lmem: [{ sizeBytes: 8 * MIB }] });
  const random = seededRandom(5);
  const load = await fill(gpu, 12 * MIB, () => 512 * KIB);
  const ids = [...load.contents.keys()];
  const contexts: string[] = [];
  for (const engine of engines) {
    contexts.push((await gpu.execute({ type: "createContext", engine, priority: "NORMAL" })).id);
  }
  for (let round = 0; round < 30; round++) {
    const work = contexts.map((context) => {
      const object = ids[Math.floor(random() * ids.length)];
      const offsetBytes = 4 * Math.floor(random() * 1000);
      const value = Math.floor(random() * 0xffff_ffff);
      const bytes = load.contents.get(object) ?? new Uint8Array();
      new DataView(bytes.buffer).setUint32(offsetBytes, value, true);
      const commands = [{ op: "storeDword", object, offsetBytes, value } as const];
      return { type: "submitWork", context, commands, waitFences: [], waitMs: 60_000 } as const;
    });
    for (const answer of await together(gpu, work)) {
      expect(answer).toMatchObject({ status: "fulfilled", value: { state: "SIGNALED" } });
    }
  }
  expect(gpu.events.filter((event) => event.type === "evicted").length).toBeGreaterThan(10);
  gpu.device.checkInvariants();
  expect(await wrongContents(gpu, load.contents)).toEqual([]);
});

describe("[xe_evict] two rounds of work on each object, each under a pin", () => {
  test.each([
    ["evict-small: 224 of 1/128", 224, 1 / 128],
    ["evict-large: 8 of 1/4", 8, 1 / 4],
    ["evict-large-multi-vm: 4 of 3/8", 4, 3 / 8],
  ])("[%s] leaves the values of both in all of them", async (_name, count, share) => {
    const gpu = await bootVirtual();
    const sizeBytes = 15 * MIB * share;
    const ids: string[] = [];
    for (let at = 0; at < count; at++) ids.push(await create(gpu, { sizeBytes }));
    for (const round of [0, 1]) {
      for (const object of ids) {
        await gpu.execute({ type: "pinObject", object });
        const data = new Uint8Array([0xde, 0xc0, round, Number(object) & 255]);
        await gpu.execute({ type: "writeObject", object, offsetBytes: round * 4096 + Number(object), data });
        await gpu.execute({ type: "unpinObject", object });
      }
    }
    for (const object of ids) {
      const bytes = await gpu.download(object);
      for (const round of [0, 1]) {
        const at = round * 4096 + Number(object);
        expect([...bytes.subarray(at, at + 4)]).toEqual([0xde, 0xc0, round, Number(object) & 255]);
      }
      expect(bytes.reduce((sum, byte) => sum + (byte === 0 ? 0 : 1), 0)).toBeLessThanOrEqual(8);
    }
    gpu.device.checkInvariants();
  });
});

describe("with threaded engines", () => {
  let gpu: TestDevice;
  afterEach(() => gpu.device.close());

  test("[gem_lmem_swapping@parallel-random-verify] three clients at once on a small window with swap find every pattern", async () => {
    gpu = await bootThreaded({
      lmem: [{ sizeBytes: 16 * MIB, visibleBytes: 8 * MIB }],
      smem: { sizeBytes: 8 * MIB },
      swap: new MemoryStore(32 * MIB),
    });
    const contents = new Map<string, Uint8Array>();
    await Promise.all([1, 2, 3].map((seed) => client(contents, seed, gpu.execute)));
    gpu.device.checkInvariants();
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });
});

/** Objects of `totalBytes`, each with its own pattern. */
async function fill(gpu: VirtualDevice, totalBytes: number, sizeOf: () => number): Promise<Load> {
  const contents = new Map<string, Uint8Array>();
  for (let left = totalBytes, seed = 1; left > 0; seed++) {
    const bytes = patternOf(seed, Math.min(left, sizeOf()));
    left -= bytes.length;
    const id = await gpu.upload(bytes);
    contents.set(id, padded(bytes, (await look(gpu, id)).sizeBytes));
  }
  return { gpu, contents };
}

/** Moves objects into lmem0 at random and verifies each there. Answers how many had to be moved. */
async function moveIn({ gpu, contents }: Load, random: () => number, times: number): Promise<number> {
  const ids = [...contents.keys()];
  let moved = 0;
  for (let time = 0; time < times; time++) {
    const object = ids[Math.floor(random() * ids.length)];
    if ((await look(gpu, object)).region !== "lmem0") moved++;
    expect((await gpu.execute({ type: "moveObject", object, region: "lmem0" })).region).toBe("lmem0");
    expect(await wrongContents(gpu, new Map([[object, contents.get(object) ?? new Uint8Array()]]))).toEqual(
      [],
    );
  }
  return moved;
}

/** One client: its own objects of 10 MiB in all, moved in, verified and rewritten at random. */
async function client(
  contents: Map<string, Uint8Array>,
  seed: number,
  execute: TestDevice["execute"],
): Promise<void> {
  const random = seededRandom(seed);
  const mine: string[] = [];
  const spec = { type: "createObject", regions: [], flags: [], alignmentBytes: 0, label: `${seed}` } as const;
  for (let at = 0; at < 10; at++) {
    const { id, sizeBytes } = await execute({
      ...spec,
      sizeBytes: MIB - 64 * KIB * Math.floor(random() * 8),
    });
    mine.push(id);
    await rewrite(id, patternOf(seed * 1000 + at, sizeBytes));
  }
  for (let turn = 0; turn < 30; turn++) {
    const object = mine[Math.floor(random() * mine.length)];
    const bytes = contents.get(object) ?? new Uint8Array();
    const pinned = random() < 0.5;
    await execute(pinned ? { type: "pinObject", object } : { type: "moveObject", object, region: "lmem0" });
    if (pinned) await execute({ type: "unpinObject", object });
    const read = await execute({ type: "readObject", object, offsetBytes: 0, lengthBytes: bytes.length });
    expect(Buffer.compare(read, bytes), `object ${object} of client ${seed}`).toBe(0);
    if (random() < 0.3) await rewrite(object, patternOf(seed * 1000 + 100 + turn, bytes.length));
    if (random() < 0.1) await execute({ type: "evictRegion", region: "lmem0", bytes: 4 * MIB });
  }

  async function rewrite(object: string, data: Uint8Array): Promise<void> {
    await execute({ type: "writeObject", object, offsetBytes: 0, data });
    contents.set(object, data);
  }
}

function padded(bytes: Uint8Array, lengthBytes: number): Uint8Array {
  const whole = new Uint8Array(lengthBytes);
  whole.set(bytes);
  return whole;
}
