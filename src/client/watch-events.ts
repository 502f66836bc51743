/**
 * Events as they happen, over as many streams as it takes: when one breaks, the next continues from there.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { WatchEventsRequest } from "../contract/gen/torpor/v1/device.ts";
import { type Event, Event_Type } from "../contract/gen/torpor/v1/event.ts";
import type { Channel } from "./channel.ts";
import { RECONNECT_DELAY_MS, RETRY_DELAY_MS_MAX, WATCH_RECONNECTS_MAX, WATCH_SILENCE_MS } from "./limits.ts";
import { GET_DEVICE, WATCH_EVENTS } from "./methods.ts";
import { isCutOff, TorporError, UNREACHABLE } from "./torpor-error.ts";

export interface WatchOptions {
  /** Ids or resource names of the devices to watch. @default all */
  readonly devices?: readonly string[] | undefined;
  /** Types of events to deliver. Bookmarks always come. @default all */
  readonly types?: readonly Event_Type[] | undefined;
  /** Sequence of the last event that the caller has. @default none: starts with the present state */
  readonly afterSequence?: bigint | number | undefined;
  /** Ends the stream of events without an error. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Whether to reopen a stream that broke or that the caller read too slowly, and continue there.
   * @default true
   */
  readonly reconnect?: boolean | undefined;
  /**
   * Called with the error that broke the stream before it is reopened: once, however many attempts that
   * takes.
   */
  readonly onCutOff?: ((error: TorporError) => void) | undefined;
}

/**
 * Delivers events until the signal aborts. After the first event it reconnects when the connection is lost,
 * with growing pauses and for about five minutes, and the events continue without gaps or repetitions. If the
 * present state was not yet complete (it is at the first bookmark), it starts again.
 * @param silenceMs how long no event, bookmarks included, may arrive before the connection counts as lost
 * @throws TorporError EVENTS_EXPIRED if there would be a gap, such as after a restart of the daemon; the
 * daemon's error if the caller may not watch; the last error if nobody answers; with `reconnect: false` the
 * first error
 */
export async function* watchEvents(
  channel: Channel,
  options: WatchOptions,
  silenceMs = WATCH_SILENCE_MS,
): AsyncGenerator<Event, void, undefined> {
  const { signal, reconnect = true, onCutOff } = options;
  const devices = new Set(options.devices?.map(nameOf));
  const place = new Place(options.afterSequence);
  const isOver = () => signal?.aborted === true;
  let failures = 0;
  let wasConnected = false;
  while (!isOver()) {
    try {
      if (!wasConnected) await checkDevices(channel, devices, signal);
      const request = requestFor(devices, options, place);
      for await (const event of readStream(channel, request, { signal, silenceMs })) {
        place.moveTo(event);
        wasConnected = true;
        failures = 0;
        // A stream covers one device or all of them.
        if (devices.size < 2 || event.device === "" || devices.has(event.device)) yield event;
      }
    } catch (error) {
      if (isOver()) return;
      if (!(error instanceof TorporError) || !reconnect) throw error;
      if (!mayReconnect(error, wasConnected) || failures >= WATCH_RECONNECTS_MAX) throw error;
      if (failures === 0) onCutOff?.(error);
      place.learnFrom(error);
      await pause(delayMs(error, failures), undefined, { signal }).catch(() => {});
      failures += 1;
    }
  }
}

/** How far the events have been delivered. */
class Place {
  /** Sequence of the last event; undefined until the present state is complete. */
  #after: bigint | undefined;
  #isOfPastRun = false;

  constructor(after: bigint | number | undefined) {
    this.#after = after === undefined ? undefined : BigInt(after);
  }

  /** The sequence after which the next stream should continue. */
  get afterSequence(): bigint | undefined {
    return this.#isOfPastRun ? undefined : this.#after;
  }

  /**
   * @throws TorporError EVENTS_EXPIRED if this event and the earlier ones come from different runs of the
   * daemon
   */
  moveTo({ type, sequence }: Event): void {
    if (this.#isOfPastRun && this.#after !== undefined) throw expired(this.#after);
    if (type === Event_Type.BOOKMARK || sequence > 0n) this.#after = sequence;
  }

  learnFrom({ reason, metadata }: TorporError): void {
    // The next daemon counts from the start, and could mistake this sequence for one of its own.
    if (reason === "SHUTTING_DOWN") this.#isOfPastRun = true;
    // It can be later than the last event if the caller did not ask for those in between.
    const { afterSequence = "" } = metadata;
    const isKnown = reason === "SLOW_CONSUMER" && /^\d+$/.test(afterSequence);
    if (isKnown && this.#after !== undefined) this.#after = BigInt(afterSequence);
  }
}

/** Events of one stream. It always ends with an error. @throws TorporError */
async function* readStream(
  channel: Channel,
  request: WatchEventsRequest,
  { signal, silenceMs }: { readonly signal: AbortSignal | undefined; readonly silenceMs: number },
): AsyncGenerator<Event, void, undefined> {
  const call = channel.serverStream(WATCH_EVENTS, request, { signal });
  const events = call[Symbol.asyncIterator]();
  let isSilent = false;
  const giveUp = () => {
    isSilent = true;
    call.cancel();
  };
  try {
    for (;;) {
      const timer = setTimeout(giveUp, silenceMs);
      const step = await events.next().finally(() => clearTimeout(timer));
      if (step.done === true) throw lost("The stream of events has ended without an error.");
      yield step.value;
    }
  } catch (error) {
    throw isSilent ? lost(`The daemon has told nothing for ${silenceMs} ms.`) : channel.toError(error);
  } finally {
    // Without a listener, an error event would end the process.
    call.on("error", () => {});
    call.cancel();
  }
}

function requestFor(
  devices: ReadonlySet<string>,
  { types = [] }: WatchOptions,
  { afterSequence }: Place,
): WatchEventsRequest {
  const [device = ""] = devices.size === 1 ? devices : [];
  return { device, types: [...types], afterSequence };
}

/**
 * A stream of all devices would not report that one of several does not exist.
 * @throws TorporError DEVICE_NOT_FOUND
 */
async function checkDevices(
  channel: Channel,
  devices: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (devices.size < 2) return;
  for (const name of devices) await channel.unary(GET_DEVICE, { name }, { signal });
}

/** A caller that was never connected gets the error at once, unless the daemon asks it to wait. */
function mayReconnect(error: TorporError, wasConnected: boolean): boolean {
  if (!wasConnected) return error.retryDelayMs !== undefined;
  return error.code === "UNAVAILABLE" || error.reason === "SLOW_CONSUMER" || isCutOff(error);
}

/** Each failure doubles the pause. Randomness keeps the clients of a daemon from returning all at once. */
function delayMs({ retryDelayMs = 0 }: TorporError, failures: number): number {
  const longest = Math.min(RECONNECT_DELAY_MS * 2 ** failures, RETRY_DELAY_MS_MAX);
  return Math.max(longest * (0.5 + Math.random() / 2), Math.min(retryDelayMs, RETRY_DELAY_MS_MAX));
}

function nameOf(device: string): string {
  return device.includes("/") ? device : `devices/${device}`;
}

function lost(message: string): TorporError {
  return new TorporError({ code: "UNAVAILABLE", reason: UNREACHABLE, message });
}

function expired(after: bigint): TorporError {
  return new TorporError({
    code: "OUT_OF_RANGE",
    reason: "EVENTS_EXPIRED",
    message:
      `The daemon has begun anew since sequence ${after}, and its events with it: begin ` +
      `without a sequence.`,
    metadata: { afterSequence: String(after) },
  });
}
