/** examples/restore-drill by its one command: wherever a hibernation is killed, everything comes back or nothing does. */
import { expect, test } from "vitest";
import { TEST_IMAGE } from "../../scripts/docker-image.ts";
import { run } from "../support/npm-package.ts";

test("a hibernation that is killed brings back nothing before its image is sealed, and everything after that", () => {
  process.env.TESTCONTAINERS_RYUK_DISABLED ??= "true";
  const said = run(".", process.execPath, "examples/restore-drill/main.ts", TEST_IMAGE);
  expect(said.trim().split("\n")).toEqual([
    "Killed at image.write: nothing came back.",
    "Killed at image.seal: nothing came back.",
    "Killed at image.sealed: everything came back.",
    "Killed at powerOff.after: everything came back.",
    "Killed after the suspend: everything came back.",
  ]);
});
