/**
 * Calls with a request id (AIP-155). A repeated call is done only once and gets the same answer, even while
 * the first one runs, and even over the other wire. The daemon has one ledger.
 *
 * Failures are remembered too, unless nothing was done and a repetition may succeed: then the work is tried
 * again.
 */
import { createHash } from "node:crypto";
import type { Clock } from "../../device/clock.ts";
import { REQUESTS_REMEMBERED_BYTES_MAX, REQUESTS_REMEMBERED_MAX, REQUESTS_REMEMBERED_MS } from "../limits.ts";
import { toFailure, WireError, type WireKind } from "../messages/wire-error.ts";
import { type CallKey, type LedgerLimits, type Outcome, RememberedCalls } from "./remembered-calls.ts";

export interface IdentifiedCall {
  /** No caller gets the answer of another caller. Undefined if callers are not told apart. */
  readonly caller?: string | undefined;
  /** Path of the method. Each method has its own ids. */
  readonly method: string;
  readonly requestId: string;
  /** The request without its id. */
  readonly body: Uint8Array;
}

/** Returns the bytes of the answer. */
type Work = (signal: AbortSignal) => Promise<Uint8Array>;

interface Running {
  readonly digest: string;
  readonly outcome: Promise<Outcome>;
  readonly gone: AbortController;
  /** Callers that wait for it. When the last one leaves, the work is given up if possible. */
  waiting: number;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether a repetition gets a failure of each kind as its answer. */
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
  readonly #running = new Map<string, Running>();
  readonly #ended: RememberedCalls;

  constructor(clock: Clock, limits: Partial<LedgerLimits> = {}) {
    this.#ended = new RememberedCalls(clock, {
      callsMax: REQUESTS_REMEMBERED_MAX,
      bytesMax: REQUESTS_REMEMBERED_BYTES_MAX,
      keptMs: REQUESTS_REMEMBERED_MS,
      ...limits,
    });
  }

  /** Memory that the remembered calls take. Unit: bytes. */
  get rememberedBytes(): number {
    return this.#ended.bytes;
  }

  /**
   * Does the work, or returns the earlier answer. @param signal aborted when the caller leaves
   * @throws WireError INVALID_REQUEST if the id is not a UUID, REQUEST_ID_REUSED; or the error of the work,
   * now or earlier
   */
  async run(call: IdentifiedCall, work: Work, signal?: AbortSignal): Promise<Uint8Array> {
    const key = keyOf(call);
    const digest = createHash("sha256").update(call.body).digest("base64");
    const ended = this.#ended.find(key);
    if (ended !== undefined) return replay(call, digest, ended);
    const running = this.#running.get(key) ?? this.#begin({ caller: call.caller, key, digest }, work);
    const stopWaiting = this.#wait(running, signal);
    const outcome = await running.outcome;
    stopWaiting();
    // The work was given up because its earlier callers left. Nothing was done, and this caller still waits.
    if (wasGivenUp(outcome) && signal?.aborted !== true) return this.run(call, work, signal);
    return replay(call, digest, { digest: running.digest, outcome });
  }

  #begin(call: CallKey, work: Work): Running {
    const { key, digest } = call;
    const gone = new AbortController();
    const outcome = work(gone.signal).then(
      (answer): Outcome => ({ answer }),
      (error: unknown): Outcome => ({ error }),
    );
    const running: Running = { digest, outcome, gone, waiting: 0 };
    this.#running.set(key, running);
    void outcome.then((ending) => {
      this.#running.delete(key);
      if (isKept(ending)) this.#ended.add(call, ending);
    });
    return running;
  }

  /** Counts a caller, and uncounts it when it leaves. Call the returned function at the end. */
  #wait(running: Running, signal: AbortSignal | undefined): () => void {
    running.waiting++;
    const onGone = () => {
      running.waiting--;
      if (running.waiting === 0) running.gone.abort();
    };
    signal?.addEventListener("abort", onGone, { once: true });
    return () => signal?.removeEventListener("abort", onGone);
  }
}

function keyOf({ caller = "", method, requestId }: IdentifiedCall): string {
  if (UUID.test(requestId)) return `${method} ${requestId.toLowerCase()} ${caller}`;
  throw new WireError("INVALID_REQUEST", `Request id "${requestId}" is not a UUID.`, { field: "requestId" });
}

/** Whether a repetition gets the same answer. */
function isKept(outcome: Outcome): boolean {
  return "answer" in outcome || (!wasGivenUp(outcome) && IS_DEFINITE[toFailure(outcome.error).kind]);
}

function wasGivenUp(outcome: Outcome): boolean {
  return "error" in outcome && toFailure(outcome.error).reason === "CALL_CANCELLED";
}

/** The end of a call, and the digest of its request. */
interface Ended {
  readonly digest: string;
  readonly outcome: Outcome;
}

function replay({ requestId }: IdentifiedCall, digest: string, ended: Ended): Uint8Array {
  const { outcome } = ended;
  if (digest !== ended.digest) {
    const sentence = `Request id ${requestId} was used for another request of this method.`;
    throw new WireError("REQUEST_ID_REUSED", sentence, { requestId });
  }
  if ("error" in outcome) throw outcome.error;
  return outcome.answer;
}
