/**
 * What the wires tell of each finished call and of streams of content, for metrics. Observers must not throw.
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
  /** The pattern that matched, never the path of the request. */
  readonly route: string;
  readonly method: string;
  readonly status: number;
  readonly seconds: number;
}

/** As the client sees it: what it reads comes from an object. */
export type ContentDirection = "read" | "write";

export type Wire = "rest" | "grpc";

/**
 * Why a connection was ended: others had no room beside it, or it made too many calls or broke HTTP/2 before
 * anybody was known on it.
 */
export type ConnectionEnd = "broken" | "crowd" | "flood" | "full";

/** Why a call of somebody unknown was refused before it was looked at. */
export type TurnedAway = "compressed" | "metadata" | "path" | "size" | "room";

/** What is open to everybody, and so needs bounds of its own. */
export interface StrangerObserver {
  /** @param unknown those on which no call was let in yet */
  onConnections?(wire: Wire, all: number, unknown: number): void;
  onConnectionEnd?(wire: Wire, why: ConnectionEnd): void;
  /** A call on a connection that made too many: nothing looked at it. */
  onCallUnanswered?(wire: Wire): void;
  onOpenCalls?(count: number): void;
  onHealthWatches?(count: number): void;
  onTurnedAway?(why: TurnedAway): void;
  /** A line of the log that is not shown, because strangers cause too many. */
  onLineThrottled?(): void;
}

export interface WireObserver extends StrangerObserver {
  onCallEnd?(call: CallEnd): void;
  onHttpEnd?(request: HttpEnd): void;
  onContentBegin?(direction: ContentDirection): void;
  /** Once for each beginning, however the stream ended. */
  onContentEnd?(direction: ContentDirection): void;
}
