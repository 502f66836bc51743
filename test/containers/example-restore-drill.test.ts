/** examples/restore-drill: wherever a hibernation is killed, everything comes back or nothing does. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { restoreDrill } from "../../examples/restore-drill/restore-drill.ts";
import { type StartedTorporContainer, TorporContainer } from "../../packages/testcontainers/src/mod.ts";
import { TEST_IMAGE } from "../../scripts/docker-image.ts";

process.env.TESTCONTAINERS_RYUK_DISABLED ??= "true";
const LOAD = { objects: 8, sizeBytes: 1024 * 1024 };

describe("a hibernation that is killed", () => {
  let torpor: StartedTorporContainer;

  beforeAll(async () => {
    torpor = await new TorporContainer(TEST_IMAGE)
      .withDevice({ lmem: "128MiB", smem: "512MiB" })
      .withFaults()
      .withImageStore()
      .start();
  });

  afterAll(() => torpor?.stop());

  test.each([
    [undefined, "everything"],
    ["image.seal", "nothing"],
    ["image.sealed", "everything"],
  ] as const)("at %s brings back %s", async (failpoint, outcome) => {
    expect(await restoreDrill(torpor, { failpoint, ...LOAD })).toBe(outcome);
  });
});
