/** Work that is done one after the other: who comes while some is under way waits for it to end. */
export class Turn {
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  get running(): boolean {
    return this.#waiting > 0;
  }

  /** Resolves when what was under way has ended, however it did. Never rejects. */
  get ended(): Promise<unknown> {
    return this.#last;
  }

  /** Does `work` when it is its turn. */
  run<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting++;
    const done = this.#last.then(work);
    this.#last = done.then(
      () => void this.#waiting--,
      () => void this.#waiting--,
    );
    return done;
  }
}
