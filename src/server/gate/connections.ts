/**
 * The connections of one wire. A connection is unknown until a call on it was let in. Unknown connections
 * have a bound of their own, within which the oldest makes way, and a limited rate of calls. So a crowd of
 * strangers shuts nobody out.
 *
 * A connection that exceeds its limits is not read any more and is closed later. A stranger cut off at once
 * would be back at once, and a handshake costs more than a call. Addresses are not blocked, because others
 * may share them.
 */
import type { Server, Socket } from "node:net";
import {
  CONNECTIONS_MAX,
  FLOOD_PAUSE_MS,
  UNKNOWN_CALLS_FREE,
  UNKNOWN_CALLS_OF_ALL_PER_SECOND,
  UNKNOWN_CALLS_PER_SECOND,
  UNKNOWN_CONNECTIONS_MAX,
} from "../limits.ts";
import type { ConnectionEnd, StrangerObserver, Wire } from "./observer.ts";
import { stopReading } from "./stop-reading.ts";
import { TokenBucket } from "./token-bucket.ts";

/** The other end of a connection, as Node's sockets report it. Both are undefined on a unix socket. */
export interface RemoteEnd {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

export interface ConnectionsOptions {
  readonly wire: Wire;
  readonly observer?: StrangerObserver | undefined;
  /** @default CONNECTIONS_MAX */
  readonly max?: number;
  /** @default UNKNOWN_CONNECTIONS_MAX */
  readonly unknownMax?: number;
  /** Milliseconds of a clock that never goes back. @default performance.now */
  readonly now?: () => number;
}

/** An ended connection gets no more answers and is not read. It is closed soon. */
type State = "unknown" | "known" | "ended";

interface Connection {
  readonly key: string;
  /** The socket that was accepted, below TLS. */
  readonly socket: Socket;
  readonly calls: TokenBucket;
  callsMade: number;
  state: State;
}

export class Connections {
  readonly #wire: Wire;
  readonly #observer: StrangerObserver | undefined;
  readonly #max: number;
  readonly #unknownMax: number;
  readonly #now: () => number;
  readonly #callsOfAll: TokenBucket;
  readonly #all = new Map<string, Connection>();
  /** The unknown connections, oldest first. */
  readonly #unknown = new Set<Connection>();
  /** Unknown connections that have ended but still take a place. They make way first. */
  readonly #ended = new Set<Connection>();
  #count = 0;

  constructor({ wire, observer, ...options }: ConnectionsOptions) {
    this.#wire = wire;
    this.#observer = observer;
    this.#max = options.max ?? CONNECTIONS_MAX;
    this.#unknownMax = options.unknownMax ?? UNKNOWN_CONNECTIONS_MAX;
    this.#now = options.now ?? (() => performance.now());
    this.#callsOfAll = new TokenBucket(UNKNOWN_CALLS_OF_ALL_PER_SECOND, this.#now);
    this.#tell();
  }

  /**
   * Counts and bounds the connections of a server from now on. It must not listen yet. Several servers, one
   * for each address of a name, share the bounds.
   */
  guard(server: Server): void {
    server.maxConnections = this.#max;
    server.on("drop", () => this.#observer?.onConnectionEnd?.(this.#wire, "full"));
    server.on("connection", (socket) => this.#add(socket));
  }

  /**
   * Marks a connection as known, because a call on it was let in. Returns whether it was unknown until now.
   */
  know(end: RemoteEnd): boolean {
    const connection = this.#all.get(keyOf(end));
    if (connection?.state !== "unknown") return false;
    connection.state = "known";
    this.#unknown.delete(connection);
    this.#tell();
    return true;
  }

  /**
   * Counts a call. False if an unknown connection makes too many: the call gets no answer, and the connection
   * soon ends.
   */
  take(end: RemoteEnd): boolean {
    const connection = this.#all.get(keyOf(end));
    if (connection === undefined || connection.state === "known") return true;
    if (connection.state === "ended" || !this.#mayCall(connection)) {
      this.#observer?.onCallUnanswered?.(this.#wire);
      this.#end(connection, "flood");
      return false;
    }
    return true;
  }

  /**
   * Records that the input is unreadable, so that the connection must end. Returns false for an unknown
   * connection, which is held for a while and closed here.
   */
  broke(end: RemoteEnd): boolean {
    const connection = this.#all.get(keyOf(end));
    if (connection === undefined || connection.state === "known") return true;
    this.#end(connection, "broken");
    return false;
  }

  #mayCall(connection: Connection): boolean {
    const isFree = ++connection.callsMade <= UNKNOWN_CALLS_FREE;
    // Takes from both buckets, so that free calls count as well.
    const isWithinAll = this.#callsOfAll.take();
    return connection.calls.take() && (isWithinAll || isFree);
  }

  #add(socket: Socket): void {
    this.#count++;
    const key = keyOf(socket);
    // Anybody who can connect to a unix socket is its owner, and there is no port to tell connections apart.
    const connection = key === "" ? undefined : this.#newcomer(key, socket);
    socket.once("close", () => {
      this.#count--;
      if (connection !== undefined) this.#forget(connection);
      this.#tell();
    });
    if (this.#count > this.#max) {
      this.#observer?.onConnectionEnd?.(this.#wire, "full");
      socket.destroy();
    } else if (this.#unknown.size > this.#unknownMax) this.#makeWay();
    this.#tell();
  }

  #newcomer(key: string, socket: Socket): Connection {
    const calls = new TokenBucket(UNKNOWN_CALLS_PER_SECOND, this.#now);
    const connection: Connection = { key, socket, calls, callsMade: 0, state: "unknown" };
    this.#all.set(key, connection);
    this.#unknown.add(connection);
    return connection;
  }

  #makeWay(): void {
    const [oldest] = this.#ended.size > 0 ? this.#ended : this.#unknown;
    if (oldest === undefined) return;
    this.#unknown.delete(oldest);
    this.#ended.delete(oldest);
    if (oldest.state !== "ended") this.#observer?.onConnectionEnd?.(this.#wire, "crowd");
    oldest.state = "ended";
    oldest.socket.destroy();
  }

  #forget(connection: Connection): void {
    this.#unknown.delete(connection);
    this.#ended.delete(connection);
    if (this.#all.get(connection.key) === connection) this.#all.delete(connection.key);
  }

  /** It stays among the unknown connections, so that it can be closed to make room. */
  #end(connection: Connection, why: ConnectionEnd): void {
    // Each time again, because Node continues to read once it has written its output.
    if (!stopReading(connection.socket)) connection.socket.destroy();
    if (connection.state === "ended") return;
    connection.state = "ended";
    this.#ended.add(connection);
    this.#observer?.onConnectionEnd?.(this.#wire, why);
    setTimeout(() => connection.socket.destroy(), FLOOD_PAUSE_MS).unref();
  }

  #tell(): void {
    this.#observer?.onConnections?.(this.#wire, this.#count, this.#unknown.size);
  }
}

function keyOf({ remoteAddress, remotePort }: RemoteEnd): string {
  return remoteAddress === undefined ? "" : `${remoteAddress} ${remotePort}`;
}
