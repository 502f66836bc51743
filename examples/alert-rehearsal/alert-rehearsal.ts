/**
 * A rehearsal of an alert: a device is lost on purpose, and the shipped rule TorporDeviceLost is watched while it becomes
 * pending, fires, and is resolved by what its runbook says. Made to be read: rehearse alerts of your own like this.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type AlertState, alertState } from "./prometheus.ts";

export interface Stage {
  readonly torporUrl: string;
  readonly prometheusUrl: string;
  /** Called at every step, with a sentence about it. */
  readonly tell: (sentence: string) => void;
}

const ALERT = "TorporDeviceLost";
const DEVICE = "devices/card0";
/** Many scrapes and evaluations of a second each. Unit: milliseconds. */
const PATIENCE_MS = 30_000;
/** More often than Prometheus evaluates, so that no state is missed. Unit: milliseconds. */
const POLL_MS = 100;

/** @throws Error when the alert does not do what it should in time, or a call is answered as it should not be. */
export async function rehearseAlert(stage: Stage): Promise<void> {
  const { torporUrl, prometheusUrl, tell } = stage;
  const until = async (wanted: AlertState, called: string = wanted) => {
    await reaches(prometheusUrl, wanted);
    tell(`${ALERT} is ${called}.`);
  };
  await until("inactive");

  // Firmware that does not load: the power is on, and nobody can use the device.
  await call(torporUrl, "PUT", "failpoints/firmware.load", { action: "ERROR", count: 1 });
  await call(torporUrl, "POST", `${DEVICE}:suspend`, { state: "S3" });
  const refusal = await call(torporUrl, "POST", `${DEVICE}:resume`, {}, "refused");
  tell(`The firmware did not load: the resume was refused with ${refusal}, and the device is FAILED.`);
  await until("pending");
  await until("firing");

  // What docs/runbooks/TorporDeviceLost.md says: a resume goes on with what it has not restored.
  await call(torporUrl, "POST", `${DEVICE}:resume`, {});
  tell("Resumed again, as the runbook says: the device is ACTIVE.");
  await until("inactive", "resolved");
}

async function reaches(prometheusUrl: string, wanted: AlertState): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const state = await alertState(prometheusUrl, ALERT);
    if (state === wanted) return;
    if (performance.now() > deadline) {
      throw new Error(`${ALERT} is ${state} and did not become ${wanted} in ${PATIENCE_MS / 1000} s.`);
    }
    await sleep(POLL_MS);
  }
}

const REFUSAL = z.object({
  error: z.object({ details: z.tuple([z.object({ reason: z.string() })]).rest(z.unknown()) }),
});

/** @returns the reason of a refusal, which must be one where one is expected. */
async function call(
  torporUrl: string,
  method: string,
  path: string,
  body: object,
  expected: "done" | "refused" = "done",
): Promise<string> {
  const response = await fetch(`${torporUrl}/v1/${path}`, { method, body: JSON.stringify(body) });
  const said = await response.text();
  if (response.ok !== (expected === "done")) {
    throw new Error(`${method} ${path} was to be ${expected}, and answered ${response.status}: ${said}`);
  }
  return response.ok ? "" : REFUSAL.parse(JSON.parse(said)).error.details[0].reason;
}
