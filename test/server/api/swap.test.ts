import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { ByteStore, DeviceOptions } from "../../../src/device/mod.ts";
import { type FileByteStore, openByteStores } from "../../../src/server/machine/file-byte-store.ts";
import { startTestDaemon } from "../../support/daemon.ts";
import { parseMetrics } from "../../support/metrics-text.ts";
import {
  bootThreaded,
  hashOf,
  MIB,
  patternOf,
  reasonOf,
  type TestDevice,
} from "../../support/test-device.ts";

const directory = mkdtempSync(join(tmpdir(), "torpor-swap-"));
afterAll(() => rmSync(directory, { recursive: true }));

interface Swapping extends TestDevice, AsyncDisposable {
  readonly store: FileByteStore;
  /** How many objects are in which state. */
  count(state: string): Promise<number>;
  checkInvariants(): void;
}

/** A device with 4 MiB of system memory over a swap file; `wrap` may put something between them. */
async function bootSwapping(
  sizeBytes: number,
  wrap: (store: ByteStore) => ByteStore = (store) => store,
  options: Partial<DeviceOptions> = {},
): Promise<Swapping> {
  const [store] = await openByteStores([join(directory, "swap-card0")], sizeBytes);
  if (store === undefined) throw new Error("one path makes one store");
  const test = await bootThreaded({ smem: { sizeBytes: 4 * MIB }, swap: wrap(store), ...options });
  return {
    ...test,
    store,
    async count(state) {
      const filter = { state };
      const command = { type: "listObjects", afterId: "", limit: 1000, showDeviceOwned: false } as const;
      return (await test.execute({ ...command, filter })).objects.length;
    },
    checkInvariants: () => test.device.checkInvariants(),
    async [Symbol.asyncDispose]() {
      await test.device.close();
      await store.close();
    },
  };
}

/** Fails as often as it is told to; else it does what the store behind it does. */
class FailingStore implements ByteStore {
  readonly sizeBytes: number;
  /** Writes and reads that pass before all further ones fail. */
  writesLeft = Number.POSITIVE_INFINITY;
  readsLeft = Number.POSITIVE_INFINITY;
  readonly #store: ByteStore;

  constructor(store: ByteStore) {
    this.#store = store;
    this.sizeBytes = store.sizeBytes;
  }

  async write(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    if (this.writesLeft-- <= 0) throw new Error("the disk is on fire");
    await this.#store.write(offsetBytes, bytes);
  }

  async read(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    if (this.readsLeft-- <= 0) throw new Error("the disk is on fire");
    await this.#store.read(offsetBytes, bytes);
  }
}

async function bootFailing(sizeBytes: number): Promise<{ test: Swapping; failing: FailingStore }> {
  let failing: FailingStore | undefined;
  const test = await bootSwapping(sizeBytes, (store) => {
    failing = new FailingStore(store);
    return failing;
  });
  if (failing === undefined) throw new Error("the store was wrapped");
  return { test, failing };
}

async function uploadMany(test: TestDevice, count: number, regions = ["smem"], sizeBytes = MIB) {
  const ids: string[] = [];
  for (let seed = 0; seed < count; seed++) {
    ids.push(await test.upload(patternOf(seed, sizeBytes), { regions }));
  }
  return ids;
}

async function expectPatterns(test: TestDevice, ids: readonly string[]): Promise<void> {
  for (const [seed, id] of ids.entries()) {
    const bytes = await test.download(id);
    expect(hashOf(bytes), `object ${id}`).toBe(hashOf(patternOf(seed, bytes.length)));
  }
}

async function stateOf(test: TestDevice, id: string): Promise<string> {
  return (await test.execute({ type: "getObject", object: id })).state;
}

/** Changes one byte of the page of the swap file that begins with these bytes. */
async function corrupt(store: FileByteStore, beginning: Uint8Array): Promise<void> {
  const at = readFileSync(store.path).indexOf(beginning.subarray(0, 64));
  expect(at).toBeGreaterThanOrEqual(0);
  const file = await open(store.path, "r+");
  await file.write(Uint8Array.of(beginning[100] ^ 0x10), 0, 1, at + 100);
  await file.close();
}

