/**
 * Which work uses which object: the fences of requests by kind of use (the kernel's dma_resv). An object in
 * use is active, not pinned. A writer waits for readers and writers, and a reader waits for writers. A use
 * that only keeps the object where it is (a semaphore that somebody else will release) waits for nobody, and
 * nobody waits for it.
 */
import { type Clock, settledWithin } from "../clock.ts";
import type { Fence } from "../fence.ts";
import { Listeners } from "../listeners.ts";

export type Usage = "keep" | "read" | "write";

interface Reservation {
  readonly keepers: Set<Fence>;
  readonly readers: Set<Fence>;
  readonly writers: Set<Fence>;
}

export class Reservations {
  readonly #bySlot = new Map<number, Reservation>();
  readonly #clock: Clock;
  /** Called with the slot when the last fence of its object has settled. */
  readonly idle = new Listeners<[slot: number]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isActive(slot: number): boolean {
    return this.#bySlot.has(slot);
  }

  /** The unsettled fences that such a use of the object must wait for. */
  blocking(slot: number, usage: Usage): Fence[] {
    const reservation = this.#bySlot.get(slot);
    if (reservation === undefined) return [];
    if (usage === "keep") return [];
    return usage === "read" ? [...reservation.writers] : [...reservation.writers, ...reservation.readers];
  }

  /** Records such a use of the object until the fence settles. */
  add(slot: number, usage: Usage, fence: Fence): void {
    let reservation = this.#bySlot.get(slot);
    if (reservation === undefined) {
      reservation = { keepers: new Set(), readers: new Set(), writers: new Set() };
      this.#bySlot.set(slot, reservation);
    }
    const { keepers, readers, writers } = reservation;
    ({ keep: keepers, read: readers, write: writers })[usage].add(fence);
    fence.onSettled(() => {
      keepers.delete(fence);
      readers.delete(fence);
      writers.delete(fence);
      if (keepers.size > 0 || readers.size > 0 || writers.size > 0 || this.#bySlot.get(slot) !== reservation)
        return;
      this.#bySlot.delete(slot);
      this.idle.tell(slot);
    });
  }

  /** Whether the work that now forbids such a use ends within `timeoutMs`. */
  settledWithin(slot: number, usage: Usage, timeoutMs: number): Promise<boolean> {
    const settled = this.blocking(slot, usage).map(
      (fence) => new Promise<void>((resolve) => fence.onSettled(resolve)),
    );
    return settledWithin(this.#clock, Promise.all(settled), timeoutMs);
  }
}
