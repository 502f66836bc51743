/**
 * Executes the commands of the context that an engine has loaded, on real bytes, in bounded pieces.
 */
import { MIB } from "../limits.ts";
import { CONTEXT_TRANSLATED, type ContextState, statusWord } from "./context-image.ts";
import { type ControlMemory, DESCRIPTORS_MAX } from "./control.ts";
import type { Fault } from "./engine.ts";
import type { MicrocodeSet } from "./microcode-set.ts";
import { EngineBytes } from "./moved-bytes.ts";
import { PageTableWalker } from "./page-table.ts";
import {
  type BankAddress,
  COMMAND_BYTES,
  FLAG_FIRST,
  FLAG_INDEPENDENT,
  OP_ADD,
  OP_BREADCRUMB,
  OP_COPY,
  OP_CRC_STORE,
  OP_CRC_UPDATE,
  OP_FILL,
  OP_HANG,
  OP_LOAD_REGISTER,
  OP_NOOP,
  OP_SEMAPHORE_WAIT,
  OP_SPIN,
  OP_STORE_DWORD,
  OP_STORE_REGISTER,
  OP_TIMESTAMP,
  OP_XOR,
  readAddress,
  readValue,
} from "./ring.ts";

/** Bytes moved between checks of the request register: about 0.1 ms. */
const STEP_BYTES = MIB;
/** Bytes filled between checks: one large fill is much faster than many small ones. */
const FILL_BYTES = 64 * MIB;
/** Commands executed between checks. */
const STEP_COMMANDS = 1024;
/** How often a semaphore is checked. Nanoseconds. */
const SEMAPHORE_POLL_NS = 1_000_000n;

export interface CommandUnitOptions {
  readonly control: ControlMemory;
  readonly block: number;
  readonly banks: readonly WebAssembly.Memory[];
  readonly microcodes: MicrocodeSet;
  readonly nowNs: () => bigint;
}

export class CommandUnit {
  stepBytes = 0;
  /** What was moved since it was last taken. */
  readonly moved = new EngineBytes();
  wakeAtNs: bigint | undefined;
  /** Whether the command at the head waits for something. */
  waits = false;
  readonly #options: CommandUnitOptions;
  readonly #banks: readonly Uint32Array[];
  #image: BankAddress = { bank: 0, offsetBytes: 0 };
  #pageTable: PageTableWalker | undefined;
  /** Bytes of the command at the ring's head that are already done. */
  #commandDone = 0;
  #stepCommands = 0;
  #hangs = false;
  /** When the spin at the head ends; 0 if none has begun. */
  #spinUntilNs = 0n;

  constructor(options: CommandUnitOptions) {
    this.#options = options;
    this.#banks = options.banks.map((memory) => new Uint32Array(memory.buffer));
  }

  /** Whether the context may be switched out now: between two commands, or within one that waits. */
  get isPreemptible(): boolean {
    return this.#commandDone === 0 && !this.#hangs;
  }

  get stepIsFull(): boolean {
    return this.stepBytes >= STEP_BYTES;
  }

  beginStep(): void {
    this.stepBytes = 0;
    this.#stepCommands = 0;
    this.wakeAtNs = undefined;
  }

  /** Takes over a context that the engine has loaded. */
  load(context: ContextState, image: BankAddress): void {
    this.forget();
    this.#image = image;
    if (context.spinRemainingNs > 0n) this.#spinUntilNs = this.#options.nowNs() + context.spinRemainingNs;
    if ((context.flags & CONTEXT_TRANSLATED) === 0) return;
    const bank = context.pageTableBank;
    const microcode = this.#options.microcodes.within(bank);
    this.#pageTable = new PageTableWalker(this.bank(bank), context.pageTableOffsetBytes, microcode);
  }

