/**
 * A call that was let in: what becomes of it, until both its work and its connection's side of it have ended.
 */
import { type Caller, identityOf } from "../auth/authenticator.ts";
import { requireRole } from "../auth/authorize.ts";
import { type Rpc, roleOfRequest } from "../auth/rpc-access.ts";
import { type Failure, toFailure } from "../messages/wire-error.ts";
import { nameIn, subjectOf } from "./subject.ts";

export interface AdmittedCall {
  readonly requestId: string;
  readonly rpc: Rpc;
  readonly caller: Caller;
  /** Authenticates the caller anew. @throws WireError UNAUTHENTICATED or PERMISSION_DENIED */
  readonly recheck: () => void;
}

/** How a call ended, for the audit log. */
export interface Outcome {
  readonly resource: string | undefined;
  readonly transition: string | undefined;
  /** What the caller saw. */
  readonly code: string;
  /** What became of the work, where the caller did not see it. */
  readonly done: string | undefined;
  readonly reason: string | undefined;
}

export class Admission {
  readonly requestId: string;
  /**
   * Looks whether the caller would still be let in, for calls that have no end of their own.
   * @throws WireError UNAUTHENTICATED or PERMISSION_DENIED
   */
  readonly recheck: () => void;
  readonly #rpc: Rpc;
  readonly #caller: Caller;
  readonly #onEnd: (outcome: Outcome) => void;
  #isWorking = false;
  #isClosed = false;
  #resource: string | undefined;
  #transition: string | undefined;
  /** What is said first stays. */
  #result: Pick<Outcome, "code" | "reason"> | undefined;
  /** What the caller saw, where that is not the result. */
  #seen: Pick<Outcome, "code" | "reason"> | undefined;

  /** @param onEnd called once, at the end. */
  constructor({ requestId, rpc, caller, recheck }: AdmittedCall, onEnd: (outcome: Outcome) => void) {
    this.requestId = requestId;
    this.recheck = recheck;
    this.#rpc = rpc;
    this.#caller = caller;
    this.#onEnd = onEnd;
  }

  /** Who calls, such that no two have the same; undefined where callers are not told apart. */
  get identity(): string | undefined {
    return identityOf(this.#caller);
  }

  /** Whether it gets a line in the audit log, so that it matters what it is about. */
  get isAudited(): boolean {
    return this.#rpc.changes;
  }

  /**
   * Does the work of a unary call, which goes on when its client goes away.
   * @throws WireError PERMISSION_DENIED when this very request needs another role; and what `call` throws.
   */
  async run<Answer extends object>(request: object, call: () => Promise<Answer>): Promise<Answer> {
    this.#isWorking = true;
    try {
      this.examine(request);
      const answer = await call();
      if (this.isAudited && this.#rpc.method.output.typeName === "torpor.v1.Transition")
        this.#transition = nameIn(answer);
      this.succeeded();
      return answer;
    } catch (error) {
      this.failed(toFailure(error));
      throw error;
    } finally {
      this.#isWorking = false;
      this.#endIfOver();
    }
  }

  /**
   * Looks at the first message of a call.
   * @throws WireError PERMISSION_DENIED when it needs another role than the RPC.
   */
  examine(request: object): void {
    if (this.isAudited) this.concerns(subjectOf(request));
    const needed = roleOfRequest(this.#rpc, request);
    if (needed !== undefined) requireRole(this.#caller, needed, "This request");
  }

  /** Says what the call is about, where no message says it. */
  concerns(resource: string | undefined): void {
    this.#resource = resource;
  }

  succeeded(): void {
    this.#result ??= { code: "OK", reason: undefined };
  }

  failed({ status, reason, metadata }: Failure): void {
    this.#transition ??= metadata.transition;
    this.#result ??= { code: status, reason };
  }

  /**
   * Says that the connection's side of the call has ended, one way or another.
   * @param seen what the caller saw, where that is not known to be the result: it went away, or the wire
   * itself ended the call.
   */
  close(seen?: Pick<Outcome, "code" | "reason">): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#seen = seen;
    this.#endIfOver();
  }

  #endIfOver(): void {
    if (!this.#isClosed || this.#isWorking) return;
    const result = this.#result ?? this.#seen ?? { code: "CANCELLED", reason: undefined };
    const seen = this.#seen ?? result;
    const isSeen = seen.code === result.code;
    this.#onEnd({
      resource: this.#resource,
      transition: this.#transition,
      code: seen.code,
      done: isSeen ? undefined : result.code,
      reason: seen.reason ?? (isSeen ? result.reason : undefined),
    });
  }
}
