/** A call that was let in. It is tracked until its work and its connection's side have both ended. */
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

/** The end of a call, for the audit log. */
export interface Outcome {
  readonly resource: string | undefined;
  readonly transition: string | undefined;
  /** The result that the caller saw. */
  readonly code: string;
  /** The result of the work, if the caller did not see it. */
  readonly done: string | undefined;
  readonly reason: string | undefined;
}

export class Admission {
  readonly requestId: string;
  /**
   * Checks whether the caller would still be let in. This is for calls that have no end of their own.
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
  /** The first result stays. */
  #result: Pick<Outcome, "code" | "reason"> | undefined;
  /** What the caller saw, if that differs from the result. */
  #seen: Pick<Outcome, "code" | "reason"> | undefined;

  /** @param onEnd called once, when the call has ended. */
  constructor({ requestId, rpc, caller, recheck }: AdmittedCall, onEnd: (outcome: Outcome) => void) {
    this.requestId = requestId;
    this.recheck = recheck;
    this.#rpc = rpc;
    this.#caller = caller;
    this.#onEnd = onEnd;
  }

  /** An identity that no two callers share; undefined if callers are not told apart. */
  get identity(): string | undefined {
    return identityOf(this.#caller);
  }

  /** Whether the call gets a line in the audit log, so that the resource it concerns matters. */
  get isAudited(): boolean {
    return this.#rpc.changes;
  }

  /**
   * Does the work of a unary call. The work continues if the client leaves.
   * @throws WireError PERMISSION_DENIED if this particular request needs another role; and the errors of
   * `call`.
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
   * Checks the first message of a call.
   * @throws WireError PERMISSION_DENIED if it needs a higher role than the RPC.
   */
  examine(request: object): void {
    if (this.isAudited) this.concerns(subjectOf(request));
    const needed = roleOfRequest(this.#rpc, request);
    if (needed !== undefined) requireRole(this.#caller, needed, "This request");
  }

  /** Sets the resource that the call concerns, when no message names it. */
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
   * Records that the connection's side of the call has ended, for whatever reason.
   * @param seen what the caller saw, if that may differ from the result: the caller left, or the wire itself
   * ended the call.
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