  /** Updates the context before it is saved in the middle of a spin. */
  suspendSpin(context: ContextState): void {
    if (this.#spinUntilNs === 0n) return;
    const left = this.#spinUntilNs - this.#options.nowNs();
    context.spinRemainingNs = left > 1n ? left : 1n;
  }

  /** Forgets the context. */
  forget(): void {
    this.#pageTable = undefined;
    this.#commandDone = 0;
    this.#hangs = false;
    this.#spinUntilNs = 0n;
    this.waits = false;
  }

  /** Executes until the ring's head is at `tail`, the step is full, or a command waits or faults. */
  runUntil(context: ContextState, tail: number): "progress" | "waiting" | Fault {
    if (this.#pageTable?.rootIsValid() === false) return "PAGE_FAULT";
    this.waits = false;
    const ring = this.bank(context.ringBank);
    while (context.head !== tail && !this.stepIsFull && this.#stepCommands++ < STEP_COMMANDS) {
      const outcome = this.#command(context, ring, tail);
      if (outcome !== "progress") return outcome;
    }
    return "progress";
  }

  /** The bank in a command. One that does not exist is a bus error, like an address beyond the end. */
  bank(index: number): Uint32Array {
    const words = this.#banks[index];
    if (words === undefined) throw new WebAssembly.RuntimeError(`bank ${index} does not exist`);
    return words;
  }

  #command(context: ContextState, ring: Uint32Array, tail: number): "progress" | "waiting" | Fault {
    const at = (context.ringOffsetBytes + context.head) / 4;
    switch (ring[at] & 0xff) {
      case OP_COPY:
        return this.#copyBatch(context, ring, tail);
      case OP_FILL:
        return this.#range(context, { ring, at, pieceBytes: FILL_BYTES }, (bank, offset, length) =>
          this.#options.microcodes.within(bank).fill(offset, length, ring[at + 6]),
        );
      case OP_ADD:
        return this.#range(context, { ring, at, pieceBytes: STEP_BYTES }, (bank, offset, length) =>
          this.#options.microcodes.within(bank).addRange(offset, length, ring[at + 6]),
        );
      case OP_XOR:
        return this.#range(context, { ring, at, pieceBytes: STEP_BYTES }, (bank, offset, length) =>
          this.#options.microcodes.within(bank).xorRange(offset, length, ring[at + 6]),
        );
      case OP_CRC_UPDATE:
        return this.#crcUpdate(context, ring, at);
      case OP_SEMAPHORE_WAIT:
        if (Atomics.load(this.bank(ring[at] >>> 24), this.#dword(ring, at)) >= ring[at + 6]) break;
        return this.#wait(this.#options.nowNs() + SEMAPHORE_POLL_NS);
      case OP_SPIN:
        return this.#spin(context, ring, at);
      case OP_HANG:
        this.#hangs = true;
        return this.#wait(undefined);
      default:
        if (!this.#store(context, ring, at)) return "BAD_OPCODE";
    }
    this.#advance(context);
    return "progress";
  }

  /** Executes the commands that write a few bytes or a register. False for any other opcode. */
  #store(context: ContextState, ring: Uint32Array, at: number): boolean {
    switch (ring[at] & 0xff) {
      case OP_NOOP:
        return true;
      case OP_BREADCRUMB:
        this.bank(this.#image.bank)[statusWord(this.#image.offsetBytes)] = ring[at + 1];
        return true;
      case OP_STORE_DWORD:
        Atomics.store(this.bank(ring[at] >>> 24), this.#dword(ring, at), ring[at + 6]);
        return true;
      case OP_LOAD_REGISTER:
        context.registers[ring[at + 1] * 2] = ring[at + 6];
        context.registers[ring[at + 1] * 2 + 1] = ring[at + 7];
        return true;
      case OP_STORE_REGISTER:
        this.#store64(ring, at, registerPair(context, ring[at + 1]));
        return true;
      case OP_CRC_STORE:
        this.bank(ring[at] >>> 24)[this.#dword(ring, at)] = context.crc;
        return true;
      case OP_TIMESTAMP: {
        const now = this.#options.nowNs();
        this.#store64(ring, at, [Number(now & 0xffff_ffffn), Number(now >> 32n)]);
        return true;
      }
      default:
        return false;
    }
  }

  /** Gathers copies that may run together, as many as one call of the microcode accepts, and runs them. */
  #copyBatch(context: ContextState, ring: Uint32Array, tail: number): "progress" | Fault {
    const { control, block, microcodes } = this.#options;
    let count = 0;
    let sourceBank = 0;
    let destinationBank = 0;
    while (context.head !== tail && count < DESCRIPTORS_MAX && !this.stepIsFull) {
      const at = (context.ringOffsetBytes + context.head) / 4;
      const header = ring[at];
      if ((header & 0xff) !== OP_COPY) break;
      const from = (header >>> 16) & 0xff;
      const to = header >>> 24;
      this.bank(from);
      this.bank(to);
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
        if (read === undefined || write === undefined) return "PAGE_FAULT";
        source = read.physical;
        destination = write.physical;
        length = Math.min(read.contiguousBytes, write.contiguousBytes);
      }
      if (from === to && Math.abs(source - destination) < left) {
        if (count > 0) break;
        // Overlapping ranges are copied whole, as memmove does. In parts, the copy would read what it has
        // written.
        microcodes.between(from, to).copyOverlapping(source, destination, left);
        this.#countCopy(from, to, left);
        this.#consume(context, left, left);
        return "progress";
      }
      control.writeDescriptor(block, count, source, destination, length);
      this.#countCopy(from, to, length);
      count++;
      this.#consume(context, left, length);
      if (!independent) break;
    }
    microcodes.between(sourceBank, destinationBank).copyBatch(control.descriptorsOffsetBytes(block), count);
    return "progress";
  }

  /** Executes a command over a range at B, piece by piece. */
  #range(
    context: ContextState,
    {
      ring,
      at,
      pieceBytes,
    }: { readonly ring: Uint32Array; readonly at: number; readonly pieceBytes: number },
    work: (bank: number, offset: number, length: number) => void,
  ): "progress" | Fault {
    const bank = ring[at] >>> 24;
    this.bank(bank);
    const left = ring[at + 1] - this.#commandDone;
    let length = Math.min(left, pieceBytes);
    let offset = readAddress(ring, at + 4) + this.#commandDone;
    if (this.#pageTable !== undefined) {
      const write = this.#pageTable.translate(bank, offset, length);
      if (write === undefined) return "PAGE_FAULT";
      offset = write.physical;
      length = write.contiguousBytes;
    }
    work(bank, offset, length);
    // A fill only writes.
    if ((ring[at] & 0xff) !== OP_FILL) this.moved.read(bank, length);
    this.moved.write(bank, length);
    this.#consume(context, left, length);
    return "progress";
  }

