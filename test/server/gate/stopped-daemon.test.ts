/** A real daemon that is stopped by SIGSTOP and goes on: its event loop was late, and nobody was to blame. */
import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import { LOOP_DELAY_MAX_MS } from "../../../src/server/limits.ts";
import { DaemonProcess } from "../../support/daemon-process.ts";

/** Two late samples in a row are enough; a machine that is slow itself may need a few more stops. */
const STOPS_MAX = 30;

it("is open to resumes, cancels and resets as soon as it goes on", async () => {
  await using daemon = new DaemonProcess([
    "--http",
    "127.0.0.1:0",
    "--grpc",
    "127.0.0.1:0",
    "--smem",
    "64MiB",
  ]);
  const { http } = await daemon.ready();
  const post = async (path: string, body: object = {}) => {
    const response = await fetch(`http://${http}/v1/devices/card0${path}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    const answer: Record<string, unknown> = Object(await response.json());
    return { status: response.status, ...answer };
  };
  expect(await post(":suspend", { state: "S3" })).toMatchObject({ state: "SUCCEEDED" });
  // So often that the daemon takes itself for too busy.
  const stopUntilBusy = async () => {
    for (let count = 0; count < STOPS_MAX; count++) {
      daemon.kill("SIGSTOP");
      await pause(LOOP_DELAY_MAX_MS + 100);
      daemon.kill("SIGCONT");
      if ((await fetch(`http://${http}/v1/devices`)).status === 503) return;
      await pause(20);
    }
    throw new Error("The daemon never found itself too busy.");
  };
  await stopUntilBusy();
  const [resumed, cancelled] = await Promise.all([post(":resume"), post("/transitions/99:cancel")]);
  expect(resumed).toMatchObject({ status: 200, state: "SUCCEEDED" });
  expect(cancelled).toMatchObject({
    status: 404,
    error: { details: [{ reason: "TRANSITION_NOT_FOUND" }] },
  });
  await stopUntilBusy();
  expect(await post(":reset", { scope: "GT" })).toMatchObject({ status: 200, powerState: "ACTIVE" });
});
