/**
 * The microcode instances of one thread: one for each ordered pair of banks, because instantiation fixes a
 * module's memories. Made on first use.
 */
import assert from "node:assert/strict";
import { Microcode } from "./microcode.ts";

export class MicrocodeSet {
  readonly #banks: readonly WebAssembly.Memory[];
  readonly #control: WebAssembly.Memory;
  readonly #instances: (Microcode | undefined)[];

  constructor(banks: readonly WebAssembly.Memory[], control: WebAssembly.Memory) {
    this.#banks = banks;
    this.#control = control;
    this.#instances = new Array<Microcode | undefined>(banks.length * banks.length).fill(undefined);
  }

  /** The instance that reads bank `source` and writes bank `destination`. */
  between(source: number, destination: number): Microcode {
    const index = source * this.#banks.length + destination;
    const known = this.#instances[index];
    if (known !== undefined) return known;
    const sourceMemory = this.#banks[source];
    const destinationMemory = this.#banks[destination];
    assert(sourceMemory !== undefined && destinationMemory !== undefined, "microcode works on known banks");
    const made = new Microcode({
      source: sourceMemory,
      destination: destinationMemory,
      control: this.#control,
    });
    this.#instances[index] = made;
    return made;
  }

  /** A new instance for work inside a memory that is not a bank: a scratch pad of the driver. */
  over(scratch: WebAssembly.Memory): Microcode {
    return new Microcode({ source: scratch, destination: scratch, control: this.#control });
  }

  /** The instance for work inside one bank: fill, checksum, zero test. */
  within(bank: number): Microcode {
    return this.between(bank, bank);
  }
}
