/**
 * The one gate in front of both wires. It decides who calls, whether they may, and whether there is room. A
 * call that passes gets an Admission, which holds its place until the call has ended.
 */
import type { FastifyBaseLogger } from "fastify";
import { Pool } from "../api/pool.ts";
import { type Authenticator, type Caller, type Credentials, identityOf } from "../auth/authenticator.ts";
import { requireRole } from "../auth/authorize.ts";
import { type Rpc, requireRpc } from "../auth/rpc-access.ts";
import { CALLS_IN_PROGRESS_MAX, CALLS_RESERVED, REFLECTION_STREAMS_MAX, STREAMS_MAX } from "../limits.ts";
import { toFailure, WireError } from "../messages/wire-error.ts";
import { Admission } from "./admission.ts";
import { AuditLog } from "./audit.ts";
import type { CallRate } from "./call-rate.ts";

export interface GateOptions {
  readonly authenticator: Authenticator;
  readonly log: FastifyBaseLogger;
  /** @default none: clients may call as often as they like */
  readonly rate?: CallRate | undefined;
  /** Whether the daemon is too busy for new calls. @default never */
  readonly isOverloaded?: () => boolean;
  /** Milliseconds of a clock that never goes back. @default performance.now */
  readonly now?: () => number;
  /** Most unary calls in progress. @default CALLS_IN_PROGRESS_MAX */
  readonly callsMax?: number;
  /** Most open streams. @default STREAMS_MAX */
  readonly streamsMax?: number;
}

export interface ArrivingCall {
  /** `torpor.v1.PowerService/Suspend`. */
  readonly rpc: string;
  readonly requestId: string;
  readonly credentials: Credentials;
}

/** The facts about a call that is refused before its credentials are checked. */
export interface RefusedCall {
  readonly rpc: string;
  readonly requestId: string;
  readonly peer: string;
}

interface Refusal extends Omit<RefusedCall, "rpc"> {
  readonly caller: Caller | undefined;
  readonly error: unknown;
  readonly startMs: number;
}

const CALLS = { things: "calls", are: "in progress" };
const STREAMS = { things: "streams", are: "open" };

export class Gate {
  readonly #authenticator: Authenticator;
  readonly #audit: AuditLog;
  readonly #rate: CallRate | undefined;
  readonly #isOverloaded: () => boolean;
  readonly #now: () => number;
  readonly #calls: Pool;
  readonly #streams: Pool;
  readonly #reflections = new Pool(STREAMS, REFLECTION_STREAMS_MAX);

  constructor(options: GateOptions) {
    this.#authenticator = options.authenticator;
    this.#now = options.now ?? (() => performance.now());
    this.#audit = new AuditLog(options.log, this.#now);
    this.#rate = options.rate;
    this.#isOverloaded = options.isOverloaded ?? (() => false);
    this.#calls = new Pool(CALLS, options.callsMax ?? CALLS_IN_PROGRESS_MAX);
    this.#streams = new Pool(STREAMS, options.streamsMax ?? STREAMS_MAX);
  }

  /**
   * Lets a call in before any of its body is read. The caller closes the admission.
   * @returns undefined for methods that are open to everybody.
   * @throws WireError OVERLOADED, UNAUTHENTICATED or PERMISSION_DENIED
   */
  admit({ rpc: name, requestId, credentials }: ArrivingCall): Admission | undefined {
    const rpc = requireRpc(name);
    if (rpc.role === undefined) return undefined;
    const startMs = this.#now();
    let caller: Caller | undefined;
    try {
      this.#refuseTooMany(rpc, credentials.peer);
      caller = this.#authenticator.authenticate(credentials);
      requireRole(caller, rpc.role, name);
      this.#poolOf(rpc).requireRoom(identityOf(caller), rpc.relieves ? CALLS_RESERVED : 0);
    } catch (error) {
      this.#auditRefusal(rpc, { requestId, peer: credentials.peer, caller, error, startMs });
      throw error;
    }
    const leave = this.#poolOf(rpc).take(identityOf(caller));
    const { peer } = credentials;
    const { role } = rpc;
    const recheck = () => requireRole(this.#authenticator.authenticate(credentials), role, name);
    return new Admission({ requestId, rpc, caller, recheck }, (outcome) => {
      leave();
      const durationMs = this.#now() - startMs;
      if (rpc.changes) this.#audit.write({ rpc: name, requestId, peer, caller, durationMs, ...outcome });
    });
  }

  /** Calls and streams that were let in and have not ended. */
  get inProgress(): number {
    return this.#calls.taken + this.#streams.taken + this.#reflections.taken;
  }

  /** Records a call that was refused before it reached `admit`, if it would have changed something. */
  refused({ rpc, requestId, peer }: RefusedCall, error: unknown): void {
    this.#auditRefusal(requireRpc(rpc), { requestId, peer, caller: undefined, error, startMs: this.#now() });
  }

  /** Lets in a caller that may read pages outside the RPCs: metrics and documentation. @throws WireError */
  admitReader(credentials: Credentials): void {
    requireRole(this.#authenticator.authenticate(credentials), "viewer", "This page");
  }

  #auditRefusal({ name: rpc, changes }: Rpc, { error, startMs, ...call }: Refusal): void {
    if (!changes) return;
    const { status: code, reason } = toFailure(error);
    const durationMs = this.#now() - startMs;
    const unknown = { resource: undefined, transition: undefined, done: undefined };
    this.#audit.writeRefusal({ rpc, ...call, ...unknown, code, reason, durationMs });
  }

  #refuseTooMany({ relieves }: Rpc, peer: string): void {
    const isTooOften = this.#rate?.take(peer) === false;
    // Behind one address there may be others who call too often.
    if (isTooOften && !relieves) {
      throw new WireError("OVERLOADED", `Client ${peer} makes more calls a second than --call-rate allows.`, {
        peer,
      });
    }
    if (!relieves && this.#isOverloaded()) {
      throw new WireError("OVERLOADED", "The daemon is too busy for further calls.");
    }
  }

  #poolOf({ name, method }: Rpc): Pool {
    if (method.methodKind === "unary") return this.#calls;
    return name.startsWith("grpc.reflection.") ? this.#reflections : this.#streams;
  }
}
