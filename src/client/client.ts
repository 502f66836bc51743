/** The client: every method of the contract, content streams, events, and transitions as they run. */
import type { Event } from "../contract/gen/torpor/v1/event.ts";
import type { Transition } from "../contract/gen/torpor/v1/power.ts";
import { type CallOptions, Channel, type ConnectOptions } from "./channel.ts";
import { type DownloadOptions, download, type UploadOptions, upload } from "./content.ts";
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
 * One method for each unary RPC, by its name. Fields of the request that are left out have their default.
 * Rejects with a TorporError. What the method needs, what success does and what failure leaves is said in the
 * proto and in /docs.
 */
export type UnaryCalls = {
  readonly [M in keyof Methods as Extract<M, UnaryMethod>]: UnaryCall<Extract<M, UnaryMethod>>;
};

type UnaryCall<M extends UnaryMethod> = (
  request?: RequestInput<M>,
  options?: CallOptions,
) => Promise<ResponseOf<M>>;

/** Makes the methods: they are the same few lines for each, and the proto is their only list. */
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

/** A connection to a daemon. Made by `connect`; close it, or declare it with `using`. */
export class TorporClient extends UnaryClient implements Disposable {
  readonly #channel: Channel;

  constructor(options: ConnectOptions) {
    const channel = new Channel(options);
    super(channel);
    this.#channel = channel;
  }

  /**
   * Writes what `source` gives into an object. Not atomic and never retried: bytes that arrived before an
   * error stay. A refusal does not wait for a source that has nothing to give, which stays with its owner
   * then.
   * @param object its resource name, such as devices/card0/objects/1
   * @returns how many bytes were written
   * @throws TorporError, or what the source threw
   */
  upload(object: string, source: AsyncIterable<Uint8Array>, options: UploadOptions = {}): Promise<number> {
    return upload(this.#channel, { object, source, options });
  }

  /**
   * Reads the content of an object, or a part of it. A reader that stops early ends the stream.
   * @param object its resource name, such as devices/card0/objects/1
   * @throws TorporError, by the iteration
   */
  download(object: string, options: DownloadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    return download(this.#channel, object, options);
  }

  /**
   * Gives a transition as it is, and again whenever there may be news, until it has ended.
   * @param name its resource name, such as devices/card0/transitions/1
   * @throws TorporError, by the iteration
   */
  followTransition(name: string, options: FollowOptions = {}): AsyncGenerator<Transition, void, undefined> {
    const watch = (watched: WatchOptions) => watchEvents(this.#channel, watched);
    return followTransition({ look: this.getTransition, watch }, name, options);
  }

  /**
   * Gives what happens to devices, as it happens, until `signal` is aborted. Begins with the present state,
   * which the first bookmark ends, or after `afterSequence`. Connections that are lost are made again without
   * a gap or a repetition.
   * @throws TorporError, by the iteration: EVENTS_EXPIRED when events are gone, as after a restart of the
   * daemon
   */
  watchEvents(options: WatchOptions = {}): AsyncGenerator<Event, void, undefined> {
    return watchEvents(this.#channel, options);
  }

  /** Ends calls under way, and the connection. */
  close(): void {
    this.#channel.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * A client of the daemon at `options.address`. Connects at the first call, which fails when nobody answers.
 * @throws TorporError INVALID_ARGUMENT when address or token make no sense
 */
export function connect(options: ConnectOptions): TorporClient {
  return new TorporClient(options);
}
