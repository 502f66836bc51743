/** A bounded number of places, of which each caller who can be told apart gets a share. */
import { CALLER_SHARE_DIVISOR } from "../limits.ts";
import { WireError } from "../messages/wire-error.ts";

/** What is in a pool, for messages. */
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
   * Looks whether there is a place. What ends other calls finds one in the reserve, whoever has taken the
   * rest.
   * @param caller undefined where callers are not told apart
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

  /** Takes a place. The function that it returns gives it back, once. */
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
