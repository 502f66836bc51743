/** One watcher: a position in the log, and the stream of the events after it. */

import type { Event_Type } from "../../contract/gen/torpor/v1/event.ts";
import { type Clock, elapsedMs } from "../../device/clock.ts";
import type { Failpoints } from "../../device/failpoints.ts";
import { formatBytes } from "../../device/format.ts";
import type { DeviceHandle } from "../api/devices.ts";
import { BOOKMARK_INTERVAL_MS, WATCH_RECHECK_MS } from "../limits.ts";
import { WireError } from "../messages/wire-error.ts";
import type { Deliveries } from "./deliveries.ts";
import type { EventLog, ToldEvent } from "./event-log.ts";
import { makeEvent } from "./event-message.ts";
import { presentState } from "./present-state.ts";

/** The wishes of a watcher. */
export interface WatchOptions {
  /** The devices to watch. */
  readonly devices: readonly DeviceHandle[];
  /** Empty means all types. */
  readonly types: readonly Event_Type[];
  /** The last event that the client has; undefined to begin with the present state. */
  readonly afterSequence: number | undefined;
  /**
   * If the events after `afterSequence` are gone: begin with the present state and say so. @default refuse
   */
  readonly restarts?: boolean;
  /** Ends the stream, because the client has left. */
  readonly signal: AbortSignal;
  /** Who watches; undefined where callers are not told apart. */
  readonly caller?: string | undefined;
  /** Throws when the caller would not be let in any more, which ends the stream. @default never */
  readonly recheck?: (() => void) | undefined;
}

export interface WatcherDeps {
  readonly clock: Clock;
  readonly log: EventLog;
  readonly failpoints: Failpoints | undefined;
  /** Of all watchers. */
  readonly deliveries: Deliveries;
  /** What may wait for it. */
  readonly backlogMax: { readonly events: number; readonly bytes: number };
}

/** What an event that is passed over counts for, so that thousands of them are not one turn. Unit: bytes. */
const SKIPPED_BYTES = 64;

export class Watcher {
  readonly #deps: WatcherDeps;
  readonly #options: WatchOptions;
  readonly #devices: ReadonlySet<string>;
  readonly #types: ReadonlySet<Event_Type>;
  readonly #beginsAnew: boolean;
  /** Sequence of the last event that was delivered or that the watcher did not want. */
  #position: number;
  #ended: WireError | undefined;
  #wake: (() => void) | undefined;
  #checkedNs: bigint;

  /** @param position where it begins in the log; undefined to begin with the present state */
  constructor(deps: WatcherDeps, options: WatchOptions, position: number | undefined) {
    this.#deps = deps;
    this.#options = options;
    this.#devices = new Set(options.devices.map((device) => device.name));
    this.#types = new Set(options.types);
    this.#beginsAnew = position === undefined;
    this.#position = position ?? deps.log.head;
    this.#checkedNs = deps.clock.monotonicNs();
  }

