/** Memory that is taken from the machine while engines copy to it: no byte changes, and nothing waits for it. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { COMMIT_AHEAD_SLICE_BYTES } from "../../../src/device/limits.ts";
import { commitAhead, isUncommitted } from "../../../src/device/memory/commit-ahead.ts";
import { CopyList } from "../../../src/device/memory/copier.ts";
import {
  bootThreaded,
  bootVirtual,
  create,
  hashOf,
  KIB,
  MIB,
  patternOf,
  type TestDevice,
} from "../../support/test-device.ts";

const SMEM = 0;
const LMEM = 1;

let gpu: TestDevice;
beforeEach(async () => {
  gpu = await bootThreaded({ lmem: [{ sizeBytes: 64 * MIB }], smem: { sizeBytes: 64 * MIB } });
});
afterEach(() => gpu.device.close());

/** One copy to the upper half of system memory, where nobody has been. */
function upwards(lengthBytes: number): CopyList {
  const list = new CopyList();
  list.add(LMEM, 32 * MIB, SMEM, 32 * MIB, lengthBytes);
  return list;
}

describe("committing ahead of a copy", () => {
  it("takes the pages that are written to, once, and changes none of their bytes", async () => {
    const { memory } = gpu.device;
    const { bank } = memory.system;
    const bytes = bank.bytes.subarray(32 * MIB, 33 * MIB);
    const pattern = patternOf(1, bytes.length);
    bytes.set(pattern);
    expect(isUncommitted(memory, upwards(MIB))).toBe(true);
    expect(bank.commitRange(32 * MIB, MIB)).toBe(MIB);
    await commitAhead(memory, upwards(MIB), Promise.resolve());
    expect(bytes).toEqual(pattern);
    expect(isUncommitted(memory, upwards(MIB))).toBe(false);
    expect(bank.commitRange(32 * MIB, MIB)).toBe(0);
    // The next frame is nobody's business.
    expect(isUncommitted(memory, upwards(MIB + 4 * KIB))).toBe(true);
  });

  it("answers as the copy does, and takes a failed copy for none", async () => {
    const { memory } = gpu.device;
    await expect(commitAhead(memory, upwards(MIB), Promise.resolve("blitter"))).resolves.toBe("blitter");
    const list = new CopyList();
    list.add(LMEM, 0, SMEM, 48 * MIB, MIB);
    await expect(commitAhead(memory, list, Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(isUncommitted(memory, list)).toBe(true);
  });

  it("begins at the end, and stops when the copy has ended", async () => {
    const { memory } = gpu.device;
    const { bank } = memory.system;
    const committed: number[] = [];
    const { commitRange } = bank;
    bank.commitRange = (offsetBytes, lengthBytes) => {
      committed.push(offsetBytes);
      return commitRange.call(bank, offsetBytes, lengthBytes);
    };
    await commitAhead(memory, upwards(8 * MIB), Promise.resolve());
    expect(committed).toEqual([40 * MIB - COMMIT_AHEAD_SLICE_BYTES]);
  });

  it("leaves every byte of a suspend and a resume as it was", async () => {
    const hashes = new Map<string, string>();
    for (let index = 0; index < 24; index++) {
      const bytes = patternOf(index, MIB);
      const id = await gpu.upload(bytes);
      if (index % 2 === 0) await gpu.execute({ type: "pinObject", object: id });
      hashes.set(id, hashOf(bytes));
    }
    for (let round = 0; round < 2; round++) {
      await gpu.execute({ type: "suspend", state: "S3" });
      await gpu.execute({ type: "resume" });
      for (const [id, hash] of hashes) expect(hashOf(await gpu.download(id))).toBe(hash);
    }
  });
});

it("is for engines of their own threads: virtual time knows no pages", async () => {
  const virtual = await bootVirtual();
  await virtual.execute({ type: "pinObject", object: await create(virtual) });
  const { memory } = virtual.device;
  expect(memory.commitsAhead).toBe(false);
  expect(gpu.device.memory.commitsAhead).toBe(true);
});
