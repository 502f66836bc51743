/**
 * A fixed number of places that strangers share. When none is free, a newcomer takes the oldest place of the
 * connection that holds the most. So nobody loses their only place to a connection that holds more.
 */
export interface Guest {
  /** Ends the holder and frees its place. Called when somebody else takes the place. */
  end(): void;
}

/** A connection that holds one of this many shares of all places is large. */
const LARGE_SHARES = 8;

export class Crowd {
  readonly #max: number;
  readonly #onCount: ((count: number) => void) | undefined;
  /**
   * By connection. Within a connection the oldest place comes first, and connections are in the order in
   * which they came.
   */
  readonly #groups = new Map<object, Set<Guest>>();
  #count = 0;

  constructor(max: number, onCount?: (count: number) => void) {
    this.#max = max;
    this.#onCount = onCount;
    onCount?.(0);
  }

  /** @param connection the holder of the place. Returns a function that gives the place back. */
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
    // A large connection gives up one of its own places, so that its flood needs no search.
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
