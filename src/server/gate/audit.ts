/** The audit log: a line for each call that changes something, whoever made it and however it ended. */
import type { FastifyBaseLogger } from "fastify";
import type { Caller } from "../auth/authenticator.ts";
import { AUDIT_REFUSALS_AT_ONCE, AUDIT_REFUSALS_PER_SECOND, AUDIT_TEXT_LENGTH_MAX } from "../limits.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface AuditedCall {
  readonly rpc: string;
  readonly requestId: string;
  readonly peer: string;
  /** Undefined when the call was refused before it was known. */
  readonly caller: Caller | undefined;
  /** Name of what the call is about, or of its parent; undefined when it was not read. */
  readonly resource: string | undefined;
  readonly transition: string | undefined;
  /** Name of the google.rpc.Code that the caller saw; CANCELLED when it had gone away before. */
  readonly code: string;
  /** What became of the work, where the caller did not see it. */
  readonly done: string | undefined;
  readonly reason: string | undefined;
  readonly durationMs: number;
}

export class AuditLog {
  readonly #log: FastifyBaseLogger;
  readonly #refusals: TokenBucket;
  #unshown = 0;

  /** @param now milliseconds of a clock that never goes back. */
  constructor(log: FastifyBaseLogger, now: () => number) {
    this.#log = log;
    this.#refusals = new TokenBucket(AUDIT_REFUSALS_PER_SECOND, now, AUDIT_REFUSALS_AT_ONCE);
  }

  write({ caller, resource, durationMs, ...call }: AuditedCall): void {
    // Otherwise anybody could fill the disk without ever getting in.
    if (caller === undefined && !this.#refusals.take()) {
      this.#unshown++;
      return;
    }
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
