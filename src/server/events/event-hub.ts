/** The events of all devices of a daemon: devices report to it, and watchers read from it. */
import type { Clock, Timer } from "../../device/clock.ts";
import type { EventSink } from "../../device/events.ts";
import type { Failpoints } from "../../device/failpoints.ts";
import { Pool } from "../api/pool.ts";
import {
  EVENT_LOG_BYTES_MAX,
  EVENT_LOG_EVENTS_MAX,
  EVENT_LOG_KEPT_MS,
  EVENTS_PENDING_MAX,
  WATCH_BACKLOG_BYTES_MAX,
  WATCH_BACKLOG_EVENTS_MAX,
  WATCH_SLICE_BYTES,
  WATCHERS_MAX,
} from "../limits.ts";
import { WireError } from "../messages/wire-error.ts";
import { Deliveries } from "./deliveries.ts";
import { EventLog, type ToldEvent } from "./event-log.ts";
import { Recorder, type WatchedDevice } from "./recorder.ts";
import { expired, Watcher, type WatchOptions } from "./watcher.ts";

export interface EventHubOptions {
  readonly clock: Clock;
  readonly failpoints?: Failpoints | undefined;
  readonly observer?: EventObserver;
  /**
   * The sequence before that of the first event. It is random in each run of the daemon, so that nobody
   * continues from a position in another run. @default 0
   */
  readonly baseSequence?: number;
  /** For tests. @default those of limits.ts */
  readonly limits?: Partial<EventLimits>;
}

/** Observes watchers. */
export interface EventObserver {
  /** The number of watchers has changed. */
  onWatchers(count: number): void;
  /** A watcher read so slowly that its stream was ended. */
  onDropped(): void;
}

export interface EventLimits {
  readonly logEventsMax: number;
  readonly logBytesMax: number;
  readonly logKeptMs: number;
  readonly backlogEventsMax: number;
  readonly backlogBytesMax: number;
  readonly pendingMax: number;
  readonly watchersMax: number;
}

const LIMITS: EventLimits = {
  logEventsMax: EVENT_LOG_EVENTS_MAX,
  logBytesMax: EVENT_LOG_BYTES_MAX,
  logKeptMs: EVENT_LOG_KEPT_MS,
  backlogEventsMax: WATCH_BACKLOG_EVENTS_MAX,
  backlogBytesMax: WATCH_BACKLOG_BYTES_MAX,
  pendingMax: EVENTS_PENDING_MAX,
  watchersMax: WATCHERS_MAX,
};

const WATCHERS = { things: "watchers", are: "open", reason: "LIMIT_EXCEEDED" } as const;

export class EventHub {
  readonly #clock: Clock;
  readonly #failpoints: Failpoints | undefined;
  readonly #observer: EventObserver | undefined;
  readonly #limits: EventLimits;
  readonly #log: EventLog;
  readonly #recorder: Recorder;
  readonly #places: Pool;
  readonly #deliveries: Deliveries;
  /** Each with what gives its place back. */
  readonly #watchers = new Map<Watcher, () => void>();
  /** Runs while nobody watches and the log is still kept. */
  #forgetting: Timer | undefined;
  #isClosed = false;

  constructor({ clock, failpoints, observer, limits, baseSequence }: EventHubOptions) {
    this.#clock = clock;
    this.#observer = observer;
    this.#failpoints = failpoints;
    this.#limits = { ...LIMITS, ...limits };
    this.#deliveries = new Deliveries(clock, WATCH_SLICE_BYTES);
    this.#places = new Pool(WATCHERS, this.#limits.watchersMax);
    const { logEventsMax, logBytesMax, pendingMax } = this.#limits;
    this.#log = new EventLog({ eventsMax: logEventsMax, bytesMax: logBytesMax }, baseSequence);
    const onWritten = () => this.#onWritten();
    this.#recorder = new Recorder({ clock, log: this.#log, onWritten, pendingMax });
  }

  /** The event sink of a device. Events before `addDevice` are dropped. */
  sinkOf(device: string): EventSink {
    return (event) => this.#recorder.tell(device, event);
  }

  /** Legal before the first watcher. */
  addDevice(device: WatchedDevice): void {
    this.#recorder.add(device);
  }

  failpointHit(failpoint: string, device: string): void {
    this.#recorder.tell(device, { type: "failpointHit", failpoint });
  }

  /**
   * A stream of events.
   * @throws WireError LIMIT_EXCEEDED, EVENTS_EXPIRED, SHUTTING_DOWN; later SLOW_CONSUMER
   */
  async *watch(options: WatchOptions): AsyncGenerator<ToldEvent, void, undefined> {
    if (this.#isClosed) throw shuttingDown();
    const { backlogEventsMax, backlogBytesMax } = this.#limits;
    this.#places.requireRoom(options.caller);
    const position = this.#positionFor(options);
    const watcher = new Watcher(
      {
        clock: this.#clock,
        log: this.#log,
        failpoints: this.#failpoints,
        deliveries: this.#deliveries,
        backlogMax: { events: backlogEventsMax, bytes: backlogBytesMax },
      },
      options,
      position,
    );
    this.#watchers.set(watcher, this.#places.take(options.caller));
    this.#observer?.onWatchers(this.#watchers.size);
    this.#forgetting?.cancel();
    try {
      yield* watcher.events();
    } catch (error) {
      if (error instanceof WireError && error.reason === "SLOW_CONSUMER") this.#drop(watcher);
      throw error;
    } finally {
      this.#leave(watcher);
      this.#forgetLater();
    }
  }

  /** Ends every stream with SHUTTING_DOWN, and writes no more events. */
  close(): void {
    this.#isClosed = true;
    for (const watcher of this.#watchers.keys()) watcher.end(shuttingDown());
    this.#forget();
  }

  /**
   * The position in the log where a watcher begins; undefined to begin with the present state.
   * @throws WireError EVENTS_EXPIRED
   */
  #positionFor({ afterSequence, restarts = false }: WatchOptions): number | undefined {
    if (afterSequence !== undefined) {
      if (this.#recorder.isOn && this.#log.isKept(afterSequence)) return afterSequence;
      if (!restarts) throw expired(afterSequence);
    }
    if (!this.#recorder.isOn) {
      // Nothing was written meanwhile, so nobody can continue from before.
      this.#log.breakOff();
      this.#recorder.start();
    }
    return undefined;
  }

  #onWritten(): void {
    for (const watcher of this.#watchers.keys()) if (!watcher.onWritten()) this.#drop(watcher);
  }

  /** The watcher notices its end only when it reads again, if ever, so it is counted at once. */
  #drop(watcher: Watcher): void {
    if (this.#leave(watcher)) this.#observer?.onDropped();
  }

  #leave(watcher: Watcher): boolean {
    const leave = this.#watchers.get(watcher);
    if (leave === undefined) return false;
    this.#watchers.delete(watcher);
    leave();
    this.#observer?.onWatchers(this.#watchers.size);
    return true;
  }

  #forgetLater(): void {
    if (this.#watchers.size > 0 || this.#isClosed) return;
    this.#forgetting?.cancel();
    this.#forgetting = this.#clock.startTimer(this.#limits.logKeptMs, () => this.#forget());
  }

  #forget(): void {
    this.#forgetting?.cancel();
    this.#recorder.stop();
    this.#log.breakOff();
  }
}

function shuttingDown(): WireError {
  return new WireError("SHUTTING_DOWN", "The daemon is shutting down.");
}
