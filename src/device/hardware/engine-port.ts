/**
 * The main thread's side of an engine's registers and submission port: what both forms of the engine share.
 */
import assert from "node:assert/strict";
import {
  ACK_SERIAL,
  COMPLETED,
  type ControlMemory,
  DOORBELL,
  FAULT,
  HALT,
  PORT_ENTRIES,
  REQUEST,
  REQUEST_SERIAL,
  RUN,
  SLEEPING,
  SUBMITTED,
  type Submission,
  TAKEN,
} from "./control.ts";
import { FAULTS, type Fault } from "./engine.ts";

export class EnginePort {
  readonly #control: ControlMemory;
  readonly #block: number;
  #requestSerial = 0;
  #submitted = 0;

  constructor(control: ControlMemory, block: number) {
    this.#control = control;
    this.#block = block;
  }

  room(): number {
    return PORT_ENTRIES - (this.#submitted - this.#load(TAKEN));
  }

  submit(submission: Submission): void {
    assert(this.room() > 0, "a submission finds room in the port");
    this.#control.writeSubmission(this.#block, this.#submitted, submission);
    this.#submitted++;
    this.#store(SUBMITTED, this.#submitted);
  }

  completed(): number {
    return this.#load(COMPLETED);
  }

  fault(): Fault {
    return FAULTS[this.#load(FAULT)] ?? "NONE";
  }

  /** Asks the engine to run, with an empty port, or to halt. Returns once the request is written, not obeyed. */
  request(what: typeof RUN | typeof HALT): void {
    if (what === RUN) this.#reset();
    this.#store(REQUEST, what);
    this.#requestSerial++;
    this.#store(REQUEST_SERIAL, this.#requestSerial);
    this.ring();
  }

  acknowledged(): boolean {
    return this.#load(ACK_SERIAL) === this.#requestSerial;
  }

  /** Changes the doorbell, and wakes the engine if it sleeps on it. */
  ring(): void {
    const word = this.#control.register(this.#block, DOORBELL);
    Atomics.add(this.#control.words, word, 1);
    if (this.#load(SLEEPING) === 1) Atomics.notify(this.#control.words, word);
  }

  /** Starts the protocol afresh for a new engine thread, which knows of no earlier request. */
  forget(): void {
    this.#requestSerial = 0;
    this.#store(REQUEST, HALT);
    this.#store(REQUEST_SERIAL, 0);
    this.#store(ACK_SERIAL, 0);
    this.#store(SLEEPING, 0);
    this.#reset();
  }

  /** Records a fault on behalf of an engine that can no longer do so itself. */
  setFault(fault: Fault): void {
    this.#store(FAULT, FAULTS.indexOf(fault));
  }

  /** Control memory is reset by power loss; legal only while the engine does not run. */
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
