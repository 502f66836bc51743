/**
 * The main thread's side of an engine's registers and submission port, shared by both forms of the engine.
 */
import assert from "node:assert/strict";
import type { Clock } from "../clock.ts";
import type { MovedBytes } from "../resource.ts";
import {
  ACK_SERIAL,
  BUSY_NS,
  COMPLETED,
  CONTEXT_ID,
  type ControlMemory,
  DOORBELL,
  FAULT,
  HALT,
  MOVED_BYTES,
  PORT_ENTRIES,
  REQUEST,
  REQUEST_SERIAL,
  RING_HEAD,
  RUN,
  SLEEPING,
  SUBMITTED,
  type Submission,
  TAKEN,
} from "./control.ts";
import { type EnginePosition, FAULTS, type Fault } from "./engine.ts";
import type { Request } from "./engine-core.ts";

interface Waiter {
  readonly serial: number;
  settle(acknowledged: boolean): void;
}

export class EnginePort {
  readonly #control: ControlMemory;
  readonly #block: number;
  #requestSerial = 0;
  #submitted = 0;
  #waiters: Waiter[] = [];

  constructor(control: ControlMemory, block: number) {
    this.#control = control;
    this.#block = block;
  }

  room(): number {
    return PORT_ENTRIES - ((this.#submitted - this.#load(TAKEN)) | 0);
  }

  submit(submission: Submission): void {
    assert(this.room() > 0, "a submission finds room in the port");
    this.#control.writeSubmission(this.#block, this.#submitted, submission);
    this.#submitted = (this.#submitted + 1) | 0;
    this.#store(SUBMITTED, this.#submitted);
  }

  completed(): number {
    return this.#load(COMPLETED);
  }

  fault(): Fault {
    return FAULTS[this.#load(FAULT)];
  }

  /** The time is read after the register, so that an engine that begins meanwhile does not lower the sum. */
  busyNs(clock: Clock): bigint {
    const busyNs = this.#control.load64(this.#block, BUSY_NS);
    return busyNs >= 0n ? busyNs : clock.monotonicNs() + busyNs + 1n;
  }

  busy(): boolean {
    return this.#control.load64(this.#block, BUSY_NS) < 0n;
  }

  movedBytes(): MovedBytes {
    const at = (pathIndex: number) => this.#control.load64(this.#block, MOVED_BYTES + 2 * pathIndex);
    return { lmemRead: at(0), lmemWrite: at(1), linkOut: at(2), linkIn: at(3) };
  }

  /** The engine is gone. What it was busy until then stays counted. */
  endBusy(clock: Clock): void {
    this.#control.store64(this.#block, BUSY_NS, this.busyNs(clock));
  }

  position(): EnginePosition {
    return { contextId: this.#load(CONTEXT_ID), ringHead: this.#load(RING_HEAD) };
  }

  /**
   * Asks the engine to run with an empty port, to halt or to preempt. Resolves to true when it has done so,
   * or to false if it followed a later request instead or is gone. `settle` makes it resolve.
   */
  request(what: Request): Promise<boolean> {
    if (what === RUN) this.#reset();
    this.#store(REQUEST, what);
    const serial = ++this.#requestSerial;
    this.#store(REQUEST_SERIAL, serial);
    const settled = new Promise<boolean>((settle) => this.#waiters.push({ serial, settle }));
    this.ring();
    return settled;
  }

  /** Reads the engine's acknowledgements and settles the requests that are over. */
  settle(): void {
    const acknowledged = this.#load(ACK_SERIAL);
    const over = this.#waiters.filter((waiter) => waiter.serial <= acknowledged);
    this.#waiters = this.#waiters.filter((waiter) => waiter.serial > acknowledged);
    for (const waiter of over) waiter.settle(waiter.serial === acknowledged);
  }

  /** Settles every request as not fulfilled, because the engine is gone. */
  abandon(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.settle(false);
  }

  /** Changes the doorbell, and wakes the engine if it sleeps on it. */
  ring(): void {
    const word = this.#control.register(this.#block, DOORBELL);
    Atomics.add(this.#control.words, word, 1);
    if (this.#load(SLEEPING) === 1) Atomics.notify(this.#control.words, word);
  }

  /** Restarts the protocol for a new engine thread, which knows of no earlier request. */
  forget(): void {
    this.abandon();
    this.#requestSerial = 0;
    this.#store(REQUEST, HALT);
    this.#store(REQUEST_SERIAL, 0);
    this.#store(ACK_SERIAL, 0);
    this.#store(SLEEPING, 0);
    this.#reset();
  }

  /** Records a fault for an engine that can no longer do so itself. */
  setFault(fault: Fault): void {
    this.#store(FAULT, FAULTS.indexOf(fault));
  }

  /** Resets control memory after a power loss. Legal only while the engine does not run. */
  #reset(): void {
    this.#submitted = 0;
    this.#store(SUBMITTED, 0);
    this.#store(TAKEN, 0);
    this.#store(COMPLETED, 0);
    this.#store(FAULT, 0);
  }

  #load(register: number): number {
    return Atomics.load(this.#control.words, this.#control.register(this.#block, register));
  }

  #store(register: number, value: number): void {
    Atomics.store(this.#control.words, this.#control.register(this.#block, register), value);
  }
}
