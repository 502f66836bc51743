/** The audit log: one line for each call that changes something, whoever made it and however it ended. */
import type { FastifyBaseLogger } from "fastify";
import type { Caller } from "../auth/authenticator.ts";
import {
  AUDIT_REFUSALS_AT_ONCE,
  AUDIT_REFUSALS_OF_CALLER_PER_SECOND,
  AUDIT_REFUSALS_PER_SECOND,
  AUDIT_TEXT_LENGTH_MAX,
} from "../limits.ts";
import { CallRate } from "./call-rate.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface AuditedCall {
  readonly rpc: string;
  readonly requestId: string;
  readonly peer: string;
  /** Undefined if the call was refused before its caller was known. */
  readonly caller: Caller | undefined;
  /** Name of the resource that the call concerns, or of its parent; undefined if it was not read. */
  readonly resource: string | undefined;
  readonly transition: string | undefined;
  /** Name of the google.rpc.Code that the caller saw; CANCELLED if the caller had left before. */
  readonly code: string;
  /** The result of the work, if the caller did not see it. */
  readonly done: string | undefined;
  readonly reason: string | undefined;
  readonly durationMs: number;
}

export class AuditLog {
  readonly #log: FastifyBaseLogger;
  readonly #refusals: TokenBucket;
  readonly #refusalsOfCallers: CallRate;
  #unshown = 0;

  /** @param now milliseconds of a clock that never goes back. */
  constructor(log: FastifyBaseLogger, now: () => number) {
    this.#log = log;
    this.#refusals = new TokenBucket(AUDIT_REFUSALS_PER_SECOND, now, AUDIT_REFUSALS_AT_ONCE);
    this.#refusalsOfCallers = new CallRate(AUDIT_REFUSALS_OF_CALLER_PER_SECOND, now);
  }

  /** Of a call that did not come in: few of them, or anybody could fill the disk. */
  writeRefusal(call: AuditedCall): void {
    const { caller } = call;
    const isShown = caller === undefined ? this.#refusals.take() : this.#refusalsOfCallers.take(caller.name);
    if (isShown) this.write(call);
    else this.#unshown++;
  }

  write({ caller, resource, durationMs, ...call }: AuditedCall): void {
    const unshown = this.#unshown === 0 ? {} : { refusalsNotShown: this.#unshown };
    this.#unshown = 0;
    this.#log.info(
      {
        audit: true,
        ...call,
        caller: caller?.name,
        role: caller?.role,
        authenticatedBy: caller?.by,
        resource: resource?.slice(0, AUDIT_TEXT_LENGTH_MAX),
        durationMs: Math.round(durationMs * 1000) / 1000,
        ...unshown,
      },
      "call",
    );
  }
}
