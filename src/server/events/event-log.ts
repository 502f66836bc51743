/** The log of events: the newest of all devices, numbered without a gap, bounded by number and by bytes. */
import assert from "node:assert/strict";
import type { Event_Type } from "../../contract/gen/torpor/v1/event.ts";

/** An event as it goes out. */
export interface ToldEvent {
  /** From 1; 0 when it is part of the present state. */
  readonly sequence: number;
  readonly type: Event_Type;
  /** Name of the device, without `devices/`; empty in a bookmark. */
  readonly device: string;
  /** The torpor.v1.Event. */
  readonly bytes: Uint8Array;
}

interface Entry {
  readonly event: ToldEvent;
  /** Bytes of everything that was ever logged before it. */
  readonly startBytes: number;
}

export interface EventLogLimits {
  readonly eventsMax: number;
  readonly bytesMax: number;
}

/** Entries that may have been dropped before the array is cut. */
const CUT_AT = 1024;

export class EventLog {
  readonly #limits: EventLogLimits;
  /** In the order of sequences; those before `#start` are dropped. */
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

  /** Whether every event after `sequence` is kept. */
  isKept(sequence: number): boolean {
    return sequence <= this.#head && sequence >= this.#head - (this.#entries.length - this.#start);
  }

  /** Adds an event; `make` is given its sequence. The oldest make room. */
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

  /** The first event after one that isKept; undefined when there is none yet. */
  next(sequence: number): ToldEvent | undefined {
    return this.#entryAfter(sequence)?.event;
  }

  /** What is logged after an event that isKept. */
  backlog(sequence: number): { readonly events: number; readonly bytes: number } {
    const entry = this.#entryAfter(sequence);
    return {
      events: this.#head - sequence,
      bytes: entry === undefined ? 0 : this.#totalBytes - entry.startBytes,
    };
  }

  /** Forgets all, and leaves a gap in the sequence, so that nobody can go on from before. */
  breakOff(): void {
    this.#entries = [];
    this.#start = 0;
    this.#head++;
  }

  #entryAfter(sequence: number): Entry | undefined {
    assert(this.isKept(sequence), "only what is kept is read");
    return this.#entries[this.#entries.length - (this.#head - sequence)];
  }

  /** The newest is kept, however large. */
  #isOver(): boolean {
    const count = this.#entries.length - this.#start;
    if (count <= 1) return false;
    const bytes = this.#totalBytes - this.#entries[this.#start].startBytes;
    return count > this.#limits.eventsMax || bytes > this.#limits.bytesMax;
  }
}

/** Lets go of the bytes of what was dropped before the array is cut. */
const DROPPED: Entry = {
  event: { sequence: 0, type: 0, device: "", bytes: new Uint8Array(0) },
  startBytes: 0,
};
