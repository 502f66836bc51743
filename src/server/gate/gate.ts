/**
 * The one gate before both wires: who calls, whether they may, and whether there is room. What passes gets an
 * Admission, which holds its place until the call has ended.
 */
import type { FastifyBaseLogger } from "fastify";
import type { Authenticator, Caller, Credentials } from "../auth/authenticator.ts";
import { requireRole } from "../auth/authorize.ts";
import { type Rpc, requireRpc } from "../auth/rpc-access.ts";
import { CALLS_IN_PROGRESS_MAX, CALLS_RESERVED, STREAMS_MAX } from "../limits.ts";
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
  /** Unary calls in progress. @default CALLS_IN_PROGRESS_MAX */
  readonly callsMax?: number;
  /** Streams that are open. @default STREAMS_MAX */
  readonly streamsMax?: number;
}

export interface ArrivingCall {
  /** `torpor.v1.PowerService/Suspend`. */
  readonly rpc: string;
  readonly requestId: string;
  readonly credentials: Credentials;
}

/** What is known of a call that is refused before its credentials are looked at. */
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

export class Gate {
  readonly #authenticator: Authenticator;
  readonly #audit: AuditLog;
  readonly #rate: CallRate | undefined;
  readonly #isOverloaded: () => boolean;
  readonly #now: () => number;
  readonly #callsMax: number;
  readonly #streamsMax: number;
  #calls = 0;
  #streams = 0;

  constructor(options: GateOptions) {
    this.#authenticator = options.authenticator;
    this.#now = options.now ?? (() => performance.now());
    this.#audit = new AuditLog(options.log, this.#now);
    this.#rate = options.rate;
    this.#isOverloaded = options.isOverloaded ?? (() => false);
    this.#callsMax = options.callsMax ?? CALLS_IN_PROGRESS_MAX;
    this.#streamsMax = options.streamsMax ?? STREAMS_MAX;
  }

  /**
   * Lets a call in, before anything of its body is read. The caller closes the admission.
   * @returns undefined for what is open to everybody.
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
      this.#refuseFull(rpc);
    } catch (error) {
      this.#auditRefusal(rpc, { requestId, peer: credentials.peer, caller, error, startMs });
      throw error;
    }
    const isUnary = rpc.method.methodKind === "unary";
    if (isUnary) this.#calls++;
    else this.#streams++;
    const { peer } = credentials;
    const { role } = rpc;
    const recheck = () => requireRole(this.#authenticator.authenticate(credentials), role, name);
    return new Admission({ requestId, rpc, caller, recheck }, (outcome) => {
      if (isUnary) this.#calls--;
      else this.#streams--;
      const durationMs = this.#now() - startMs;
      if (rpc.changes) this.#audit.write({ rpc: name, requestId, peer, caller, durationMs, ...outcome });
    });
  }

  /** Calls and streams that were let in and have not ended. */
  get inProgress(): number {
    return this.#calls + this.#streams;
  }

  /** Puts on record what was refused before it came to `admit`, if it would have changed something. */
  refused({ rpc, requestId, peer }: RefusedCall, error: unknown): void {
    this.#auditRefusal(requireRpc(rpc), { requestId, peer, caller: undefined, error, startMs: this.#now() });
  }

  /** Lets in who may read what is no RPC: metrics and documentation. @throws WireError */
  admitReader(credentials: Credentials): void {
    requireRole(this.#authenticator.authenticate(credentials), "viewer", "This page");
  }

  #auditRefusal({ name: rpc, changes }: Rpc, { error, startMs, ...call }: Refusal): void {
    if (!changes) return;
    const { status: code, reason } = toFailure(error);
    const durationMs = this.#now() - startMs;
    const unknown = { resource: undefined, transition: undefined, done: undefined };
    this.#audit.write({ rpc, ...call, ...unknown, code, reason, durationMs });
  }

  #refuseTooMany({ relieves }: Rpc, peer: string): void {
    if (this.#rate?.take(peer) === false) {
      throw new WireError("OVERLOADED", `Client ${peer} makes more calls a second than --call-rate allows.`, {
        peer,
      });
    }
    if (!relieves && this.#isOverloaded()) {
      throw new WireError("OVERLOADED", "The daemon is too busy for further calls.");
    }
  }

  #refuseFull({ method, relieves }: Rpc): void {
    if (method.methodKind !== "unary") {
      if (this.#streams < this.#streamsMax) return;
      throw new WireError("OVERLOADED", `${this.#streams} streams are open, and the daemon takes no more.`, {
        streams: String(this.#streams),
      });
    }
    const callsMax = relieves ? this.#callsMax + CALLS_RESERVED : this.#callsMax;
    if (this.#calls < callsMax) return;
    throw new WireError("OVERLOADED", `${this.#calls} calls are in progress, and the daemon takes no more.`, {
      calls: String(this.#calls),
    });
  }
}
