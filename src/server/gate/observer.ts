/**
 * The wires report each finished call and each content stream to an observer, for metrics. Observers must not
 * throw.
 */

export interface CallEnd {
  /** `torpor.v1.PowerService`. */
  readonly service: string;
  readonly method: string;
  /** Name of the status code, such as OK or FAILED_PRECONDITION. */
  readonly code: string;
  readonly seconds: number;
}

export interface HttpEnd {
  /** The pattern that matched. Never the path of the request itself. */
  readonly route: string;
  readonly method: string;
  readonly status: number;
  readonly seconds: number;
}

/** From the client's side: `read` means that it reads from an object. */
export type ContentDirection = "read" | "write";

export type Wire = "rest" | "grpc";

/**
 * Why a connection was ended: others had no room beside it, or it made too many calls or broke HTTP/2 before
 * anybody was known on it.
 */
export type ConnectionEnd = "broken" | "crowd" | "flood" | "full";

/** Why the call of an unknown client was refused without being read. */
export type TurnedAway = "compressed" | "metadata" | "path" | "size" | "room";

/** Services that are open to everybody, and so need limits of their own. */
export interface StrangerObserver {
  /** @param unknown connections on which no call has been let in yet */
  onConnections?(wire: Wire, all: number, unknown: number): void;
  onConnectionEnd?(wire: Wire, why: ConnectionEnd): void;
  /** A call on a connection that made too many: nothing looked at it. */
  onCallUnanswered?(wire: Wire): void;
  onOpenCalls?(count: number): void;
  onHealthWatches?(count: number): void;
  onTurnedAway?(why: TurnedAway): void;
  /** A log line was dropped, because strangers cause too many. */
  onLineThrottled?(): void;
}

export interface WireObserver extends StrangerObserver {
  onCallEnd?(call: CallEnd): void;
  onHttpEnd?(request: HttpEnd): void;
  onContentBegin?(direction: ContentDirection): void;
  /** Called once for each beginning, however the stream ended. */
  onContentEnd?(direction: ContentDirection): void;
}
