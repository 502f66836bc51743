/** Events as they happen, over as many streams as that takes: where one is cut off, the next goes on. */
import { setTimeout as pause } from "node:timers/promises";
import type { WatchEventsRequest } from "../contract/gen/torpor/v1/device.ts";
import { type Event, Event_Type } from "../contract/gen/torpor/v1/event.ts";
import type { Channel } from "./channel.ts";
import { isCutOff, TorporError, UNREACHABLE } from "./errors.ts";
import { RECONNECT_DELAY_MS, RETRY_DELAY_MS_MAX, WATCH_RECONNECTS_MAX, WATCH_SILENCE_MS } from "./limits.ts";
import { GET_DEVICE, WATCH_EVENTS } from "./methods.ts";

export interface WatchOptions {
  /** Ids or resource names of the devices to tell of. @default all */
  readonly devices?: readonly string[] | undefined;
  /** What to tell; bookmarks always come. @default all */
  readonly types?: readonly Event_Type[] | undefined;
  /** Sequence of the last event that the caller has. @default none: begins with the present state */
  readonly afterSequence?: bigint | number | undefined;
  /** Ends the events, without an error. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Whether a stream that was cut off, or that was read too slowly, is opened again where it ended.
   * @default true
   */
  readonly reconnect?: boolean | undefined;
  /**
   * Called with what cut the stream off, before it is opened again; once, however many attempts that takes.
   */
  readonly onCutOff?: ((error: TorporError) => void) | undefined;
}

/**
 * Gives events until the signal is aborted. After the first event, a connection that is lost is made again,
 * with growing pauses and for five minutes or so, and the events go on without a gap or a repetition; only a
 * present state that was not yet told whole, which is until the first bookmark, is told from its beginning.
 * @param silenceMs after which time without an event, bookmarks included, the connection counts as lost
 * @throws TorporError: EVENTS_EXPIRED when there would be a gap, as after a restart of the daemon; whatever
 * forbids to watch;
 *   the last error where nobody answers, or with `reconnect: false` the first
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
        // A stream tells of one device or of all.
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

/** How far the events have been told. */
class Place {
  /** Sequence of the last event; undefined while the present state is not told whole. */
  #after: bigint | undefined;
  #isOfPastRun = false;

  constructor(after: bigint | number | undefined) {
    this.#after = after === undefined ? undefined : BigInt(after);
  }

  /** What the next stream is to go on after. */
  get afterSequence(): bigint | undefined {
    return this.#isOfPastRun ? undefined : this.#after;
  }

  /**
   * @throws TorporError EVENTS_EXPIRED when the event is of another run of the daemon than those before it
   */
  moveTo({ type, sequence }: Event): void {
    if (this.#isOfPastRun && this.#after !== undefined) throw expired(this.#after);
    if (type === Event_Type.BOOKMARK || sequence > 0n) this.#after = sequence;
  }

  learnFrom({ reason, metadata }: TorporError): void {
    // The next daemon counts anew, and might take the place for one of its own.
    if (reason === "SHUTTING_DOWN") this.#isOfPastRun = true;
    // Further than the last event, when those behind it were not asked for.
    const { afterSequence = "" } = metadata;
    const isKnown = reason === "SLOW_CONSUMER" && /^\d+$/.test(afterSequence);
    if (isKnown && this.#after !== undefined) this.#after = BigInt(afterSequence);
  }
}

/** Events of one stream, whose end is always an error. @throws TorporError */
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
    // An error event that nobody hears would end the process.
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
 * A stream of all devices would not say that one of several does not exist.
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

/** Whoever was never connected is told so at once, unless the daemon asks for patience. */
function mayReconnect(error: TorporError, wasConnected: boolean): boolean {
  if (!wasConnected) return error.retryDelayMs !== undefined;
  return error.code === "UNAVAILABLE" || error.reason === "SLOW_CONSUMER" || isCutOff(error);
}

/**
 * Doubled by each failure, and by chance, so that not all clients of a daemon come back at the same moment.
 */
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
