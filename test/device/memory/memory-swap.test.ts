/** The shrinker and swap: what leaves full system memory, in which order, and what comes back. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import { PRIORITY_PURGE } from "../../../src/device/memory/lists.ts";
import { MemoryStore } from "../../support/regions.ts";
import {
  bootVirtual,
  create,
  hashOf,
  KIB,
  look,
  MIB,
  patternOf,
  reasonOf,
  seededRandom,
  together,
  type VirtualDevice,
  wrongContents,
} from "../../support/test-device.ts";

let gpu: VirtualDevice;
let swap: MemoryStore;
let contents: Map<string, Uint8Array>;
beforeEach(async () => {
  swap = new MemoryStore(16 * MIB);
  gpu = await bootVirtual({ smem: { sizeBytes: 4 * MIB }, swap });
  contents = new Map();
});

describe("swap", () => {
  test("brings back every byte of objects of any size and shape", async () => {
    const random = seededRandom(6);
    for (let seed = 0; seed < 60; seed++) {
      await upload(patternOf(seed, 4 * KIB * Math.ceil(random() ** 3 * 300)));
      if (random() < 0.4) await drop([...contents.keys()][Math.floor(random() * contents.size)]);
    }
    gpu.device.checkInvariants();
    for (let round = 0; round < 2; round++) expect(await wrongContents(gpu, contents)).toEqual([]);
    expect(count("swappedOut")).toBeGreaterThan(10);
    expect(count("swappedIn")).toBeGreaterThan(10);
    gpu.device.checkInvariants();
  });

  test("is as free as before when all is deleted or back", async () => {
    for (let seed = 0; seed < 10; seed++) await upload(patternOf(seed, MIB));
    expect(gpu.device.memory.swap?.usedBytes).toBe(6 * MIB);
    const ids = [...contents.keys()];
    for (const id of ids.slice(0, 7)) await drop(id);
    expect(gpu.device.memory.swap?.usedBytes).toBe(0);
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });

  test("takes what an eviction brings: local memory empties into it through full system memory", async () => {
    for (let seed = 0; seed < 12; seed++) await upload(patternOf(seed, MIB), ["lmem0"]);
    expect(await gpu.execute({ type: "evictRegion", region: "lmem0" })).toEqual({
      objects: 12,
      bytes: 12 * MIB,
    });
    expect(gpu.device.memory.swap?.usedBytes).toBe(8 * MIB);
    expect(await wrongContents(gpu, contents)).toEqual([]);
    gpu.device.checkInvariants();
  });

  test("takes in order: DONT_NEED and VOLATILE are thrown away first, then the least recently used goes", async () => {
    const old = await upload(patternOf(1, MIB));
    const used = await upload(patternOf(2, MIB));
    const volatile = await gpu.upload(patternOf(3, MIB), { regions: ["smem"], flags: ["VOLATILE"] });
    const unneeded = await gpu.upload(patternOf(4, MIB), { regions: ["smem"] });
    await gpu.execute({ type: "adviseObject", object: unneeded, advice: "DONT_NEED" });
    await gpu.execute({ type: "readObject", object: old, offsetBytes: 0, lengthBytes: 1 });
    const states: string[] = [];
    for (let seed = 5; seed < 9; seed++) {
      await upload(patternOf(seed, MIB));
      const all = [volatile, unneeded, used, old].map(async (id) => (await look(gpu, id)).state);
      states.push((await Promise.all(all)).join(" "));
    }
    expect(states).toEqual([
      "UNPOPULATED RESIDENT RESIDENT RESIDENT",
      "UNPOPULATED PURGED RESIDENT RESIDENT",
      "UNPOPULATED PURGED SWAPPED RESIDENT",
      "UNPOPULATED PURGED SWAPPED SWAPPED",
    ]);
  });

  test("passes over an object for which it has no room and takes a smaller one", async () => {
    swap = new MemoryStore(MIB);
    gpu = await bootVirtual({ smem: { sizeBytes: 4 * MIB }, swap });
    const large = await upload(patternOf(1, 3 * MIB));
    const small = await upload(patternOf(2, MIB));
    await upload(patternOf(3, MIB));
    expect([(await look(gpu, large)).state, (await look(gpu, small)).state]).toEqual(["RESIDENT", "SWAPPED"]);
    gpu.device.checkInvariants();
  });

  test("[invariant 60] never takes what is pinned", async () => {
    const pinned = await upload(patternOf(1, 2 * MIB));
    const { extents } = await gpu.execute({ type: "pinObject", object: pinned });
    for (let seed = 2; seed < 8; seed++) await upload(patternOf(seed, MIB));
    expect(await look(gpu, pinned)).toMatchObject({ state: "RESIDENT", extents });
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });

  test("that is full is no help: SYSTEM_MEMORY_EXHAUSTED, and nothing is lost", async () => {
    for (let seed = 0; seed < 20; seed++) await upload(patternOf(seed, MIB));
    const more = await create(gpu, { regions: ["smem"] });
    const write = { type: "writeObject", object: more, offsetBytes: 0, data: new Uint8Array(1) } as const;
    expect(await reasonOf(gpu.execute(write))).toBe("SYSTEM_MEMORY_EXHAUSTED");
    expect((await look(gpu, more)).state).toBe("UNPOPULATED");
    gpu.device.checkInvariants();
    await drop([...contents.keys()][0]);
    await drop([...contents.keys()][0]);
    await gpu.execute(write);
    await drop([...contents.keys()][0]);
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });

  test("that is full has nobody look at all that could go there", async () => {
    for (let seed = 0; seed < 20; seed++) await upload(patternOf(seed, MIB));
    const { swap, system } = gpu.device.memory;
    expect(swap?.freeBytes).toBe(0);
    const more = await create(gpu, { regions: ["smem"] });
    const heads = vi.spyOn(system.lists, "head");
    const write = { type: "writeObject", object: more, offsetBytes: 0, data: new Uint8Array(1) } as const;
    expect(await reasonOf(gpu.execute(write))).toBe("SYSTEM_MEMORY_EXHAUSTED");
    expect(new Set(heads.mock.calls.map(([priority]) => priority))).toEqual(new Set([PRIORITY_PURGE]));
  });

  test("serves many writers at once: as long as something can still go out, nobody is refused", async () => {
    swap.clock = gpu.clock;
    for (let seed = 0; seed < 4; seed++) await upload(patternOf(seed, MIB));
    const fresh = [];
    for (let at = 0; at < 12; at++) fresh.push(await create(gpu, { regions: ["smem"] }));
    const writes = fresh.map((object, at) => {
      contents.set(object, patternOf(100 + at, MIB));
      return { type: "writeObject", object, offsetBytes: 0, data: patternOf(100 + at, MIB) } as const;
    });
    const answers = await together(gpu, writes);
    expect(answers.filter((answer) => answer.status === "rejected")).toEqual([]);
    gpu.device.checkInvariants();
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });
});

describe("a store", () => {
  test("that is damaged loses what was in it, says so for ever, and nothing else is lost", async () => {
    for (let seed = 0; seed < 6; seed++) await upload(patternOf(seed, MIB));
    const states = new Map<string, string>();
    for (const id of contents.keys()) states.set(id, (await look(gpu, id)).state);
    const lost = [...contents.keys()].filter((id) => states.get(id) === "SWAPPED");
    expect(lost).toHaveLength(2);
    swap.damage();
    for (const id of lost) {
      for (let again = 0; again < 2; again++)
        expect(await reasonOf(gpu.download(id))).toBe("CONTENT_UNKNOWN");
      contents.delete(id);
    }
    expect(await wrongContents(gpu, contents)).toEqual([]);
    for (const id of lost) await drop(id);
    expect(await gpu.execute({ type: "getRegion", region: "smem" })).toMatchObject({ objectCount: 4 });
    gpu.device.checkInvariants();
  });

  test("that refuses a write leaves the object where it is; when it works again it is used again", async () => {
    for (let seed = 0; seed < 4; seed++) await upload(patternOf(seed, MIB));
    const more = await create(gpu, { regions: ["smem"] });
    const write = { type: "writeObject", object: more, offsetBytes: 0, data: patternOf(9, MIB) } as const;
    swap.failWrites = 1000;
    expect(await reasonOf(gpu.execute(write))).toBe("SYSTEM_MEMORY_EXHAUSTED");
    expect(gpu.events.some((event) => event.type === "swapFailed")).toBe(true);
    for (const id of contents.keys()) expect((await look(gpu, id)).state).toBe("RESIDENT");
    expect(gpu.device.memory.swap?.usedBytes).toBe(0);
    gpu.device.checkInvariants();
    swap.failWrites = 0;
    await gpu.execute(write);
    contents.set(more, write.data);
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });

  test("that fails in the middle of an object has taken nothing", async () => {
    for (let seed = 0; seed < 4; seed++) await upload(patternOf(seed, MIB));
    const write = swap.write.bind(swap);
    let writes = 0;
    swap.write = (offsetBytes, bytes) =>
      ++writes === 9 ? Promise.reject(new Error("the disk is full")) : write(offsetBytes, bytes);
    const more = await create(gpu, { regions: ["smem"] });
    await reasonOf(
      gpu.execute({ type: "writeObject", object: more, offsetBytes: 0, data: new Uint8Array(1) }),
    );
    gpu.device.checkInvariants();
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });

  test("that does not answer a read is an error of that read: the object stays SWAPPED and can be read later", async () => {
    for (let seed = 0; seed < 5; seed++) await upload(patternOf(seed, MIB));
    const [id] = contents.keys();
    for (const failing of [1, 2]) {
      swap.failReads = 1;
      const use =
        failing === 1
          ? gpu.execute({ type: "readObject", object: id, offsetBytes: 0, lengthBytes: 1 })
          : gpu.execute({ type: "pinObject", object: id });
      expect(await reasonOf(use)).toBe("COPY_FAILED");
      expect(await look(gpu, id)).toMatchObject({ state: "SWAPPED", region: "", pinCount: 0 });
      gpu.device.checkInvariants();
    }
    expect(hashOf(await gpu.download(id))).toBe(hashOf(patternOf(0, MIB)));
  });
});

describe("a store that falls silent", () => {
  /** How long `work` takes in virtual time, in seconds. */
  const secondsOf = async (work: Promise<unknown>): Promise<number> => {
    const startNs = gpu.clock.monotonicNs();
    await work;
    return Number(gpu.clock.monotonicNs() - startNs) / 1e9;
  };
  const writeTo = (object: string, seed: number) =>
    ({ type: "writeObject", object, offsetBytes: 0, data: patternOf(seed, MIB) }) as const;

  test("in the middle of a write costs one timeout, and is used again when it has answered", async () => {
    for (let seed = 0; seed < 4; seed++) await upload(patternOf(seed, MIB));
    const [oldest] = contents.keys();
    const more = await create(gpu, { regions: ["smem"] });
    swap.fallSilent();
    const refused = reasonOf(gpu.execute(writeTo(more, 9)));
    expect(await secondsOf(refused)).toBeCloseTo(30, 1);
    expect(await refused).toBe("SYSTEM_MEMORY_EXHAUSTED");
    expect((await look(gpu, oldest)).state).toBe("RESIDENT");
    const again = reasonOf(gpu.execute(writeTo(more, 9)));
    expect(await secondsOf(again)).toBeLessThan(1);
    expect(await again).toBe("SYSTEM_MEMORY_EXHAUSTED");
    // Its space is not given to others, because the store may still write there.
    expect(gpu.device.memory.swap?.usedBytes).toBe(MIB);
    gpu.device.checkInvariants();

    contents.set(oldest, patternOf(50, MIB));
    await gpu.execute(writeTo(oldest, 50));
    swap.speak();
    await gpu.clock.advance(1);
    expect(gpu.device.memory.swap?.usedBytes).toBe(0);
    await gpu.execute(writeTo(more, 9));
    contents.set(more, patternOf(9, MIB));
    for (let seed = 10; seed < 14; seed++) await upload(patternOf(seed, MIB));
    expect(await wrongContents(gpu, contents)).toEqual([]);
    gpu.device.checkInvariants();
  });

  test("in the middle of a read fails it with COPY_FAILED; the object stays SWAPPED, and the late answer harms nobody", async () => {
    for (let seed = 0; seed < 5; seed++) await upload(patternOf(seed, MIB));
    const [first, second] = contents.keys();
    expect((await look(gpu, first)).state).toBe("SWAPPED");
    // Room to read into, which somebody else gets when the read has failed.
    await drop(second);
    swap.fallSilent();
    const read = { type: "readObject", object: first, offsetBytes: 0, lengthBytes: 1 } as const;
    const failed = reasonOf(gpu.execute(read));
    expect(await secondsOf(failed)).toBeCloseTo(30, 1);
    expect(await failed).toBe("COPY_FAILED");
    expect((await look(gpu, first)).state).toBe("SWAPPED");
    const again = reasonOf(gpu.execute(read));
    expect(await secondsOf(again)).toBeLessThan(1);
    expect(await again).toBe("COPY_FAILED");
    await upload(patternOf(7, MIB));
    swap.speak();
    await gpu.clock.advance(1);
    gpu.device.checkInvariants();
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });

  test("keeps no suspend from ending, and a later one succeeds", async () => {
    for (let seed = 0; seed < 4; seed++) await upload(patternOf(seed, MIB));
    const more = await create(gpu, { regions: ["smem"] });
    swap.fallSilent();
    const write = reasonOf(gpu.device.execute(writeTo(more, 9)));
    const suspend = reasonOf(gpu.execute({ type: "suspend", state: "S3" }));
    expect(await secondsOf(suspend)).toBeCloseTo(20, 1);
    expect(await suspend).toBe("IDLE_TIMEOUT");
    expect(await gpu.clock.run(write)).toBe("SYSTEM_MEMORY_EXHAUSTED");
    await drop([...contents.keys()][0]);
    expect((await gpu.execute({ type: "suspend", state: "S3" })).state).toBe("SUCCEEDED");
    await gpu.execute({ type: "resume" });
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });

  test("for ever keeps no factory reset from ending, and the device works on without it", async () => {
    for (let seed = 0; seed < 5; seed++) await upload(patternOf(seed, MIB));
    const [first, second] = contents.keys();
    await drop(second);
    swap.fallSilent();
    const read = gpu.device.execute({ type: "readObject", object: first, offsetBytes: 0, lengthBytes: 1 });
    expect(await gpu.clock.run(reasonOf(read))).toBe("COPY_FAILED");
    expect((await gpu.execute({ type: "resetDevice", scope: "FACTORY" })).powerState).toBe("ACTIVE");
    contents.clear();
    for (let seed = 0; seed < 3; seed++) await upload(patternOf(seed, MIB));
    expect(await wrongContents(gpu, contents)).toEqual([]);
    gpu.device.checkInvariants();
  });
});

