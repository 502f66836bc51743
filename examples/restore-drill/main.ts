/** `node examples/restore-drill/main.ts IMAGE`: kills a hibernation at each of a few places, in a container of the image. */
import { TorporContainer } from "../../packages/testcontainers/src/mod.ts";
import { restoreDrill } from "./restore-drill.ts";

const [image] = process.argv.slice(2);
if (image === undefined) throw new Error("Name the image of torpord, such as torpor.");
const LOAD = { objects: 8, sizeBytes: 1024 * 1024 };
/** Before the image is sealed and after that, so that nothing comes back, or everything; undefined is after the suspend. */
const PLACES = ["image.write", "image.seal", "image.sealed", "powerOff.after", undefined];

await using torpor = await new TorporContainer(image)
  .withDevice({ lmem: "128MiB", smem: "512MiB" })
  .withFaults()
  .withImageStore()
  .start();
for (const failpoint of PLACES) {
  const outcome = await restoreDrill(torpor, { failpoint, ...LOAD });
  console.log(
    `Killed ${failpoint === undefined ? "after the suspend" : `at ${failpoint}`}: ${outcome} came back.`,
  );
  if (outcome === "a part") process.exitCode = 1;
}
