/**
 * Shares the event loop between many connections: a limited time in each turn, and one piece of work of each
 * connection after the other. A client that sends a thousand calls at once waits for them; a client that
 * sends one does not.
 */

export interface FairTurnsOptions {
  /** How long the work in one turn of the event loop may take, give or take a piece. Unit: milliseconds. */
  readonly turnMs: number;
  /** Milliseconds of a clock that never goes back. @default performance.now */
  readonly now?: () => number;
  /** Calls back in the next turn of the event loop. @default setImmediate */
  readonly defer?: (turn: () => void) => void;
}

export class FairTurns {
  readonly #turnMs: number;
  readonly #now: () => number;
  readonly #defer: (turn: () => void) => void;
  /** By connection, the one served last at the end. Each has work. */
  readonly #waiting = new Map<object, (() => void)[]>();
  #spentMs = 0;
  #isDeferred = false;

  constructor({ turnMs, now = () => performance.now(), defer = setImmediate }: FairTurnsOptions) {
    this.#turnMs = turnMs;
    this.#now = now;
    this.#defer = defer;
  }

  /** Does the work at once if there is time and nobody waits, else in a later turn. It must not throw. */
  run(connection: object, work: () => void): void {
    if (!this.#isDeferred) this.#deferTurn();
    if (this.#waiting.size === 0 && this.#spentMs < this.#turnMs) {
      this.#do(work);
      return;
    }
    const works = this.#waiting.get(connection);
    if (works === undefined) this.#waiting.set(connection, [work]);
    else works.push(work);
  }

  #deferTurn(): void {
    this.#isDeferred = true;
    this.#defer(() => this.#turn());
  }

  #turn(): void {
    this.#isDeferred = false;
    this.#spentMs = 0;
    while (this.#spentMs < this.#turnMs) {
      const [next] = this.#waiting;
      if (next === undefined) return;
      const [connection, works] = next;
      const work = works.shift();
      this.#waiting.delete(connection);
      if (works.length > 0) this.#waiting.set(connection, works);
      if (work !== undefined) this.#do(work);
    }
    this.#deferTurn();
  }

  #do(work: () => void): void {
    const startMs = this.#now();
    work();
    this.#spentMs += this.#now() - startMs;
  }
}
