/** The client: every method of the contract, content streams, events, and running transitions. */
import type { Event } from "../contract/gen/torpor/v1/event.ts";
import type { Transition } from "../contract/gen/torpor/v1/power.ts";
import { type CallOptions, Channel, type ConnectOptions } from "./channel.ts";
import { type DownloadOptions, download, type UploadOptions, upload } from "./content-calls.ts";
import { type FollowOptions, followTransition } from "./follow-transition.ts";
import {
  type Methods,
  type RequestInput,
  type ResponseOf,
  UNARY_METHODS,
  type UnaryMethod,
} from "./methods.ts";
import { type WatchOptions, watchEvents } from "./watch-events.ts";

/**
 * One method for each unary RPC, by its name. Omitted fields have their defaults. Rejects with a TorporError.
 * The proto and /docs say what each method requires, does, and leaves behind on failure.
 */
export type UnaryCalls = {
  readonly [M in keyof Methods as Extract<M, UnaryMethod>]: UnaryCall<Extract<M, UnaryMethod>>;
};

type UnaryCall<M extends UnaryMethod> = (
  request?: RequestInput<M>,
  options?: CallOptions,
) => Promise<ResponseOf<M>>;

/** Makes all methods with the same few lines. Only the proto lists them. */
const UnaryClient = class {
  constructor(channel: Channel) {
    for (const [name, codec] of UNARY_METHODS) {
      Object.defineProperty(this, name, {
        value: async (request: unknown = {}, options: CallOptions = {}) =>
          channel.unary(codec, channel.identify(codec.complete(request)), options),
      });
    }
  }
} as unknown as new (
  channel: Channel,
) => UnaryCalls;

/** A connection to a daemon, made by `connect`. Close it, or declare it with `using`. */
export class TorporClient extends UnaryClient implements Disposable {
  readonly #channel: Channel;

  constructor(options: ConnectOptions) {
    const channel = new Channel(options);
    super(channel);
    this.#channel = channel;
  }

  /**
   * Writes the data from `source` into an object. This is not atomic and never retried: bytes that arrived
   * before an error stay. If the daemon refuses, this does not wait for a source that has no data. The caller
   * still owns that source.
   * @param object its resource name, such as devices/card0/objects/1
   * @returns how many bytes were written
   * @throws TorporError, or the error of the source
   */
  upload(object: string, source: AsyncIterable<Uint8Array>, options: UploadOptions = {}): Promise<number> {
    return upload(this.#channel, { object, source, options });
  }

  /**
   * Reads the content of an object, or a part of it. A reader that stops early ends the stream.
   * @param object its resource name, such as devices/card0/objects/1
   * @throws TorporError while iterating
   */
  download(object: string, options: DownloadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    return download(this.#channel, object, options);
  }

  /**
   * Yields a transition as it is, and again whenever it may have changed, until it has ended.
   * @param name its resource name, such as devices/card0/transitions/1
   * @throws TorporError while iterating
   */
  followTransition(name: string, options: FollowOptions = {}): AsyncGenerator<Transition, void, undefined> {
    const watch = (watched: WatchOptions) => watchEvents(this.#channel, watched);
    return followTransition({ look: this.getTransition, watch }, name, options);
  }

  /**
   * Yields the events of devices until `signal` aborts. It starts with the present state, which ends with the
   * first bookmark, or after `afterSequence`. It reconnects without gaps or repetitions.
   * @throws TorporError while iterating: EVENTS_EXPIRED if events are gone, such as after a restart of the
   * daemon
   */
  watchEvents(options: WatchOptions = {}): AsyncGenerator<Event, void, undefined> {
    return watchEvents(this.#channel, options);
  }

  /** Ends all calls in progress and the connection. */
  close(): void {
    this.#channel.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * A client of the daemon at `options.address`. It connects on the first call, which fails if nobody answers.
 * @throws TorporError INVALID_ARGUMENT if the address or token is malformed
 */
export function connect(options: ConnectOptions): TorporClient {
  return new TorporClient(options);
}
