/** Memory that is taken from the machine at boot. */
import { expect, test } from "vitest";
import { bootThreaded, MIB, type TestDevice } from "../../support/test-device.ts";

const REGION_BYTES = 128 * MIB;

async function boot(prefault: boolean): Promise<{ readonly gpu: TestDevice; readonly grownBytes: number }> {
  const beforeBytes = process.memoryUsage.rss();
  const gpu = await bootThreaded({
    engineForm: "in-process",
    lmem: [{ sizeBytes: REGION_BYTES }],
    smem: { sizeBytes: REGION_BYTES },
    prefault,
  });
  return { gpu, grownBytes: process.memoryUsage.rss() - beforeBytes };
}

test("with prefault all memory of a device is there when it has booted, else when it is used", async () => {
  const lazy = await boot(false);
  expect(lazy.grownBytes).toBeLessThan(REGION_BYTES);
  await lazy.gpu.device.close();
  const { gpu, grownBytes } = await boot(true);
  expect(grownBytes).toBeGreaterThan(1.5 * REGION_BYTES);
  // What the device put there at boot is as it was: it works, and comes back from a suspend.
  const id = await gpu.upload(new Uint8Array(MIB).fill(7));
  await gpu.execute({ type: "pinObject", object: id });
  await gpu.execute({ type: "suspend", state: "S3" });
  await gpu.execute({ type: "resume" });
  expect(await gpu.download(id)).toEqual(new Uint8Array(MIB).fill(7));
  await gpu.device.close();
});