describe("swap", () => {
  it("takes what system memory cannot, and gives it back byte for byte", async () => {
    await using test = await bootSwapping(16 * MIB);
    const ids = await uploadMany(test, 12);
    expect(await test.count("SWAPPED")).toBe(8);
    expect(await stateOf(test, ids[0])).toBe("SWAPPED");
    await expectPatterns(test, ids);
    expect(await test.count("UNKNOWN")).toBe(0);
    expect(test.events.filter((event) => event.type === "swapFailed")).toEqual([]);
    test.checkInvariants();
  });

  it("takes what leaves local memory when system memory is full, and gives it back there", async () => {
    await using test = await bootSwapping(64 * MIB);
    // 16 MiB of local memory, less the device's own objects, and 4 MiB of system memory: three times too little.
    const ids = await uploadMany(test, 48, ["lmem0", "smem"]);
    expect(await test.count("SWAPPED")).toBeGreaterThan(24);
    await expectPatterns(test, ids);
    test.checkInvariants();
  });

  it("keeps pages together whose size is no multiple of a page of swap", async () => {
    await using test = await bootSwapping(16 * MIB);
    const sizes = [4096, 61440, 69632, 1000000, MIB + 4096];
    const ids: string[] = [];
    for (let seed = 0; seed < 40; seed++) {
      ids.push(await test.upload(patternOf(seed, sizes[seed % sizes.length]), { regions: ["smem"] }));
    }
    expect(await test.count("SWAPPED")).toBeGreaterThan(10);
    for (const [seed, id] of ids.entries()) {
      const pattern = patternOf(seed, sizes[seed % sizes.length]);
      const bytes = await test.download(id);
      expect(hashOf(bytes.subarray(0, pattern.length)), `object ${id}`).toBe(hashOf(pattern));
      expect(bytes.subarray(pattern.length).some((byte) => byte !== 0)).toBe(false);
    }
    test.checkInvariants();
  });

  it("is used again after objects are deleted, purged and brought back", async () => {
    await using test = await bootSwapping(9 * MIB);
    for (let round = 0; round < 3; round++) {
      const ids = await uploadMany(test, 12);
      await expectPatterns(test, ids);
      await test.execute({ type: "adviseObject", object: ids[0], advice: "DONT_NEED" });
      for (const object of ids) await test.execute({ type: "deleteObject", object });
    }
    expect(test.device.memory.swap?.usedBytes).toBe(0);
    test.checkInvariants();
  });

  it("survives a suspend to S3, in which nothing is swapped", async () => {
    await using test = await bootSwapping(16 * MIB);
    const ids = await uploadMany(test, 8);
    // Backups need room in system memory, and none is made by swapping then.
    for (const object of ids.splice(6)) await test.execute({ type: "deleteObject", object });
    expect(await test.count("SWAPPED")).toBe(4);
    const before = test.events.length;
    await test.execute({ type: "suspend", state: "S3", verify: true });
    await test.execute({ type: "resume", verify: true });
    const swapped = test.events.slice(before).filter((event) => event.type.startsWith("swapped"));
    expect(swapped).toEqual([]);
    await expectPatterns(test, ids);
    test.checkInvariants();
  });

  it("answers that system memory is exhausted when it is full too, and loses nothing", async () => {
    await using test = await bootSwapping(4 * MIB);
    const ids = await uploadMany(test, 8);
    expect(await reasonOf(test.upload(patternOf(99, MIB), { regions: ["smem"] }))).toBe(
      "SYSTEM_MEMORY_EXHAUSTED",
    );
    // Something has to go out before something comes in.
    await test.execute({ type: "deleteObject", object: "9" });
    await test.execute({ type: "deleteObject", object: ids[7] });
    await expectPatterns(test, ids.slice(0, 7));
    test.checkInvariants();
  });
});

describe("a damaged swap file", () => {
  it("makes the content of its object unknown, for ever, and of no other", async () => {
    await using test = await bootSwapping(16 * MIB);
    const ids = await uploadMany(test, 6);
    expect(await stateOf(test, ids[0])).toBe("SWAPPED");
    await corrupt(test.store, patternOf(0, MIB));
    const read = { type: "readObject", object: ids[0], offsetBytes: 0, lengthBytes: 4096 } as const;
    expect(await reasonOf(test.execute(read))).toBe("CONTENT_UNKNOWN");
    expect(await stateOf(test, ids[0])).toBe("UNKNOWN");
    expect(await reasonOf(test.execute(read))).toBe("CONTENT_UNKNOWN");
    expect(await reasonOf(test.execute({ type: "pinObject", object: ids[0] }))).toBe("CONTENT_UNKNOWN");
    for (const seed of [1, 2, 3, 4, 5]) {
      expect(hashOf(await test.download(ids[seed]))).toBe(hashOf(patternOf(seed, MIB)));
    }
    await test.execute({ type: "deleteObject", object: ids[0] });
    test.checkInvariants();
  });
});

