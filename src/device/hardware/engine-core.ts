/**
 * The fetch-execute loop of an engine, in steps. Knows no thread and no clock: a form of the engine calls `step` and
 * `publish` in turn, the worker at machine speed, the in-process form when virtual time says so.
 *
 * Owned by the engine's thread; everything shared with others is in control memory and in the banks.
 */
import { MIB } from "../limits.ts";
import {
  CONTEXT_TRANSLATED,
  type ContextState,
  loadContext,
  saveContext,
  statusWord,
} from "./context-image.ts";
import {
  ACK_SERIAL,
  COMPLETED,
  type ControlMemory,
  DESCRIPTORS_MAX,
  EVENT,
  FAULT,
  HALT,
  REQUEST,
  REQUEST_SERIAL,
  STATE,
  SUBMITTED,
  type Submission,
  TAKEN,
} from "./control.ts";
import { FAULTS, type Fault } from "./engine.ts";
import { isTrap } from "./microcode.ts";
import { MicrocodeSet } from "./microcode-set.ts";
import { PageTableWalker } from "./page-table.ts";
import {
  COMMAND_BYTES,
  FLAG_INDEPENDENT,
  OP_BREADCRUMB,
  OP_COPY,
  OP_FILL,
  OP_NOOP,
  readAddress,
} from "./ring.ts";

/** What a step did. `idle`: nothing to do; `halted` and `faulted`: nothing will happen before the next request. */
export type StepKind = "idle" | "progress" | "halted" | "faulted";

/** Bytes moved between looks at the request register: about 0.1 ms. */
const STEP_BYTES = MIB;
/** Bytes filled between looks: one large fill is much faster than many small ones. */
const FILL_BYTES = 64 * MIB;
/** Completions published before the main thread is told, when more work follows. */
const COMPLETIONS_PER_EVENT = 64;

const STATE_IDLE = 0;
const STATE_RUNNING = 1;
const STATE_HALTED = 2;
const STATE_FAULTED = 3;

interface Address {
  readonly bank: number;
  readonly offset: number;
}

export class EngineCore {
  /** Bytes that the last step copied and filled; the in-process form charges time for them. */
  stepBytes = 0;

  readonly #control: ControlMemory;
  readonly #block: number;
  readonly #banks: readonly Uint32Array[];
  readonly #microcodes: MicrocodeSet;
  #ackSerial = 0;
  #halted = true;
  #fault: Fault = "NONE";
  #taken = 0;
  #completed = 0;
  #completedPublished = 0;
  #completedTold = 0;
  #context: ContextState | undefined;
  #image: Address = { bank: 0, offset: 0 };
  #pageTable: PageTableWalker | undefined;
  #running = false;
  #ringTail = 0;
  /** Bytes of the command at the ring's head that are already done. */
  #commandDone = 0;

  constructor(control: ControlMemory, block: number, banks: readonly WebAssembly.Memory[]) {
    this.#control = control;
    this.#block = block;
    this.#banks = banks.map((memory) => new Uint32Array(memory.buffer));
    this.#microcodes = new MicrocodeSet(banks, control.memory);
  }

