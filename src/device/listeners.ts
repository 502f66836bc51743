/**
 * Listeners that are called when something happens: every time, or only the next time. They run at once, in
 * the order in which they were added, and must not throw.
 */
export class Listeners<T extends readonly unknown[] = []> {
  /** Replaced and never modified, so that a listener may add and remove others during the calls. */
  #lasting: readonly ((...what: T) => void)[] = NOBODY;
  /**
   * Emptied before any of them is called. Undefined while empty, because few of a million fences have a
   * listener.
   */
  #once: ((...what: T) => void)[] | undefined;

  get empty(): boolean {
    return this.#lasting.length === 0 && this.#once === undefined;
  }

  /** Calls `listener` every time, until the returned function is called. */
  on(listener: (...what: T) => void): () => void {
    this.#lasting = [...this.#lasting, listener];
    return () => {
      this.#lasting = this.#lasting.filter((each) => each !== listener);
    };
  }

  /** Calls `listener` only the next time. */
  once(listener: (...what: T) => void): void {
    if (this.#once === undefined) this.#once = [listener];
    else this.#once.push(listener);
  }

  tell(...what: T): void {
    const once = this.#once;
    if (once !== undefined) {
      this.#once = undefined;
      for (const listener of once) listener(...what);
    }
    for (const listener of this.#lasting) listener(...what);
  }
}

const NOBODY: readonly never[] = [];
