/**
 * Records which of clients' objects have changed since the last query, for events. Nothing is recorded while
 * nobody wants to know. Otherwise a change costs a look at one flag and, once per object, a list entry.
 *
 * The taker is told once that there is something to take, and takes it when convenient. The device never
 * waits.
 */
import { CHANGES_PENDING_MAX } from "../limits.ts";
import type { ObjectResource } from "../resource.ts";
import { FLAG, type ObjectTable } from "./object-table.ts";

/**
 * What happened to objects. An object that was created and deleted between two takes is only among the
 * deleted.
 */
export interface ObjectChanges {
  readonly created: readonly ObjectResource[];
  readonly changed: readonly ObjectResource[];
  /** Ids. */
  readonly deleted: readonly string[];
  /**
   * Whether some changes were dropped because there were too many. Then only the present state is reliable.
   */
  readonly lost: boolean;
}

/** The taker's interface. */
export interface ChangeSource {
  /** Entries that wait to be taken: at least one per object. */
  readonly pendingCount: number;
  /**
   * Records changes from now on.
   * @param onPending called when the first change is waiting
   */
  open(onPending: () => void): void;
  /** Stops recording, and drops what was not taken. */
  close(): void;
  /**
   * The next changes, of at most `objectsMax` objects in their present state, in the order in which they were
   * recorded.
   */
  take(objectsMax: number): ObjectChanges;
}

/** The same with slots instead of objects. */
export interface SlotChanges extends Omit<ObjectChanges, "created" | "changed"> {
  readonly created: readonly number[];
  readonly changed: readonly number[];
}

const CLEAN = 0;
const CHANGED = 1;
const CREATED = 2;

export class ChangeFeed {
  readonly #table: ObjectTable;
  readonly #pendingMax: number;
  #onPending: (() => void) | undefined;
  /** By slot. A slot marked CLEAN may still be in the list: its object is gone. */
  #marks = new Uint8Array(0);
  /** Slots, and ids of deleted objects as negative numbers. */
  #pending: number[] = [];
  /** How much of the list has been taken. */
  #taken = 0;
  #lost = false;
  #isMuted = false;

  /** @param pendingMax most entries that wait to be taken. */
  constructor(table: ObjectTable, pendingMax: number = CHANGES_PENDING_MAX) {
    this.#table = table;
    this.#pendingMax = pendingMax;
  }

  open(onPending: () => void): void {
    this.#onPending = onPending;
  }

  close(): void {
    this.#onPending = undefined;
    this.#forget();
    this.#lost = false;
  }

  /** Records nothing while `work` replaces all objects, and forgets what waits: one event tells it all. */
  async duringReplacement<T>(work: () => Promise<T>): Promise<T> {
    this.#isMuted = true;
    this.#forget();
    try {
      return await work();
    } finally {
      this.#isMuted = false;
    }
  }

  get pendingCount(): number {
    return this.#lost ? 1 : this.#pending.length - this.#taken;
  }

  /** A client's view of the object has changed. */
  noteChanged(slot: number): void {
    if (this.#isOn) this.#note(slot, CHANGED);
  }

  noteCreated(slot: number): void {
    if (this.#isOn) this.#note(slot, CREATED);
  }

  /** The object is about to lose its id. */
  noteDeleted(slot: number): void {
    if (!this.#isOn) return;
    if (slot < this.#marks.length) this.#marks[slot] = CLEAN;
    this.#append(-this.#table.id[slot]);
  }

  take(objectsMax: number): SlotChanges {
    const lost = this.#lost;
    this.#lost = false;
    const created: number[] = [];
    const changed: number[] = [];
    const deleted: string[] = [];
    for (let left = objectsMax; left > 0 && this.#taken < this.#pending.length; ) {
      const entry = this.#pending[this.#taken++];
      if (entry < 0) {
        deleted.push(String(-entry));
      } else {
        const mark = this.#marks[entry];
        if (mark === CLEAN) continue;
        this.#marks[entry] = CLEAN;
        (mark === CREATED ? created : changed).push(entry);
      }
      left--;
    }
    if (this.#taken === this.#pending.length) this.#empty();
    return { created, changed, deleted, lost };
  }

  get #isOn(): boolean {
    return this.#onPending !== undefined && !this.#isMuted;
  }

  #note(slot: number, mark: number): void {
    if (slot >= this.#marks.length) this.#grow();
    if (this.#marks[slot] !== CLEAN) return;
    // Clients see neither the device's own objects, nor backups, nor objects that are being destroyed.
    if (this.#table.id[slot] <= 0 || this.#table.has(slot, FLAG.KERNEL)) return;
    if (this.#append(slot)) this.#marks[slot] = mark;
  }

  /** Returns false if there is no room. Then everything is dropped. */
  #append(entry: number): boolean {
    if (this.#lost) return false;
    if (this.#pending.length >= this.#pendingMax) {
      this.#forget();
      this.#lost = true;
      return false;
    }
    const wasEmpty = this.#pending.length === 0;
    this.#pending.push(entry);
    if (wasEmpty) this.#onPending?.();
    return true;
  }

  #forget(): void {
    this.#marks.fill(CLEAN);
    this.#empty();
  }

  #empty(): void {
    this.#pending = [];
    this.#taken = 0;
  }

  #grow(): void {
    const marks = new Uint8Array(this.#table.capacity);
    marks.set(this.#marks);
    this.#marks = marks;
  }
}
