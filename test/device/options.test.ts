import { expect, test } from "vitest";
import type { ByteStore, DeviceOptions } from "../../src/device/mod.ts";
import { bootVirtual, KIB, MIB, reasonOf } from "../support/test-device.ts";

const store = (sizeBytes: number): ByteStore => ({
  sizeBytes,
  write: () => Promise.resolve(),
  read: () => Promise.resolve(),
});

test.each<[string, Partial<DeviceOptions>, string]>([
  ["no local memory", { lmem: [] }, "INVALID_REQUEST"],
  [
    "local memory that is no multiple of its page",
    { lmem: [{ sizeBytes: 16 * MIB + 4096 }] },
    "INVALID_SIZE",
  ],
  ["local memory too small for the device's own objects", { lmem: [{ sizeBytes: MIB }] }, "INVALID_SIZE"],
  [
    "a window too small for them",
    { lmem: [{ sizeBytes: 16 * MIB, visibleBytes: 64 * KIB }] },
    "INVALID_SIZE",
  ],
  [
    "a region that is reserved whole",
    { lmem: [{ sizeBytes: 16 * MIB }, { sizeBytes: MIB, reserved: [{ offsetBytes: 0, lengthBytes: MIB }] }] },
    "INVALID_RANGE",
  ],
  [
    "reserved ranges that overlap",
    {
      lmem: [
        {
          sizeBytes: 16 * MIB,
          reserved: [
            { offsetBytes: 0, lengthBytes: 128 * KIB },
            { offsetBytes: 64 * KIB, lengthBytes: 128 * KIB },
          ],
        },
      ],
    },
    "INVALID_RANGE",
  ],
  ["swap smaller than a page of it", { swap: store(4096) }, "INVALID_SIZE"],
  ["an unknown engine", { engines: ["dma0"] }, "INVALID_REQUEST"],
  ["an engine twice", { engines: ["bcs0", "bcs0"] }, "INVALID_REQUEST"],
])("no device is made of %s", async (_what, options, reason) => {
  expect(await reasonOf(bootVirtual(options))).toBe(reason);
});
