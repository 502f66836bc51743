/** Backups that are swapped out while the device sleeps: they get their bytes back before they are restored. */
import { beforeEach, describe, expect, test } from "vitest";
import { NONE } from "../../../src/device/memory/object-table.ts";
import { shrinkSystemMemory } from "../../../src/device/memory/shrink.ts";
import { DEFAULT_POLICY } from "../../../src/device/mod.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
import { MemoryStore } from "../../support/regions.ts";
import {
  bootVirtual,
  bytesInPlace,
  hashOf,
  look,
  MIB,
  patternOf,
  reasonOf,
  type VirtualDevice,
} from "../../support/test-device.ts";

const POLICY = { ...DEFAULT_POLICY, swapAllowed: ["S2IDLE", "S3", "S4"] as const };
const BYTES = patternOf(1, 3 * MIB);

let swap: MemoryStore;
let images: MemoryImageStore;
let gpu: VirtualDevice;
let id: string;
beforeEach(async () => {
  swap = new MemoryStore(16 * MIB);
  images = new MemoryImageStore();
  gpu = await bootVirtual({ smem: { sizeBytes: 8 * MIB }, swap, images, policy: POLICY });
  id = await gpu.upload(BYTES);
  await gpu.execute({ type: "pinObject", object: id });
});

/** Suspends, and swaps out whatever is in system memory, which is backups and nothing else. */
async function sleepInSwap(state: "S3" | "S4" = "S3"): Promise<void> {
  await gpu.execute({ type: "suspend", state });
  await gpu.clock.run(shrinkSystemMemory(gpu.device.memory, 8 * MIB));
  const { memory } = gpu.device;
  const backup = memory.table.backup[memory.findObject(id)];
  expect(memory.table.resource[backup], "the backup has left memory").toBe(NONE);
  expect(memory.system.freeBytes).toBe(memory.system.sizeBytes);
  gpu.device.checkInvariants();
}

describe("[invariant 32] a backup that was swapped out", () => {
  test("is populated again and restored with every byte", async () => {
    await sleepInSwap();
    await gpu.execute({ type: "resume" });
    expect(await look(gpu, id)).toMatchObject({ region: "lmem0", hasBackup: false, pinCount: 1 });
    expect(hashOf(bytesInPlace(gpu, id))).toBe(hashOf(BYTES));
    expect(gpu.device.memory.swap?.usedBytes).toBe(0);
    gpu.device.checkInvariants();
  });

  test("goes from swap to its owner's place where system memory has no room for it", async () => {
    await sleepInSwap();
    const { system } = gpu.device.memory;
    const plain = {
      alignmentBytes: 0,
      contiguous: false,
      topDown: false,
      visibleOnly: false,
      preferCleared: false,
    };
    const taken = system.allocate({ ...plain, sizeBytes: system.sizeBytes });
    system.arriving--;
    await gpu.execute({ type: "resume" });
    expect(hashOf(bytesInPlace(gpu, id))).toBe(hashOf(BYTES));
    system.release(taken);
    gpu.device.checkInvariants();
  });

  test("that is damaged in swap is given up by name, and the device comes back", async () => {
    await sleepInSwap();
    const at = Buffer.from(swap.bytes.buffer).indexOf(BYTES.subarray(0, 64));
    expect(at, "its first bytes are in swap").toBeGreaterThanOrEqual(0);
    swap.bytes[at] ^= 1;
    expect((await gpu.execute({ type: "resume" })).state).toBe("SUCCEEDED");
    expect(await look(gpu, id)).toMatchObject({ state: "UNKNOWN", hasBackup: false, pinCount: 0 });
    const read = { type: "readObject", object: id, offsetBytes: 0, lengthBytes: 1 } as const;
    expect(await reasonOf(gpu.execute(read))).toBe("CONTENT_UNKNOWN");
    gpu.device.checkInvariants();
  });

  test("whose store fails keeps it: the resume fails, and the next one restores every byte", async () => {
    await sleepInSwap();
    swap.failReads = 1;
    expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("COPY_FAILED");
    gpu.device.checkInvariants();
    await gpu.execute({ type: "resume" });
    expect(hashOf(bytesInPlace(gpu, id))).toBe(hashOf(BYTES));
    gpu.device.checkInvariants();
  });

  test("is dropped by a factory reset like any other", async () => {
    await sleepInSwap();
    await gpu.execute({ type: "resetDevice", scope: "FACTORY" });
    expect(gpu.device.memory.swap?.usedBytes).toBe(0);
    gpu.device.checkInvariants();
  });
});

test("a suspend whose last backups have room only where the first have left keeps every byte, in an image too", async () => {
  // 8 MiB of system memory for 12 MiB of pinned objects: by the policy that lets steps 1 to 3 swap.
  const contents = new Map([[id, BYTES]]);
  for (let seed = 2; seed < 5; seed++) {
    const bytes = patternOf(seed, 3 * MIB);
    const object = await gpu.upload(bytes);
    await gpu.execute({ type: "pinObject", object });
    contents.set(object, bytes);
  }
  for (const state of ["S3", "S4"] as const) {
    expect((await gpu.execute({ type: "suspend", state })).state).toBe("SUCCEEDED");
    expect(gpu.device.memory.swap?.usedBytes).toBeGreaterThan(0);
    gpu.device.checkInvariants();
    expect((await gpu.execute({ type: "resume" })).state).toBe("SUCCEEDED");
    for (const [object, bytes] of contents)
      expect(hashOf(bytesInPlace(gpu, object)), object).toBe(hashOf(bytes));
    gpu.device.checkInvariants();
  }
});
