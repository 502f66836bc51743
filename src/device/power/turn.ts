/** Work that is done one piece at a time: newcomers wait for the current piece to end. */
export class Turn {
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  get running(): boolean {
    return this.#waiting > 0;
  }

  /** Resolves when the current work has ended, whatever its result. Never rejects. */
  get ended(): Promise<unknown> {
    return this.#last;
  }

  /** Does `work` when its turn comes. */
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
