/** A bucket that fills at a steady rate, by default up to what comes in a second; each call takes one out. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #now: () => number;
  readonly #size: number;
  #left: number;
  #atMs: number;

  /**
   * @param perSecond more than 0. @param now milliseconds of a clock that never goes back. @param size what
   * it holds.
   */
  constructor(perSecond: number, now: () => number, size: number = Math.max(1, perSecond)) {
    this.#perSecond = perSecond;
    this.#now = now;
    this.#size = size;
    this.#left = size;
    this.#atMs = now();
  }

  /** Takes one; false when there is none. */
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