  #crcUpdate(context: ContextState, ring: Uint32Array, at: number): "progress" {
    const bank = (ring[at] >>> 16) & 0xff;
    this.bank(bank);
    if (this.#commandDone === 0 && ((ring[at] >>> 8) & FLAG_FIRST) !== 0) context.crc = 0;
    const left = ring[at + 1] - this.#commandDone;
    const length = Math.min(left, STEP_BYTES);
    const offset = readAddress(ring, at + 2) + this.#commandDone;
    context.crc = this.#options.microcodes.within(bank).crc32c(offset, length, context.crc);
    this.moved.read(bank, length);
    this.#consume(context, left, length);
    return "progress";
  }

  #spin(context: ContextState, ring: Uint32Array, at: number): "progress" | "waiting" {
    const now = this.#options.nowNs();
    if (this.#spinUntilNs === 0n) this.#spinUntilNs = now + readValue(ring, at + 6);
    if (now < this.#spinUntilNs) return this.#wait(this.#spinUntilNs);
    this.#spinUntilNs = 0n;
    context.spinRemainingNs = 0n;
    this.#advance(context);
    return "progress";
  }

  #wait(untilNs: bigint | undefined): "waiting" {
    this.waits = true;
    this.wakeAtNs = untilNs;
    return "waiting";
  }

  /** Index in its bank of the dword at B. */
  #dword(ring: Uint32Array, at: number): number {
    const index = readAddress(ring, at + 4) / 4;
    if (index >= this.bank(ring[at] >>> 24).length || !Number.isInteger(index))
      throw new WebAssembly.RuntimeError("address beyond its bank, or not that of a dword");
    return index;
  }

  #store64(ring: Uint32Array, at: number, [low, high]: WordPair): void {
    const words = this.bank(ring[at] >>> 24);
    const index = this.#dword(ring, at);
    words[index] = low;
    words[index + 1] = high;
  }

  #countCopy(from: number, to: number, bytes: number): void {
    this.moved.read(from, bytes);
    this.moved.write(to, bytes);
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
}

/** The two words of 64 bits. */
type WordPair = readonly [low: number, high: number];

function registerPair({ registers }: ContextState, register: number): WordPair {
  return [registers[register * 2], registers[register * 2 + 1]];
}
