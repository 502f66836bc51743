/**
 * Who is told when something happens: some each time, some the next time only. Listeners run at once, in the
 * order in which they were added, and must not throw.
 */
export class Listeners<T extends readonly unknown[] = []> {
  /** Replaced and never changed, so that a listener may add and remove others while they are told. */
  #lasting: readonly ((...what: T) => void)[] = NOBODY;
  /** Taken away whole before it is told. Undefined while empty: of a million fences few have a listener. */
  #once: ((...what: T) => void)[] | undefined;

  get empty(): boolean {
    return this.#lasting.length === 0 && this.#once === undefined;
  }

  /** Tells `listener` each time, until the answer is called. */
  on(listener: (...what: T) => void): () => void {
    this.#lasting = [...this.#lasting, listener];
    return () => {
      this.#lasting = this.#lasting.filter((each) => each !== listener);
    };
  }

  /** Tells `listener` the next time only. */
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
