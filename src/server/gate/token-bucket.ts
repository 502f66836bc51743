/** A bucket that fills at a steady rate, by default up to one second's worth. Each call takes one token. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #now: () => number;
  readonly #size: number;
  #left: number;
  #atMs: number;

  /**
   * @param perSecond more than 0. @param now milliseconds of a clock that never goes back. @param size how
   * many tokens the bucket holds.
   */
  constructor(perSecond: number, now: () => number, size: number = Math.max(1, perSecond)) {
    this.#perSecond = perSecond;
    this.#now = now;
    this.#size = size;
    this.#left = size;
    this.#atMs = now();
  }

  /** Takes one token. False if there is none. */
  take(): boolean {
    const nowMs = this.#now();
    const filled = ((nowMs - this.#atMs) / 1000) * this.#perSecond;
    this.#left = Math.min(this.#size, this.#left + filled);
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
