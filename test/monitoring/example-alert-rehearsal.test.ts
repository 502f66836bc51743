/** examples/alert-rehearsal by its one command: a real daemon, a real Prometheus, the shipped rules. */
import { expect, test } from "vitest";
import { run } from "../support/npm-package.ts";

test("the rehearsed alert is pending, fires, and is resolved as its runbook says", () => {
  const said = run(".", process.execPath, "examples/alert-rehearsal/main.ts");
  expect(said.trim().split("\n")).toEqual([
    "The rules are the shipped ones, but what waits for minutes waits for 3s here.",
    "TorporDeviceLost is inactive.",
    "The firmware did not load: the resume was refused with FIRMWARE_LOAD_FAILED, and the device is FAILED.",
    "TorporDeviceLost is pending.",
    "TorporDeviceLost is firing.",
    "Resumed again, as the runbook says: the device is ACTIVE.",
    "TorporDeviceLost is resolved.",
  ]);
});
