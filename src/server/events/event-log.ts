/**
 * The log of events: the newest events of all devices, numbered without gaps, limited by number and bytes.
 */
import assert from "node:assert/strict";
import type { Event_Type } from "../../contract/gen/torpor/v1/event.ts";

/** An event ready to be sent. */
export interface ToldEvent {
  /** From 1; 0 if it belongs to the present state. */
  readonly sequence: number;
  readonly type: Event_Type;
  /** Name of the device without `devices/`; empty in a bookmark. */
  readonly device: string;
  /** The encoded torpor.v1.Event. */
  readonly bytes: Uint8Array;
}

interface Entry {
  readonly event: ToldEvent;
  /** Total bytes of all events logged before it. */
  readonly startBytes: number;
}

export interface EventLogLimits {
  readonly eventsMax: number;
  readonly bytesMax: number;
}

/** How many entries may be dropped before the array is cut. */
const CUT_AT = 1024;

export class EventLog {
  readonly #limits: EventLogLimits;
  /** Ordered by sequence. Those before `#start` are dropped. */
  #entries: Entry[] = [];
  #start = 0;
  #totalBytes = 0;
  #head: number;

  /** @param base the sequence before that of the first event */
  constructor(limits: EventLogLimits, base = 0) {
    this.#limits = limits;
    this.#head = base;
  }

  /** Sequence of the newest event. */
  get head(): number {
    return this.#head;
  }

  /** Whether every event after `sequence` is still in the log. */
  isKept(sequence: number): boolean {
    return sequence <= this.#head && sequence >= this.#head - (this.#entries.length - this.#start);
  }

  /** Adds an event, and drops the oldest if needed. `make` gets its sequence. */
  append(make: (sequence: number) => ToldEvent): void {
    const event = make(this.#head + 1);
    assert(event.sequence === this.#head + 1, "events are numbered without a gap");
    this.#head++;
    this.#entries.push({ event, startBytes: this.#totalBytes });
    this.#totalBytes += event.bytes.byteLength;
    while (this.#isOver()) this.#entries[this.#start++] = DROPPED;
    if (this.#start < CUT_AT) return;
    this.#entries.splice(0, this.#start);
    this.#start = 0;
  }

  /** The first event after `sequence`, for which isKept holds; undefined if there is none yet. */
  next(sequence: number): ToldEvent | undefined {
    return this.#entryAfter(sequence)?.event;
  }

  /** The events after `sequence`, for which isKept holds. */
  backlog(sequence: number): { readonly events: number; readonly bytes: number } {
    const entry = this.#entryAfter(sequence);
    return {
      events: this.#head - sequence,
      bytes: entry === undefined ? 0 : this.#totalBytes - entry.startBytes,
    };
  }

  /** Drops all events and leaves a gap in the sequence, so that nobody can continue from before. */
  breakOff(): void {
    this.#entries = [];
    this.#start = 0;
    this.#head++;
  }

  #entryAfter(sequence: number): Entry | undefined {
    assert(this.isKept(sequence), "only what is kept is read");
    return this.#entries[this.#entries.length - (this.#head - sequence)];
  }

  /** The newest event stays, however large it is. */
  #isOver(): boolean {
    const count = this.#entries.length - this.#start;
    if (count <= 1) return false;
    const bytes = this.#totalBytes - this.#entries[this.#start].startBytes;
    return count > this.#limits.eventsMax || bytes > this.#limits.bytesMax;
  }
}

/** Releases the bytes of dropped events before the array is cut. */
const DROPPED: Entry = {
  event: { sequence: 0, type: 0, device: "", bytes: new Uint8Array(0) },
  startBytes: 0,
};
