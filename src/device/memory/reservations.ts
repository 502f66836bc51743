/**
 * Who uses which object: the fences of requests, by what they do with it (the kernel's dma_resv). An object in use is
 * active, not pinned. Whoever writes waits for readers and writers, whoever reads waits for the writers; who only keeps
 * the object where it is (a semaphore that somebody else is to release) waits for nobody, and nobody for it.
 */
import { type Clock, settledWithin } from "../clock.ts";
import { DeviceError } from "../errors.ts";
import type { Fence } from "../fence.ts";
import { OBJECT_WAIT_TIMEOUT_MS } from "../limits.ts";

export type Usage = "keep" | "read" | "write";

interface Reservation {
  readonly keepers: Set<Fence>;
  readonly readers: Set<Fence>;
  readonly writers: Set<Fence>;
}

export class Reservations {
  readonly #bySlot = new Map<number, Reservation>();
  readonly #clock: Clock;
  /** Called when the last fence of an object has settled. */
  onIdle: (slot: number) => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isActive(slot: number): boolean {
    return this.#bySlot.has(slot);
  }

  /** The unsettled fences that must be waited for before the object is used so. */
  blocking(slot: number, usage: Usage): Fence[] {
    const reservation = this.#bySlot.get(slot);
    if (reservation === undefined) return [];
    if (usage === "keep") return [];
    return usage === "read" ? [...reservation.writers] : [...reservation.writers, ...reservation.readers];
  }

  /** Notes that the object is used so until the fence settles. */
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
      this.onIdle(slot);
    });
  }

  /** Waits until the object may be used so, at most OBJECT_WAIT_TIMEOUT_MS. @throws DeviceError OBJECT_ACTIVE. */
  async waitFor(slot: number, usage: Usage, id: string): Promise<void> {
    const fences = this.blocking(slot, usage);
    if (fences.length === 0) return;
    const settled = Promise.all(
      fences.map((fence) => new Promise<void>((resolve) => fence.onSettled(resolve))),
    );
    if (await settledWithin(this.#clock, settled, OBJECT_WAIT_TIMEOUT_MS)) return;
    throw new DeviceError(
      "OBJECT_ACTIVE",
      `Object ${id} is in use by work that did not end within ${OBJECT_WAIT_TIMEOUT_MS} ms.`,
      { object: id },
    );
  }
}