describe("the loss of all that is in swap", () => {
  test("leaves nothing of it, and whatever is read is known to be wrong", async () => {
    for (let seed = 0; seed < 6; seed++) await upload(patternOf(seed, MIB));
    const kept = [...contents.keys()].filter((_, at) => at < 2);
    expect((await look(gpu, kept[0])).state).toBe("SWAPPED");
    expect(await gpu.clock.run(poison())).toBe(true);
    for (const id of kept) expect(await reasonOf(gpu.download(id))).toBe("CONTENT_UNKNOWN");
    expect(swap.bytes.subarray(0, 2 * MIB).every((byte) => byte === 0x5a)).toBe(true);
    gpu.device.checkInvariants();
  });

  test("is not the end of anything when the store fails: it says so", async () => {
    for (let seed = 0; seed < 6; seed++) await upload(patternOf(seed, MIB));
    swap.failWrites = 1;
    expect(await gpu.clock.run(poison())).toBe(false);
    expect(await gpu.clock.run(poison())).toBe(true);
  });

  const poison = async (): Promise<boolean | undefined> => gpu.device.memory.swap?.poison(0x5a5a_5a5a);
});

describe("[invariant 67] during a suspend", () => {
  test("swap is forbidden: a full host fails it with SYSTEM_MEMORY_EXHAUSTED, it recovers, and swap is allowed again", async () => {
    for (let seed = 0; seed < 4; seed++) await upload(patternOf(seed, MIB));
    for (let seed = 10; seed < 13; seed++) await upload(patternOf(seed, MIB), ["lmem0"]);
    const out = count("swappedOut");
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("SYSTEM_MEMORY_EXHAUSTED");
    expect(count("swappedOut")).toBe(out);
    expect((await gpu.execute({ type: "getDevice" })).powerState).toBe("ACTIVE");
    gpu.device.checkInvariants();
    expect(await wrongContents(gpu, contents)).toEqual([]);
    await upload(patternOf(20, MIB));
    expect(count("swappedOut")).toBeGreaterThan(out);
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });

  test("what may be thrown away still is, and that can be enough", async () => {
    const unneeded = await gpu.upload(patternOf(1, 3 * MIB), { regions: ["smem"] });
    await gpu.execute({ type: "adviseObject", object: unneeded, advice: "DONT_NEED" });
    await upload(patternOf(2, 2 * MIB), ["lmem0"]);
    expect((await gpu.execute({ type: "suspend", state: "S3" })).state).toBe("SUCCEEDED");
    expect((await look(gpu, unneeded)).state).toBe("PURGED");
    await gpu.execute({ type: "resume" });
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });

  test("what step 1 brought may be thrown away for what it brings next, and that can be enough", async () => {
    await gpu.upload(patternOf(1, 3 * MIB), { flags: ["VOLATILE"] });
    await upload(patternOf(2, 3 * MIB), ["lmem0"]);
    expect(await reasonOf(gpu.execute({ type: "suspend", state: "S3" }))).toBe("none");
  });

  test("what is in swap already stays there, and swap is allowed again after the resume", async () => {
    for (let seed = 0; seed < 6; seed++) await upload(patternOf(seed, MIB));
    await drop([...contents.keys()][5]);
    const swapped = gpu.device.memory.swap?.usedBytes;
    await gpu.execute({ type: "suspend", state: "S3", verify: true });
    expect(gpu.device.memory.swap?.usedBytes).toBe(swapped);
    gpu.device.checkInvariants();
    await gpu.execute({ type: "resume" });
    expect(await wrongContents(gpu, contents)).toEqual([]);
    const out = count("swappedOut");
    for (let seed = 20; seed < 23; seed++) await upload(patternOf(seed, MIB));
    expect(count("swappedOut")).toBeGreaterThan(out);
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });
});

function count(type: string): number {
  return gpu.events.filter((event) => event.type === type).length;
}

async function upload(bytes: Uint8Array, regions = ["smem"]): Promise<string> {
  const id = await gpu.upload(bytes, { regions });
  contents.set(id, bytes);
  const whole = (await look(gpu, id)).sizeBytes;
  if (whole !== bytes.length) throw new Error(`object ${id} is larger than its bytes`);
  return id;
}

async function drop(object: string): Promise<void> {
  await gpu.execute({ type: "deleteObject", object });
  contents.delete(object);
}
