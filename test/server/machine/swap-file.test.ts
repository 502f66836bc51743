import { mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  closeByteStores,
  FileByteStore,
  openByteStores,
} from "../../../src/server/machine/file-byte-store.ts";
import { patternOf } from "../../support/test-device.ts";

const directory = mkdtempSync(join(tmpdir(), "torpor-swap-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** A store over a real file, closed at the end of the test. */
async function openStore(sizeBytes: number) {
  const [store] = await openByteStores([join(directory, "swap-card0")], sizeBytes);
  if (store === undefined) throw new Error("one path makes one store");
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

/** A file in memory that never does more than `most` bytes at once. */
class LazyFile {
  readonly bytes: Uint8Array;
  readonly #most: number;

  constructor(sizeBytes: number, most: number) {
    this.bytes = new Uint8Array(sizeBytes);
    this.#most = most;
  }

  async read(bytes: Uint8Array, at: number, lengthBytes: number, offsetBytes: number) {
    const end = Math.min(offsetBytes + Math.min(lengthBytes, this.#most), this.bytes.length);
    bytes.set(this.bytes.subarray(offsetBytes, end), at);
    return { bytesRead: Math.max(0, end - offsetBytes) };
  }

  async write(bytes: Uint8Array, at: number, lengthBytes: number, offsetBytes: number) {
    const bytesWritten = Math.min(lengthBytes, this.#most);
    this.bytes.set(bytes.subarray(at, at + bytesWritten), offsetBytes);
    return { bytesWritten };
  }

  async close() {}
}

describe("a store in a file", () => {
  it("keeps bytes of shared memory where it is told to, and gives them back", async () => {
    await using store = await openStore(2 ** 20);
    const memory = new Uint8Array(new SharedArrayBuffer(2 ** 18));
    const pattern = patternOf(1, 2 ** 16);
    memory.set(pattern, 4096);
    await store.write(2 ** 17, memory.subarray(4096, 4096 + 2 ** 16));
    expect(readFileSync(store.path).subarray(2 ** 17, 2 ** 17 + 2 ** 16)).toEqual(Buffer.from(pattern));
    await store.read(2 ** 17, memory.subarray(2 ** 17, 2 ** 17 + 2 ** 16));
    expect(memory.slice(2 ** 17, 2 ** 17 + 2 ** 16)).toEqual(pattern);
    expect(memory[2 ** 17 - 1]).toBe(0);
  });

  it("reaches memory and file beyond 4 GiB", async () => {
    await using store = await openStore(8 * 2 ** 30);
    // As a bank is: shared, committed when it is touched.
    const pages = BigInt((5 * 2 ** 30) / 65536);
    const bank = new WebAssembly.Memory({ address: "i64", initial: pages, maximum: pages, shared: true });
    const far = new Uint8Array(bank.buffer, 4.5 * 2 ** 30, 4096);
    const pattern = patternOf(2, 4096);
    far.set(pattern);
    await store.write(7 * 2 ** 30, far);
    far.fill(0);
    await store.read(7 * 2 ** 30, far);
    expect(far.slice()).toEqual(pattern);
  });

  it("goes on after a short read or write", async () => {
    const file = new LazyFile(2 ** 16, 1000);
    const store = new FileByteStore("/swap", 2 ** 16, file);
    const pattern = patternOf(3, 2 ** 16 - 100);
    await store.write(100, pattern);
    expect(file.bytes.subarray(100)).toEqual(pattern);
    const back = new Uint8Array(pattern.length);
    await store.read(100, back);
    expect(back).toEqual(pattern);
  });

  it("fails, and does not wait for ever, when the file takes nothing more", async () => {
    const store = new FileByteStore("/swap", 2 ** 16, new LazyFile(2 ** 16, 0));
    await expect(store.write(4096, new Uint8Array(10))).rejects.toThrow(
      "Swap file /swap could not be written (10 bytes at offset 4096): it takes no more bytes.",
    );
  });

  it("names file and bytes when the disk is full", async () => {
    const file = await open("/dev/full", "r+");
    const store = new FileByteStore("/dev/full", 2 ** 16, file);
    await expect(store.write(4096, new Uint8Array(65536))).rejects.toMatchObject({
      reason: "COPY_FAILED",
      message: expect.stringMatching(
        /^Swap file \/dev\/full could not be written \(65536 bytes at offset 4096\): ENOSPC: .*\.$/,
      ),
    });
    await file.close();
  });

  it("names file and bytes when others cut the file off", async () => {
    await using store = await openStore(2 ** 20);
    truncateSync(store.path, 5000);
    await expect(store.read(4096, new Uint8Array(4096))).rejects.toMatchObject({
      reason: "COPY_FAILED",
      message: `Swap file ${store.path} could not be read (4096 bytes at offset 4096): it ends at offset 5000.`,
    });
  });

  it("refuses what comes after its end", async () => {
    const store = await openStore(2 ** 20);
    await store.close();
    await expect(store.read(0, new Uint8Array(1))).rejects.toThrow(
      /^Swap file .* could not be read \(1 bytes at offset 0\): .*\.$/,
    );
    expect(await closeByteStores([store])).toEqual([]);
  });
});
