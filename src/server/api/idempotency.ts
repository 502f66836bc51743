/**
 * Calls that were made with a request id (AIP-155), so that one that is repeated is done once and answered alike: also
 * while the first still runs, and over the other wire. One ledger a daemon.
 *
 * Failures are remembered unless nothing was done and a repetition may well succeed: then it is tried again.
 */
import { createHash } from "node:crypto";
import type { Clock } from "../../device/clock.ts";
import {
  REQUEST_OVERHEAD_BYTES,
  REQUESTS_REMEMBERED_BYTES_MAX,
  REQUESTS_REMEMBERED_MAX,
  REQUESTS_REMEMBERED_MS,
} from "../limits.ts";
import { toFailure, WireError, type WireKind } from "../messages/wire-error.ts";

export interface IdentifiedCall {
  /** Nobody is answered what another caller was. Undefined where callers are not told apart. */
  readonly caller?: string | undefined;
  /** Path of the method. The same id may be used once for each. */
  readonly method: string;
  readonly requestId: string;
  /** The request without its id. */
  readonly body: Uint8Array;
}

export interface LedgerLimits {
  readonly callsMax: number;
  readonly bytesMax: number;
  readonly keptMs: number;
}

type Work = (signal: AbortSignal) => Promise<Buffer>;
type Outcome = { readonly answer: Buffer } | { readonly error: unknown };

interface Running {
  readonly digest: string;
  readonly outcome: Promise<Outcome>;
  readonly gone: AbortController;
  /** Callers that wait for it; when the last goes away it is given up, if it can be. */
  waiting: number;
}

interface Ended {
  readonly digest: string;
  readonly outcome: Outcome;
  readonly bytes: number;
  readonly endNs: bigint;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const NS_PER_MS = 1_000_000n;

/** Whether a failure of each kind is the answer to a repetition too. */
const IS_DEFINITE: Readonly<Record<WireKind, boolean>> = {
  invalid: true,
  "out-of-range": true,
  "not-found": true,
  deadline: true,
  cancelled: true,
  "data-loss": true,
  internal: true,
  "wrong-state": false,
  exhausted: false,
  conflict: false,
  unavailable: false,
  denied: false,
  unauthenticated: false,
};

export class RequestLedger {
  readonly #clock: Clock;
  readonly #limits: LedgerLimits;
  readonly #running = new Map<string, Running>();
  /** In the order in which they ended. */
  readonly #ended = new Map<string, Ended>();
  #bytes = 0;

  constructor(clock: Clock, limits: Partial<LedgerLimits> = {}) {
    this.#clock = clock;
    this.#limits = {
      callsMax: REQUESTS_REMEMBERED_MAX,
      bytesMax: REQUESTS_REMEMBERED_BYTES_MAX,
      keptMs: REQUESTS_REMEMBERED_MS,
      ...limits,
    };
  }

  /**
   * Does the work, or answers what it answered before. @param signal the caller has gone away
   * @throws WireError INVALID_REQUEST for what is no UUID, REQUEST_ID_REUSED; whatever the work throws or threw
   */
  async run(call: IdentifiedCall, work: Work, signal?: AbortSignal): Promise<Buffer> {
    const key = keyOf(call);
    const digest = createHash("sha256").update(call.body).digest("base64");
    this.#prune();
    const ended = this.#ended.get(key);
    if (ended !== undefined) return replay(call, digest, ended.digest, ended.outcome);
    const running = this.#running.get(key) ?? this.#begin(key, digest, work);
    const stopWaiting = this.#wait(running, signal);
    const outcome = await running.outcome;
    stopWaiting();
    // Given up because those who waited before went away: nothing was done, and this caller is still there.
    if (wasGivenUp(outcome) && signal?.aborted !== true) return this.run(call, work, signal);
    return replay(call, digest, running.digest, outcome);
  }

  #begin(key: string, digest: string, work: Work): Running {
    const gone = new AbortController();
    const outcome = work(gone.signal).then(
      (answer): Outcome => ({ answer }),
      (error: unknown): Outcome => ({ error }),
    );
    const running: Running = { digest, outcome, gone, waiting: 0 };
    this.#running.set(key, running);
    void outcome.then((ending) => {
      this.#running.delete(key);
      this.#remember(key, digest, ending);
    });
    return running;
  }

  /** Counts a caller in, and out again when it has gone away. The function that it returns is called at the end. */
  #wait(running: Running, signal: AbortSignal | undefined): () => void {
    running.waiting++;
    const onGone = () => {
      running.waiting--;
      if (running.waiting === 0) running.gone.abort();
    };
    signal?.addEventListener("abort", onGone, { once: true });
    return () => signal?.removeEventListener("abort", onGone);
  }

  #remember(key: string, digest: string, outcome: Outcome): void {
    if (wasGivenUp(outcome)) return;
    if ("error" in outcome && !IS_DEFINITE[toFailure(outcome.error).kind]) return;
    const bytes = REQUEST_OVERHEAD_BYTES + ("answer" in outcome ? outcome.answer.byteLength : 0);
    this.#ended.set(key, { digest, outcome, bytes, endNs: this.#clock.monotonicNs() });
    this.#bytes += bytes;
    this.#prune();
  }

  /** Forgets the oldest: those that are too old, and those that are too many. */
  #prune(): void {
    const { callsMax, bytesMax, keptMs } = this.#limits;
    const oldestNs = this.#clock.monotonicNs() - BigInt(keptMs) * NS_PER_MS;
    for (const [key, { bytes, endNs }] of this.#ended) {
      if (endNs >= oldestNs && this.#ended.size <= callsMax && this.#bytes <= bytesMax) return;
      this.#ended.delete(key);
      this.#bytes -= bytes;
    }
  }
}

function keyOf({ caller = "", method, requestId }: IdentifiedCall): string {
  if (UUID.test(requestId)) return `${method} ${requestId.toLowerCase()} ${caller}`;
  throw new WireError("INVALID_REQUEST", `Request id "${requestId}" is not a UUID.`, { field: "requestId" });
}

function wasGivenUp(outcome: Outcome): boolean {
  return "error" in outcome && toFailure(outcome.error).reason === "CALL_CANCELLED";
}

function replay({ requestId }: IdentifiedCall, digest: string, known: string, outcome: Outcome): Buffer {
  if (digest !== known) {
    const sentence = `Request id ${requestId} was used for another request of this method.`;
    throw new WireError("REQUEST_ID_REUSED", sentence, { requestId });
  }
  if ("error" in outcome) throw outcome.error;
  return outcome.answer;
}
