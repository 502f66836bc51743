/** Logs a device's events: transitions, and everything that an operator would want to know at once. */
import type { Logger } from "pino";
import type { DeviceEvent, EventSink } from "../../device/events.ts";
import type { TransitionResource } from "../../device/resource.ts";

/** Makes the sink that logs the events of `device`. */
export function logDevice(log: Logger, device: string): EventSink {
  const deviceLog = log.child({ device });
  return (event) => logEvent(deviceLog, event);
}

function logEvent(log: Logger, event: DeviceEvent): void {
  switch (event.type) {
    case "transitionStarted":
    case "transitionEnded":
    case "phaseEnded":
    case "recovered":
    case "phaseForgiven":
      logProgress(log, event);
      break;
    case "imageSealed":
    case "imageConsumed":
    case "imageClaimed":
    case "imageGivenBack":
    case "ownershipInDoubt":
      logImage(log, event);
      break;
    case "wedged":
      if (event.wedged) log.warn({ why: event.why }, "wedged");
      else log.info({ why: event.why }, "no longer wedged");
      break;
    case "blitterFallback":
      log.warn({ reason: event.reason, bytes: event.bytes }, "the blitter failed; the CPU copied instead");
      break;
    case "verifyFailed":
      log.error({ objects: event.objects.length }, "content changed across a suspend");
      break;
    case "swapFailed":
      log.warn({ why: event.reason }, "an object could not be swapped out and stays in system memory");
      break;
    case "contentLost":
      log.error({ object: event.object, bytes: event.bytes }, "content is not what it was and is lost");
      break;
    case "engineReset":
      log.warn({ engine: event.engine, why: event.why, context: event.context }, "engine reset");
      break;
    case "snapshotTaken":
    case "deviceRestored":
      logSnapshot(log, event);
      break;
    // Metrics count these; they are too many for a log.
    case "jobEnded":
    case "powerState":
    case "evicted":
    case "backedUp":
    case "restored":
    case "skippedVolatile":
    case "purged":
    case "swappedOut":
    case "swappedIn":
    case "allocated":
    case "allocationFailed":
    case "contextCreated":
    case "contextChanged":
    case "contextDeleted":
      break;
    default:
      event satisfies never;
  }
}

type ProgressEvent = Extract<
  DeviceEvent,
  { type: "transitionStarted" | "transitionEnded" | "phaseEnded" | "recovered" | "phaseForgiven" }
>;

function logProgress(log: Logger, event: ProgressEvent): void {
  switch (event.type) {
    case "transitionStarted":
      log.info(
        { transition: event.transition.id, target: event.transition.sleepState },
        `${nameOf(event.transition)} started`,
      );
      break;
    case "transitionEnded":
      logEnd(log, event.transition);
      break;
    case "phaseEnded":
      log.debug(
        { transition: event.transition.id, phase: event.phase.phase, bytes: event.phase.bytes },
        "phase ended",
      );
      break;
    case "recovered":
      if (event.complete) log.info("recovered: the device is as it was before the transition");
      else log.error("the device could not be recovered");
      break;
    case "phaseForgiven":
      log.warn(
        { transition: event.transition.id, reason: event.reason },
        `left to the next step by policy: ${event.message}`,
      );
      break;
    default:
      event satisfies never;
  }
}

type SnapshotEvent = Extract<DeviceEvent, { type: "snapshotTaken" | "deviceRestored" }>;

function logSnapshot(log: Logger, event: SnapshotEvent): void {
  const { snapshot } = event;
  if (event.type === "deviceRestored") log.info({ snapshot }, "device restored from a snapshot");
  else log.info({ snapshot, copiedBytes: event.copiedBytes }, "snapshot taken");
}

type ImageEvent = Extract<
  DeviceEvent,
  { type: "imageSealed" | "imageConsumed" | "imageClaimed" | "imageGivenBack" | "ownershipInDoubt" }
>;

function logImage(log: Logger, event: ImageEvent): void {
  switch (event.type) {
    case "imageSealed":
      log.info({ image: event.image }, "hibernation image sealed");
      break;
    case "imageConsumed":
      log.info({ image: event.image }, "hibernation image consumed");
      break;
    case "imageClaimed":
      log.info({ image: event.image }, "hibernation image claimed");
      break;
    case "imageGivenBack":
      log.info({ image: event.image }, "hibernation image given back");
      break;
    case "ownershipInDoubt":
      log.warn(
        { image: event.image, write: event.write },
        "the store of images did not answer; the device holds every byte and asks again",
      );
      break;
    default:
      event satisfies never;
  }
}

function logEnd(log: Logger, transition: TransitionResource): void {
  const { id, state, sleepState, evictedBytes, backupBytes, restoredBytes, error } = transition;
  const durationMs = Number((transition.endTimeNs ?? transition.startTimeNs) - transition.startTimeNs) / 1e6;
  const summary = {
    transition: id,
    target: sleepState,
    durationMs,
    evictedBytes,
    backupBytes,
    restoredBytes,
  };
  if (state === "SUCCEEDED") log.info(summary, `${nameOf(transition)} succeeded`);
  else
    log.error(
      { ...summary, reason: error?.reason },
      `${nameOf(transition)} ${state.toLowerCase()}: ${error?.message}`,
    );
}

function nameOf(transition: TransitionResource): string {
  return transition.kind.toLowerCase();
}
