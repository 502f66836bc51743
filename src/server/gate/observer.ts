/** What the wires tell of each finished call and of streams of content, for metrics. Observers must not throw. */

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

export interface WireObserver {
  onCallEnd?(call: CallEnd): void;
  onHttpEnd?(request: HttpEnd): void;
  onContentBegin?(direction: ContentDirection): void;
  /** Once for each beginning, however the stream ended. */
  onContentEnd?(direction: ContentDirection): void;
}
