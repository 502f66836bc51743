/**
 * One lock per object, held while its placement or bytes change hands. There is no device-wide lock.
 *
 * Code that needs several objects locks them in slot order, or tries the lock and gives up only on that
 * object (the kernel's ww-mutex back-off). Waiters are served in order; metadata reads never lock.
 */
import assert from "node:assert/strict";
import type { ObjectTable } from "./object-table.ts";

export class ObjectLocks {
  readonly #table: ObjectTable;
  readonly #waiters = new Map<number, (() => void)[]>();

  constructor(table: ObjectTable) {
    this.#table = table;
  }

  tryLock(slot: number): boolean {
    if (this.#table.locked[slot] === 1) return false;
    this.#table.locked[slot] = 1;
    return true;
  }

  /** Resolves when the lock is held. Earlier facts about the slot may have changed. */
  lock(slot: number): Promise<void> {
    if (this.tryLock(slot)) return Promise.resolve();
    return new Promise((resolve) => {
      const queue = this.#waiters.get(slot);
      if (queue === undefined) this.#waiters.set(slot, [resolve]);
      else queue.push(resolve);
    });
  }

  /** Hands the lock to the first waiter, or frees it. */
  unlock(slot: number): void {
    assert(this.#table.locked[slot] === 1, "only a held lock is released");
    if (this.#waiters.size === 0) {
      // The usual case: nobody waits for any lock.
      this.#table.locked[slot] = 0;
      return;
    }
    const next = this.#waiters.get(slot)?.shift();
    if (next === undefined) {
      this.#table.locked[slot] = 0;
      this.#waiters.delete(slot);
      return;
    }
    next();
  }
}
