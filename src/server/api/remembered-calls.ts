/**
 * Results of calls with a request id, as bytes that are all counted: the answer, or the plain fields of the
 * failure. Never the error object itself, which holds references to whatever made it. The oldest results make
 * room for new ones, the caller's own first.
 */
import type { Clock } from "../../device/clock.ts";
import { CALLER_SHARE_DIVISOR, REQUEST_OVERHEAD_BYTES } from "../limits.ts";
import { toFailure, WireError } from "../messages/wire-error.ts";

export interface LedgerLimits {
  readonly callsMax: number;
  readonly bytesMax: number;
  readonly keptMs: number;
}

/** The result of a call. */
export type Outcome = { readonly answer: Uint8Array } | { readonly error: unknown };

/** Identifies a call. */
export interface CallKey {
  /** Undefined if callers are not told apart. */
  readonly caller: string | undefined;
  /** Distinguishes the call from all others, including those of other callers. */
  readonly key: string;
  readonly digest: string;
}

interface Remembered {
  readonly share: Share;
  readonly digest: string;
  readonly isRefusal: boolean;
  readonly bytes: Uint8Array;
  readonly countedBytes: number;
  readonly endNs: bigint;
}

/** The results that are remembered for one caller. */
interface Share {
  readonly caller: string | undefined;
  /** In the order in which the calls ended. */
  readonly keys: Set<string>;
  bytes: number;
}

const NS_PER_MS = 1_000_000n;

export class RememberedCalls {
  readonly #clock: Clock;
  readonly #limits: LedgerLimits;
  /** In the order in which the calls ended. */
  readonly #calls = new Map<string, Remembered>();
  /** Only callers with remembered calls. */
  readonly #shares = new Map<string | undefined, Share>();
  #bytes = 0;

  constructor(clock: Clock, limits: LedgerLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Memory that all of them take. Unit: bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The result of a call and the digest of its request; undefined if it is unknown or forgotten. */
  find(key: string): { readonly digest: string; readonly outcome: Outcome } | undefined {
    this.#prune();
    const found = this.#calls.get(key);
    if (found === undefined) return undefined;
    const { digest, isRefusal, bytes } = found;
    return { digest, outcome: isRefusal ? { error: readRefusal(bytes) } : { answer: bytes } };
  }

  add({ caller, key, digest }: CallKey, outcome: Outcome): void {
    const isRefusal = "error" in outcome;
    const bytes = isRefusal ? writeRefusal(outcome.error) : ownMemory(outcome.answer);
    const countedBytes = REQUEST_OVERHEAD_BYTES + key.length + bytes.byteLength;
    const share = this.#shares.get(caller) ?? { caller, keys: new Set(), bytes: 0 };
    this.#shares.set(caller, share);
    share.keys.add(key);
    share.bytes += countedBytes;
    this.#calls.set(key, {
      share,
      digest,
      isRefusal,
      bytes,
      countedBytes,
      endNs: this.#clock.monotonicNs(),
    });
    this.#bytes += countedBytes;
    this.#pruneShare(share);
    this.#prune();
  }

  /**
   * A caller pushes out its own calls, not those of others. Callers that are not told apart share all of it.
   */
  #pruneShare(share: Share): void {
    if (share.caller === undefined) return;
    const callsMax = this.#limits.callsMax / CALLER_SHARE_DIVISOR;
    const bytesMax = this.#limits.bytesMax / CALLER_SHARE_DIVISOR;
    for (const key of share.keys) {
      if (share.keys.size <= callsMax && share.bytes <= bytesMax) return;
      this.#forget(key);
    }
  }

  /** Forgets calls that are too old, and the oldest when there are too many. */
  #prune(): void {
    const { callsMax, bytesMax, keptMs } = this.#limits;
    const oldestNs = this.#clock.monotonicNs() - BigInt(keptMs) * NS_PER_MS;
    for (const [key, { endNs }] of this.#calls) {
      if (endNs >= oldestNs && this.#calls.size <= callsMax && this.#bytes <= bytesMax) return;
      this.#forget(key);
    }
  }

  #forget(key: string): void {
    const found = this.#calls.get(key);
    if (found === undefined) return;
    const { share, countedBytes } = found;
    this.#calls.delete(key);
    this.#bytes -= countedBytes;
    share.keys.delete(key);
    share.bytes -= countedBytes;
    if (share.keys.size === 0) this.#shares.delete(share.caller);
  }
}

/** A small Buffer is a view of shared memory, and would keep all of it alive. */
function ownMemory(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : Uint8Array.from(bytes);
}

/** The parts of a failure that the caller sees, with texts cut as they are sent. */
type Refusal = Pick<WireError, "reason" | "message" | "metadata" | "httpStatus">;

function writeRefusal(error: unknown): Uint8Array {
  const { reason, message, metadata, httpStatus } = toFailure(error);
  const refusal: Refusal = { reason, message, metadata, httpStatus };
  return new TextEncoder().encode(JSON.stringify(refusal));
}

function readRefusal(bytes: Uint8Array): WireError {
  const { reason, message, metadata, httpStatus }: Refusal = JSON.parse(new TextDecoder().decode(bytes));
  return new WireError(reason, message, metadata).withHttpStatus(httpStatus);
}
