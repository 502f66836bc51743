/** A fixed number of places. Each caller that can be told apart gets a share. */
import { CALLER_SHARE_DIVISOR } from "../limits.ts";
import { WireError } from "../messages/wire-error.ts";

/** Names for the contents of a pool, in messages. */
export interface PoolWords {
  /** "streams" */
  readonly things: string;
  /** "open" */
  readonly are: string;
  /** Of the error when there is no place. @default OVERLOADED: it may be tried again soon */
  readonly reason?: "OVERLOADED" | "LIMIT_EXCEEDED";
}

export class Pool {
  readonly #what: PoolWords;
  readonly #max: number;
  readonly #shareMax: number;
  readonly #ofCallers = new Map<string, number>();
  #taken = 0;

  constructor(what: PoolWords, max: number) {
    this.#what = what;
    this.#max = max;
    this.#shareMax = Math.ceil(max / CALLER_SHARE_DIVISOR);
  }

  get taken(): number {
    return this.#taken;
  }

  /**
   * Checks that a place is free. A call that ends other calls can use the reserve, whoever holds the other
   * places.
   * @param caller undefined if callers are not told apart
   * @throws WireError OVERLOADED
   */
  requireRoom(caller: string | undefined, reserve = 0): void {
    const { things, are, reason = "OVERLOADED" } = this.#what;
    const count = String(this.#taken);
    if (this.#taken >= this.#max + reserve) {
      const sentence = `${count} ${things} are ${are}, and the daemon takes no more.`;
      throw new WireError(reason, sentence, { [things]: count, limit: String(this.#max) });
    }
    if (caller === undefined || reserve > 0) return;
    const own = this.#ofCallers.get(caller) ?? 0;
    if (own < this.#shareMax) return;
    throw new WireError(
      reason,
      `This caller has ${own} ${things} ${are}, its share of ${this.#max}: end some of them.`,
      { [things]: String(own), share: String(this.#shareMax) },
    );
  }

  /** Takes a place. Returns a function that gives it back; only its first call counts. */
  take(caller: string | undefined): () => void {
    this.#taken++;
    if (caller !== undefined) this.#ofCallers.set(caller, (this.#ofCallers.get(caller) ?? 0) + 1);
    return () => {
      this.#taken--;
      if (caller === undefined) return;
      const left = (this.#ofCallers.get(caller) ?? 1) - 1;
      if (left === 0) this.#ofCallers.delete(caller);
      else this.#ofCallers.set(caller, left);
    };
  }
}
