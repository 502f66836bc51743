/**
 * The failpoints of one daemon. It arms those in the configuration, and counts, logs and reports each hit.
 */
import type { Logger } from "pino";
import { Failpoints, failpointNames } from "../../device/mod.ts";
import type { Config } from "../config/config.ts";
import { systemClock } from "../machine/system-clock.ts";
import type { Metrics } from "../metrics/metrics.ts";

export interface FailpointTellers {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Called at each hit. */
  readonly tell: (failpoint: string, device: string) => void;
}

export function makeFailpoints(
  { failpoints: armed }: Pick<Config, "failpoints">,
  { log, metrics, tell }: FailpointTellers,
): Failpoints {
  log.warn("faults are enabled: clients can make devices fail and end this daemon");
  const count = metrics.countFailpoints(failpointNames());
  const failpoints = new Failpoints({
    clock: systemClock,
    crash,
    onHit: (failpoint, device) => {
      count(failpoint);
      tell(failpoint, device);
      log.warn({ failpoint }, "a failpoint fired");
    },
  });
  for (const { text, name, arming } of armed) {
    failpoints.arm(name, arming);
    log.warn({ failpoint: name, entry: text }, "a failpoint is armed from the start");
  }
  return failpoints;
}

/** Ends the process as the kernel would when it runs out of memory: nothing is flushed. */
function crash(): never {
  // The kernel protects process 1 of a container from its own SIGKILL. An abort ends it, also without
  // flushing.
  if (process.pid === 1) process.abort();
  for (;;) process.kill(process.pid, "SIGKILL");
}