describe("a store that fails", () => {
  it("keeps the object where it was when it cannot go out, and takes it when it can", async () => {
    const { test, failing } = await bootFailing(16 * MIB);
    await using _ = test;
    const ids = await uploadMany(test, 4);
    // The ninth of the sixteen pages of the first object.
    failing.writesLeft = 8;
    expect(await reasonOf(test.upload(patternOf(4, MIB), { regions: ["smem"] }))).toBe(
      "SYSTEM_MEMORY_EXHAUSTED",
    );
    expect(test.events).toContainEqual({
      type: "swapFailed",
      reason: expect.stringContaining("the disk is on fire"),
    });
    expect(await test.count("RESIDENT")).toBe(4);
    expect(test.device.memory.swap?.usedBytes).toBe(0);
    await expectPatterns(test, ids);
    test.checkInvariants();
    failing.writesLeft = Number.POSITIVE_INFINITY;
    ids.push(await test.upload(patternOf(4, MIB), { regions: ["smem"] }));
    await expectPatterns(test, ids);
    test.checkInvariants();
  });

  it("leaves the object in swap when it cannot come back, and the next read gets it", async () => {
    const { test, failing } = await bootFailing(16 * MIB);
    await using _ = test;
    const ids = await uploadMany(test, 6);
    failing.readsLeft = 8;
    expect(await reasonOf(test.download(ids[0]))).toBe("COPY_FAILED");
    expect(await stateOf(test, ids[0])).toBe("SWAPPED");
    test.checkInvariants();
    failing.readsLeft = Number.POSITIVE_INFINITY;
    await expectPatterns(test, ids);
    test.checkInvariants();
  });
});

describe("a daemon with swap", () => {
  it("swaps to its data directory, counts it, and leaves nothing behind", async () => {
    const dataDirectory = join(directory, "data");
    const changes = { dataDirectory, smemBytes: 4 * MIB, swapBytes: 16 * MIB, stolenBytes: 2 ** 20 };
    await using test = await startTestDaemon(changes);
    const objects = `${test.url}/v1/devices/card0/objects`;
    const patterns = Array.from({ length: 8 }, (_, seed) => patternOf(seed, MIB));
    for (const [index, pattern] of patterns.entries()) {
      await fetch(objects, {
        method: "POST",
        body: JSON.stringify({ size: String(MIB), regions: ["smem"] }),
      });
      const body = Uint8Array.from(pattern);
      expect((await fetch(`${objects}/${index + 1}/content`, { method: "PUT", body })).status).toBe(200);
    }
    expect(await (await fetch(`${objects}/1`)).json()).toMatchObject({ state: "SWAPPED", region: "" });
    for (const [index, pattern] of patterns.entries()) {
      const content = await (await fetch(`${objects}/${index + 1}/content`)).arrayBuffer();
      expect(hashOf(new Uint8Array(content))).toBe(hashOf(pattern));
    }
    const text = parseMetrics(await (await fetch(`${test.url}/metrics`)).text());
    const swappedIn = text.value("torpor_swap_in_bytes_total", { device: "card0" });
    expect(swappedIn).toBeGreaterThanOrEqual(4 * MIB);
    expect(text.value("torpor_swap_out_bytes_total", { device: "card0" })).toBe(swappedIn + 4 * MIB);
    expect(text.value("torpor_swap_failures_total")).toBe(0);
    expect(text.value("torpor_objects", { memory: "smem", pinned: "false" })).toBe(4);
    expect(text.value("torpor_objects", { memory: "stolen", pinned: "true" })).toBe(1);
    expect(readFileSync(join(dataDirectory, "swap-card0")).length).toBe(16 * MIB);
    await test.daemon.stop();
    expect(() => readFileSync(join(dataDirectory, "swap-card0"))).toThrow("ENOENT");
  });
});