  /**
   * The log has new events. Returns whether the watcher is still served: it is not if too much waits for it.
   */
  onWritten(): boolean {
    const { log, backlogMax } = this.#deps;
    if (!log.isKept(this.#position)) {
      this.end(expired(this.#position));
    } else {
      const { events, bytes } = log.backlog(this.#position);
      if (events > backlogMax.events || bytes > backlogMax.bytes) {
        this.end(this.#tooSlow(`${events} events (${formatBytes(bytes)}) wait for it`));
      }
    }
    this.#wake?.();
    return this.#ended === undefined;
  }

  /** Ends the stream with `error`. */
  end(error: WireError): void {
    this.#ended ??= error;
    this.#wake?.();
  }

  /** The stream. Returns when the client has left. @throws WireError that ended it */
  async *events(): AsyncGenerator<ToldEvent, void, undefined> {
    const { signal } = this.#options;
    const onAbort = () => this.#wake?.();
    signal.addEventListener("abort", onAbort);
    try {
      if (this.#beginsAnew) yield* this.#presentState();
      // The waiting events are those that the client missed. A bookmark tells it that it has all of them.
      const missedUntil = this.#deps.log.head;
      yield* this.#logged(() => this.#position >= missedUntil);
      yield this.#bookmark();
      yield* this.#logged(() => false);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async *#presentState(): AsyncGenerator<ToldEvent, void, undefined> {
    const { clock } = this.#deps;
    const { afterSequence } = this.#options;
    if (afterSequence !== undefined) {
      const value = { afterSequence: BigInt(afterSequence) };
      yield makeEvent({ sequence: 0, wallNs: clock.wallNs() }, "", { $case: "streamRestarted", value });
    }
    for (const device of this.#options.devices) {
      for await (const event of presentState(device, clock, (type) => this.#wants(type))) {
        if (this.#isOver()) return;
        await this.#deps.deliveries.turn(event.bytes.byteLength);
        yield event;
      }
    }
  }

  async *#logged(isDone: () => boolean): AsyncGenerator<ToldEvent, void, undefined> {
    const { clock, log } = this.#deps;
    let quietSinceNs = clock.monotonicNs();
    while (!this.#isOver() && !isDone()) {
      const event = log.next(this.#position);
      if (event === undefined) {
        const quietMs = elapsedMs(quietSinceNs, clock.monotonicNs());
        if (quietMs < BOOKMARK_INTERVAL_MS) {
          await this.#nextWake(Math.min(BOOKMARK_INTERVAL_MS - quietMs, WATCH_RECHECK_MS));
        } else {
          yield this.#bookmark();
          quietSinceNs = clock.monotonicNs();
        }
        continue;
      }
      const wanted = this.#devices.has(event.device) && this.#wants(event.type);
      await this.#deps.deliveries.turn(wanted ? event.bytes.byteLength : SKIPPED_BYTES);
      if (this.#isOver()) return;
      if (wanted) this.#passFailpoint(event);
      this.#position = event.sequence;
      if (wanted) {
        yield event;
        quietSinceNs = clock.monotonicNs();
      }
    }
  }

  /** Whether the client has left. @throws WireError that ended the stream */
  #isOver(): boolean {
    if (this.#options.signal.aborted) return true;
    if (this.#ended !== undefined) throw this.#ended;
    this.#recheck();
    return false;
  }

  /** Checking at every event would be too often, because it compares all tokens each time. */
  #recheck(): void {
    const nowNs = this.#deps.clock.monotonicNs();
    if (elapsedMs(this.#checkedNs, nowNs) < WATCH_RECHECK_MS) return;
    this.#checkedNs = nowNs;
    this.#options.recheck?.();
  }

  #wants(type: Event_Type): boolean {
    return this.#types.size === 0 || this.#types.has(type);
  }

  #bookmark(): ToldEvent {
    const { clock } = this.#deps;
    return makeEvent({ sequence: this.#position, wallNs: clock.wallNs() }, "", {
      $case: "bookmark",
      value: {},
    });
  }

  #passFailpoint({ device }: ToldEvent): void {
    if (this.#deps.failpoints?.forDevice(device).fires("watch.slowConsumer") !== true) return;
    throw this.#tooSlow("failpoint watch.slowConsumer says so");
  }

  #tooSlow(why: string): WireError {
    const afterSequence = String(this.#position);
    return new WireError(
      "SLOW_CONSUMER",
      `The client reads its events too slowly: ${why}; it can go on after sequence ${afterSequence}.`,
      { afterSequence },
    );
  }

  async #nextWake(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#deps.clock.startTimer(timeoutMs, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#wake = undefined;
  }
}

/** The error for a client that wants to continue after an event that is no longer kept or never existed. */
export function expired(sequence: number): WireError {
  return new WireError(
    "EVENTS_EXPIRED",
    `The events after sequence ${sequence} are gone, or the daemon has been restarted since: watch ` +
      `without afterSequence.`,
    { afterSequence: String(sequence) },
  );
}
