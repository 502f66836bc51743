/** Limits how often each client may call. Clients are told apart by address. */
import { CALL_RATE_CLIENTS_MAX } from "../limits.ts";
import { TokenBucket } from "./token-bucket.ts";

export class CallRate {
  readonly #perSecond: number;
  readonly #now: () => number;
  /** In the order of their last calls, the newest last. */
  readonly #clients = new Map<string, TokenBucket>();

  /** @param perSecond calls of one client. @param now milliseconds of a clock that never goes back. */
  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond;
    this.#now = now;
  }

  /** Whether `client` may make one more call now. */
  take(client: string): boolean {
    const bucket = this.#clients.get(client) ?? new TokenBucket(this.#perSecond, this.#now);
    this.#clients.delete(client);
    this.#clients.set(client, bucket);
    const [oldest] = this.#clients.keys();
    if (this.#clients.size > CALL_RATE_CLIENTS_MAX && oldest !== undefined) this.#clients.delete(oldest);
    return bucket.take();
  }
}
