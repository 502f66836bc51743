/**
 * Why the order of suspend and resume matters: the hardware reads its own state from LMEM. Each test damages what a
 * skipped or misplaced step would leave damaged, and sees the hardware fail as hardware does.
 */

import { expect, test } from "vitest";
import { hideEarlyBackups } from "../../support/hidden-backups.ts";
import {
  bootVirtual,
  hashOf,
  MIB,
  patternOf,
  reasonOf,
  type VirtualDevice,
} from "../../support/test-device.ts";

test("without early restore the firmware does not load; the late backups are kept and a second resume restores them", async () => {
  const gpu = await bootVirtual();
  const { pinned, hash } = await pinnedObject(gpu);
  await gpu.execute({ type: "suspend", state: "S3" });
  const putBack = hideEarlyBackups(gpu.device);
  expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("FIRMWARE_LOAD_FAILED");
  expect(await gpu.execute({ type: "getDevice" })).toMatchObject({ powerState: "FAILED", wedged: true });
  expect((await gpu.execute({ type: "getObject", object: pinned })).hasBackup).toBe(true);
  const read = { type: "readObject", object: pinned, offsetBytes: 0, lengthBytes: 1 } as const;
  expect(await reasonOf(gpu.execute(read))).toBe("DEVICE_FAILED");

  putBack();
  expect(await gpu.execute({ type: "resume" })).toMatchObject({ state: "SUCCEEDED", wedged: false });
  expect(hashOf(await gpu.download(pinned))).toBe(hash);
  gpu.device.checkInvariants();
});

test("a damaged firmware image in LMEM is refused at the next start, and written anew for the one after it", async () => {
  const gpu = await bootVirtual();
  const { pinned, hash } = await pinnedObject(gpu);
  await damage(gpu, "firmware image", 1000);
  await gpu.execute({ type: "suspend", state: "S3" });
  expect(await reasonOf(gpu.execute({ type: "resume" }))).toBe("FIRMWARE_LOAD_FAILED");
  expect((await gpu.execute({ type: "getObject", object: pinned })).hasBackup).toBe(true);
  await gpu.execute({ type: "resume" });
  expect(hashOf(await gpu.download(pinned))).toBe(hash);
});

test.each([
  ["root", 0],
  ["entry of the first bank", 256],
])(
  "a damaged page table (%s) is a page fault: the GT is wedged, and the CPU copies what the blitter could not",
  async (_what, offsetBytes) => {
    const gpu = await bootVirtual();
    const { pinned, hash } = await pinnedObject(gpu);
    await damage(gpu, "migrate page table", offsetBytes);
    const suspended = await gpu.execute({ type: "suspend", state: "S3" });
    expect(suspended).toMatchObject({ state: "SUCCEEDED", wedged: true });
    expect(suspended.phases.every((phase) => phase.blitterBytes === 0)).toBe(true);
    expect(gpu.events.some((event) => event.type === "blitterFallback")).toBe(true);
    expect(gpu.events).toContainEqual({
      type: "wedged",
      wedged: true,
      why: "engine bcs0 was reset (it stopped with PAGE_FAULT) under the kernel's own work",
    });
    await damage(gpu, "migrate page table", offsetBytes, "backup");
    expect(await gpu.execute({ type: "resume" })).toMatchObject({ state: "SUCCEEDED", wedged: false });
    expect(hashOf(await gpu.download(pinned))).toBe(hash);
  },
);

test("a damaged context image is a fault of the engine that loads it", async () => {
  const gpu = await bootVirtual();
  const { pinned, hash } = await pinnedObject(gpu);
  await damage(gpu, "bcs0 migrate context image", 64);
  await gpu.execute({ type: "suspend", state: "S3" });
  expect(gpu.events).toContainEqual({
    type: "wedged",
    wedged: true,
    why: "engine bcs0 was reset (it stopped with CONTEXT_CORRUPT) under the kernel's own work",
  });
  await gpu.execute({ type: "resume" });
  expect(hashOf(await gpu.download(pinned))).toBe(hash);
});

test("the kernel's own contexts are lost with the power and made anew before the first blit", async () => {
  const gpu = await bootVirtual();
  const { pinned, hash } = await pinnedObject(gpu);
  const suspended = await gpu.execute({ type: "suspend", state: "S3" });
  expect(suspended.phases.reduce((sum, phase) => sum + phase.skippedVolatile, 0)).toBe(4);
  const resumed = await gpu.execute({ type: "resume" });
  expect(resumed.phases.find((phase) => phase.phase === "restore_late")?.memcpyBytes).toBe(0);
  expect(hashOf(await gpu.download(pinned))).toBe(hash);
});

test("without a running microcontroller no copy is ever scheduled: it is given up in time, and the CPU does it", async () => {
  const gpu = await bootVirtual();
  const id = await gpu.upload(patternOf(1, MIB));
  gpu.device.gt.stopFirmware();
  await gpu.execute({ type: "evictRegion", region: "lmem0" });
  expect((await gpu.execute({ type: "getDevice" })).wedged).toBe(true);
  expect(hashOf(await gpu.download(id))).toBe(hashOf(patternOf(1, MIB)));
});

test("a device without a copy engine suspends by CPU alone", async () => {
  const gpu = await bootVirtual({ engines: [] });
  const { pinned, hash } = await pinnedObject(gpu);
  const suspended = await gpu.execute({ type: "suspend", state: "S3" });
  expect(suspended.phases.every((phase) => phase.blitterBytes === 0)).toBe(true);
  await gpu.execute({ type: "resume" });
  expect(hashOf(await gpu.download(pinned))).toBe(hash);
});

async function pinnedObject(gpu: VirtualDevice): Promise<{ pinned: string; hash: string }> {
  const bytes = patternOf(1, 2 * MIB);
  const pinned = await gpu.upload(bytes);
  await gpu.execute({ type: "pinObject", object: pinned });
  return { pinned, hash: hashOf(bytes) };
}

/** Flips a bit of a device-owned object where it is, or in its backup. A second call at the same place mends it. */
async function damage(
  gpu: VirtualDevice,
  label: string,
  offsetBytes: number,
  where: "object" | "backup" = "object",
): Promise<void> {
  const { memory } = gpu.device;
  const owner = memory.ownedSlots.find((slot) => memory.table.labels.get(slot) === label);
  if (owner === undefined) throw new Error(`the device has no ${label}`);
  const slot = where === "object" ? owner : memory.table.backup[owner];
  const region = memory.region(memory.table.region[slot]);
  const [extent] = region.extents(memory.table.resource[slot]);
  region.bank.bytes[extent.offsetBytes + offsetBytes] ^= 0x10;
}
