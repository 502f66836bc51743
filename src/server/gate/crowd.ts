/**
 * A bounded number of places that strangers share. Who comes when there is none left takes the one that was
 * held longest by the connection with the most: so nobody loses his only place to somebody who has more.
 */
export interface Guest {
  /** Ends it, so that its place is free. Called when another takes it. */
  end(): void;
}

/** Of so many such connections at most there is room for one. */
const LARGE_SHARES = 8;

export class Crowd {
  readonly #max: number;
  readonly #onCount: ((count: number) => void) | undefined;
  /** By connection, the oldest first; the connection that came first comes first. */
  readonly #groups = new Map<object, Set<Guest>>();
  #count = 0;

  constructor(max: number, onCount?: (count: number) => void) {
    this.#max = max;
    this.#onCount = onCount;
    onCount?.(0);
  }

  /** @param connection whose place it is. Answers what gives the place back. */
  enter(connection: object, guest: Guest): () => void {
    if (this.#count >= this.#max) this.#makeWay(connection);
    const group = this.#groups.get(connection) ?? new Set();
    group.add(guest);
    this.#groups.set(connection, group);
    this.#count++;
    this.#onCount?.(this.#count);
    return () => this.#leave(connection, guest);
  }

  #leave(connection: object, guest: Guest): void {
    const group = this.#groups.get(connection);
    if (group?.delete(guest) !== true) return;
    if (group.size === 0) this.#groups.delete(connection);
    this.#count--;
    this.#onCount?.(this.#count);
  }

  #makeWay(newcomer: object): void {
    let largest = newcomer;
    let size = this.#groups.get(newcomer)?.size ?? 0;
    // Who has so many makes way for himself, so that a flood of his costs no search.
    if (size < this.#max / LARGE_SHARES) {
      for (const [connection, group] of this.#groups) {
        if (group.size > size) [largest, size] = [connection, group.size];
      }
    }
    const [oldest] = this.#groups.get(largest) ?? [];
    if (oldest === undefined) return;
    this.#leave(largest, oldest);
    oldest.end();
  }
}
