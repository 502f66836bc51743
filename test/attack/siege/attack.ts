/**
 * What an attack is: a bounded number of hostile acts, over real sockets, against a daemon of our own on
 * loopback.
 */

/** Where a daemon listens, over TLS. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface Target {
  readonly http: Endpoint;
  readonly grpc: Endpoint;
  /** Tokens by role, for attacks of callers. */
  readonly tokens: { readonly viewer: string; readonly operator: string };
}

export interface Bounds {
  /** Ended when the time is over; every attack gives up its sockets then. */
  readonly signal: AbortSignal;
  /** How many connections an attack holds at once. */
  readonly connections: number;
  /** How many acts it does in all, over all of them. */
  readonly acts: number;
}

/** What was done, for the report. */
export interface Done {
  readonly acts: number;
  /** What went out. Unit: bytes. */
  readonly sentBytes: number;
}

export interface Attack {
  readonly name: string;
  /** Who can do it: somebody without credentials, or the holder of such a token. */
  readonly by: "stranger" | "viewer" | "operator";
  /**
   * Does it until it has done all or its time is over. Never rejects because the daemon ends its connections.
   */
  run(target: Target, bounds: Bounds): Promise<Done>;
}
