/** A bucket that fills at a steady rate and holds what comes in a second; each call takes one out. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #now: () => number;
  #left: number;
  #atMs: number;

  /** @param perSecond more than 0. @param now milliseconds of a clock that never goes back. */
  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond;
    this.#now = now;
    this.#left = this.#sizeOfBucket;
    this.#atMs = now();
  }

  /** Takes one; false when there is none. */
  take(): boolean {
    const nowMs = this.#now();
    const filled = ((nowMs - this.#atMs) / 1000) * this.#perSecond;
    this.#left = Math.min(this.#sizeOfBucket, this.#left + filled);
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }

  get #sizeOfBucket(): number {
    return Math.max(1, this.#perSecond);
  }
}
