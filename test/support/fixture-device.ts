/**
 * The device of test/device/image/images/device-1.0.image.gz. An image that was written once is kept for ever: this says what was
 * put on the device then, so it is never changed; a later format adds its own.
 */
import type { MemoryImageStore } from "./image-store.ts";
import { MemoryStore } from "./regions.ts";
import { bootVirtual, KIB, MIB, type VirtualDevice } from "./test-device.ts";

export const FIXTURE_REGISTER = 0xfeed_f00d_cafe_0001n;

/** By id from 1: what each object is filled with, and where it was put. */
export const FIXTURE_OBJECTS = [
  { fill: 0x11, sizeBytes: 128 * KIB, regions: ["lmem0"], pins: 1, label: "weights" },
  { fill: 0x22, sizeBytes: 64 * KIB, regions: ["lmem0", "smem"], pins: 2, label: "größe" },
  { fill: 0x33, sizeBytes: 256 * KIB, regions: ["lmem0", "smem"], pins: 0, label: "" },
  { fill: 0x00, sizeBytes: 64 * KIB, regions: ["smem"], pins: 0, label: "zeroes" },
  { fill: 0x44, sizeBytes: 2 * MIB, regions: ["smem"], pins: 0, label: "first to be swapped" },
  { fill: 0x55, sizeBytes: 2 * MIB, regions: ["smem"], pins: 0, label: "" },
] as const;

/** A device on which it can be restored: system memory is too small for all, so some of it was in swap. */
export function bootFixture(images: MemoryImageStore, resumeFrom?: string): Promise<VirtualDevice> {
  return bootVirtual({
    engines: ["rcs0", "bcs0"],
    smem: { sizeBytes: 4 * MIB },
    swap: new MemoryStore(8 * MIB),
    images,
    ...(resumeFrom === undefined ? {} : { resumeFrom: images.sealed(resumeFrom) }),
  });
}