  /** Does a bounded piece of work. What it finished is visible to others only after `publish`. */
  step(): StepKind {
    this.stepBytes = 0;
    if (this.#load(REQUEST_SERIAL) !== this.#ackSerial) return this.#obey();
    if (this.#halted) return "halted";
    if (this.#fault !== "NONE") return "faulted";
    try {
      if (!this.#running && !this.#take()) return "idle";
      this.#execute();
    } catch (error) {
      if (!isTrap(error)) throw error;
      this.#fault = "BUS_ERROR";
    }
    return "progress";
  }

  /** Makes the results of the steps so far visible, and raises an event when somebody should look. */
  publish(): void {
    if (this.#fault !== "NONE" && this.#load(FAULT) === 0) {
      this.#store(FAULT, FAULTS.indexOf(this.#fault));
      this.#store(STATE, STATE_FAULTED);
      this.#event();
    }
    if (this.#completed !== this.#completedPublished) {
      this.#completedPublished = this.#completed;
      this.#store(COMPLETED, this.#completed);
    }
    const untold = this.#completed - this.#completedTold;
    if (untold === 0) return;
    const more = this.#running || this.#load(SUBMITTED) !== this.#taken;
    if (!more || untold >= COMPLETIONS_PER_EVENT || this.stepBytes >= STEP_BYTES) {
      this.#completedTold = this.#completed;
      this.#event();
    }
  }

  #obey(): StepKind {
    const serial = this.#load(REQUEST_SERIAL);
    this.#halted = this.#load(REQUEST) === HALT;
    this.#fault = "NONE";
    this.#running = false;
    this.#context = undefined;
    this.#pageTable = undefined;
    this.#taken = 0;
    this.#completed = 0;
    this.#completedPublished = 0;
    this.#completedTold = 0;
    this.#commandDone = 0;
    this.#ackSerial = serial;
    this.#store(STATE, this.#halted ? STATE_HALTED : STATE_IDLE);
    this.#store(ACK_SERIAL, serial);
    this.#event();
    return this.#halted ? "halted" : "progress";
  }

  /** Takes the next submission from the port and switches to its context. False when there is none. */
  #take(): boolean {
    if (this.#load(SUBMITTED) === this.#taken) return false;
    const submission = this.#control.readSubmission(this.#block, this.#taken);
    this.#taken++;
    this.#store(TAKEN, this.#taken);
    this.#store(STATE, STATE_RUNNING);
    this.#switchTo(submission);
    this.#ringTail = submission.ringTail;
    this.#running = true;
    return true;
  }

  #switchTo(submission: Submission): void {
    const image = { bank: submission.imageBank, offset: submission.imageOffsetBytes };
    if (this.#context !== undefined && image.bank === this.#image.bank && image.offset === this.#image.offset)
      return;
    this.#image = image;
    this.#context = loadContext(this.#bank(image.bank), image.offset, this.#microcodes.within(image.bank));
    this.#pageTable = undefined;
    if (this.#context === undefined) {
      this.#fault = "CONTEXT_CORRUPT";
      return;
    }
    if ((this.#context.flags & CONTEXT_TRANSLATED) !== 0) {
      const bank = this.#context.pageTableBank;
      this.#pageTable = new PageTableWalker(
        this.#bank(bank),
        this.#context.pageTableOffsetBytes,
        this.#microcodes.within(bank),
      );
    }
  }

  #execute(): void {
    const context = this.#context;
    if (context === undefined) return;
    if (this.#pageTable?.rootIsValid() === false) {
      this.#fault = "PAGE_FAULT";
      return;
    }
    while (this.#fault === "NONE" && context.head !== this.#ringTail && this.stepBytes < STEP_BYTES) {
      const ring = this.#bank(context.ringBank);
      const at = (context.ringOffsetBytes + context.head) / 4;
      switch (ring[at] & 0xff) {
        case OP_COPY:
          this.#copyBatch(context, ring);
          break;
        case OP_FILL:
          this.#fill(context, ring, at);
          break;
        case OP_BREADCRUMB:
          this.#bank(this.#image.bank)[statusWord(this.#image.offset)] = ring[at + 1];
          this.#advance(context);
          break;
        case OP_NOOP:
          this.#advance(context);
          break;
        default:
          this.#fault = "BAD_OPCODE";
      }
    }
    if (this.#fault === "NONE" && context.head === this.#ringTail) this.#finish(context);
  }

  /** The submission is done. Unless the same context goes on, its image is saved before anybody hears of it. */
  #finish(context: ContextState): void {
    this.#running = false;
    this.#completed++;
    const next =
      this.#load(SUBMITTED) === this.#taken
        ? undefined
        : this.#control.readSubmission(this.#block, this.#taken);
    if (next?.imageBank === this.#image.bank && next.imageOffsetBytes === this.#image.offset) return;
    const { bank, offset } = this.#image;
    saveContext(this.#bank(bank), offset, context, this.#microcodes.within(bank));
    this.#context = undefined;
    this.#store(STATE, STATE_IDLE);
  }

  /** Gathers copies that may run together, as many as one call of the microcode takes, and runs them. */
  #copyBatch(context: ContextState, ring: Uint32Array): void {
    let count = 0;
    let sourceBank = 0;
    let destinationBank = 0;
    while (context.head !== this.#ringTail && count < DESCRIPTORS_MAX && this.stepBytes < STEP_BYTES) {
      const at = (context.ringOffsetBytes + context.head) / 4;
      const header = ring[at];
      if ((header & 0xff) !== OP_COPY) break;
      const from = (header >>> 16) & 0xff;
      const to = header >>> 24;
      this.#bank(from);
      this.#bank(to);
      const independent = ((header >>> 8) & FLAG_INDEPENDENT) !== 0;
      if (count > 0 && (from !== sourceBank || to !== destinationBank || !independent)) break;
      sourceBank = from;
      destinationBank = to;
      const left = ring[at + 1] - this.#commandDone;
      let length = Math.min(left, STEP_BYTES - this.stepBytes);
      let source = readAddress(ring, at + 2) + this.#commandDone;
      let destination = readAddress(ring, at + 4) + this.#commandDone;
      if (this.#pageTable !== undefined) {
        const read = this.#pageTable.translate(from, source, length);
        const write = this.#pageTable.translate(to, destination, length);
        if (read === undefined || write === undefined) {
          this.#fault = "PAGE_FAULT";
          return;
        }
        source = read.physical;
        destination = write.physical;
        length = Math.min(read.contiguousBytes, write.contiguousBytes);
      }
      if (from === to && Math.abs(source - destination) < length) {
        if (count > 0) break;
        this.#microcodes.between(from, to).copyOverlapping(source, destination, length);
        this.#consume(context, left, length);
        return;
      }
      this.#control.writeDescriptor(this.#block, count, source, destination, length);
      count++;
      this.#consume(context, left, length);
      if (!independent) break;
    }
    this.#microcodes
      .between(sourceBank, destinationBank)
      .copyBatch(this.#control.descriptorsOffsetBytes(this.#block), count);
  }

  #fill(context: ContextState, ring: Uint32Array, at: number): void {
    const bank = ring[at] >>> 24;
    const left = ring[at + 1] - this.#commandDone;
    let length = Math.min(left, FILL_BYTES);
    let offset = readAddress(ring, at + 4) + this.#commandDone;
    if (this.#pageTable !== undefined) {
      const write = this.#pageTable.translate(bank, offset, length);
      if (write === undefined) {
        this.#fault = "PAGE_FAULT";
        return;
      }
      offset = write.physical;
      length = write.contiguousBytes;
    }
    this.#microcodes.within(bank).fill(offset, length, ring[at + 6]);
    this.#consume(context, left, length);
  }

  #consume(context: ContextState, left: number, length: number): void {
    this.stepBytes += length;
    if (length < left) this.#commandDone += length;
    else this.#advance(context);
  }

  #advance(context: ContextState): void {
    this.#commandDone = 0;
    context.head = (context.head + COMMAND_BYTES) % context.ringBytes;
  }

  /** A bank that a command names; one that does not exist is a bus error, like an address beyond the end. */
  #bank(index: number): Uint32Array {
    const words = this.#banks[index];
    if (words === undefined) throw new WebAssembly.RuntimeError(`bank ${index} does not exist`);
    return words;
  }

  #event(): void {
    const word = this.#control.register(this.#block, EVENT);
    Atomics.add(this.#control.words, word, 1);
    Atomics.notify(this.#control.words, word);
  }

  #load(register: number): number {
    return Atomics.load(this.#control.words, this.#control.register(this.#block, register));
  }

  #store(register: number, value: number): void {
    Atomics.store(this.#control.words, this.#control.register(this.#block, register), value);
  }
}
