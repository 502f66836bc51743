/**
 * Calls that were made with a request id (AIP-155), so that one that is repeated is done once and answered
 * alike: also while the first still runs, and over the other wire. One ledger a daemon.
 *
 * Failures are remembered unless nothing was done and a repetition may well succeed: then it is tried again.
 */
import { createHash } from "node:crypto";
import type { Clock } from "../../device/clock.ts";
import { REQUESTS_REMEMBERED_BYTES_MAX, REQUESTS_REMEMBERED_MAX, REQUESTS_REMEMBERED_MS } from "../limits.ts";
import { toFailure, WireError, type WireKind } from "../messages/wire-error.ts";
import { type CallKey, type LedgerLimits, type Outcome, RememberedCalls } from "./remembered-calls.ts";

export interface IdentifiedCall {
  /** Nobody is answered what another caller was. Undefined where callers are not told apart. */
  readonly caller?: string | undefined;
  /** Path of the method. The same id may be used once for each. */
  readonly method: string;
  readonly requestId: string;
  /** The request without its id. */
  readonly body: Uint8Array;
}

/** Gives the bytes of the answer. */
type Work = (signal: AbortSignal) => Promise<Uint8Array>;

interface Running {
  readonly digest: string;
  readonly outcome: Promise<Outcome>;
  readonly gone: AbortController;
  /** Callers that wait for it; when the last goes away it is given up, if it can be. */
  waiting: number;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

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

  /** What the remembered calls take. Unit: bytes. */
  get rememberedBytes(): number {
    return this.#ended.bytes;
  }

  /**
   * Does the work, or answers what it answered before. @param signal the caller has gone away
   * @throws WireError INVALID_REQUEST for what is no UUID, REQUEST_ID_REUSED; whatever the work throws or
   * threw
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
    // Given up because those who waited before went away: nothing was done, and this caller is still there.
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

  /**
   * Counts a caller in, and out again when it has gone away. The function that it returns is called at the
   * end.
   */
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

/** Whether a repetition is answered alike. */
function isKept(outcome: Outcome): boolean {
  return "answer" in outcome || (!wasGivenUp(outcome) && IS_DEFINITE[toFailure(outcome.error).kind]);
}

function wasGivenUp(outcome: Outcome): boolean {
  return "error" in outcome && toFailure(outcome.error).reason === "CALL_CANCELLED";
}

/** How a call ended, and the digest of its request. */
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
