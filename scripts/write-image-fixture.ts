/**
 * Writes a hibernation image of the fixture device: `node scripts/write-image-fixture.ts FILE`. Run once for each version of
 * the format; what it wrote is committed, and read by test/device/image/image-golden.test.ts for ever.
 */
import { writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { bootFixture, FIXTURE_OBJECTS, FIXTURE_REGISTER } from "../test/support/fixture-device.ts";
import { MemoryImageStore } from "../test/support/image-store.ts";

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error("Say where: node scripts/write-image-fixture.ts FILE");
const images = new MemoryImageStore();
const gpu = await bootFixture(images);
for (const { fill, sizeBytes, regions, pins, label } of FIXTURE_OBJECTS) {
  const object = await gpu.upload(new Uint8Array(sizeBytes).fill(fill), { regions: [...regions], label });
  for (let pin = 0; pin < pins; pin++) await gpu.execute({ type: "pinObject", object });
}
const { id: context } = await gpu.execute({ type: "createContext", engine: "rcs0", priority: "LOW" });
await gpu.execute({
  type: "submitWork",
  context,
  commands: [{ op: "loadRegister", register: 3, value: FIXTURE_REGISTER }],
  waitFences: [],
  waitMs: 1000,
});
await gpu.execute({ type: "suspend", state: "S4", verify: true });
const [id] = images.idsOf("SEALED");
writeFileSync(path, gzipSync(images.images.get(id)?.bytes ?? new Uint8Array(0)));
