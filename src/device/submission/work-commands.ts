/**
 * The commands of a request. They are all checked before anything happens, and turned into ring commands when
 * the objects are where they will stay while it runs.
 */

import { DeviceError } from "../errors.ts";
import type { Extent } from "../extent.ts";
import { COMMAND_LENGTH_MAX, type RingWriter } from "../hardware/ring.ts";
import { SPIN_MAX_MS, WORK_COMMANDS_MAX } from "../limits.ts";
import { requireUsable } from "../memory/lifecycle.ts";
import { type Memory, objectNotFound } from "../memory/memory.ts";
import { NONE } from "../memory/object-table.ts";
import { requireClientObject } from "../memory/objects.ts";
import type { Usage } from "../memory/reservations.ts";
import type { WorkCommand } from "../work-command.ts";
import type { RingWork } from "./ring-context.ts";

const REGISTERS = 16;
const DWORD_MAX = 0xffff_ffff;
const REGISTER_MAX = 0xffff_ffff_ffff_ffffn;

/** Of two uses of an object by one request, the stronger counts. */
const STRENGTH: Readonly<Record<Usage, number>> = { keep: 0, read: 1, write: 2 };

/** What a request does with its objects, by slot. */
export type ObjectUses = Map<number, Usage>;

/** Checks every command. @throws DeviceError naming the first invalid one, before anything has happened. */
export function checkCommands(memory: Memory, commands: readonly WorkCommand[]): ObjectUses {
  if (commands.length === 0 || commands.length > WORK_COMMANDS_MAX) {
    throw new DeviceError(
      "INVALID_REQUEST",
      `A request of ${commands.length} commands is not between 1 and ${WORK_COMMANDS_MAX} commands.`,
      { commands: String(commands.length), limit: String(WORK_COMMANDS_MAX) },
    );
  }
  const checker = new Checker(memory);
  for (const [index, command] of commands.entries()) checker.check(command, index);
  return checker.uses;
}

/** A range in a command. Its offset is a multiple of `align`, its length of `multiple`. @default 1 each */
interface CheckedRange extends Extent {
  readonly align?: number;
  readonly multiple?: number;
}

class Checker {
  readonly uses: ObjectUses = new Map();
  readonly #memory: Memory;
  #index = 0;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  check(command: WorkCommand, index: number): void {
    this.#index = index;
    switch (command.op) {
      case "fill":
        this.#write(command, { lengthBytes: command.lengthBytes, align: 4 });
        this.#dword("pattern", command.pattern);
        break;
      case "add":
      case "xor":
        this.#write(command, { lengthBytes: command.lengthBytes, align: 4, multiple: 4 });
        this.#dword("value", command.value);
        break;
      case "copy":
        this.#copy(command);
        break;
      case "storeDword":
        this.#write(command, { lengthBytes: 4, align: 4 });
        this.#dword("value", command.value);
        break;
      case "timestamp":
        this.#write(command, { lengthBytes: 8, align: 8 });
        break;
      case "waitSemaphore":
        this.#range(command.object, "keep", { offsetBytes: command.offsetBytes, lengthBytes: 4, align: 4 });
        this.#dword("value", command.value);
        break;
      case "checksum":
        this.#checksum(command);
        break;
      case "loadRegister":
        if (command.value < 0n || command.value > REGISTER_MAX) this.#refuse("its value is not 64 bits");
        this.#register(command.register);
        break;
      case "storeRegister":
        this.#register(command.register);
        this.#write(command, { lengthBytes: 8, align: 8 });
        break;
      case "spin":
        if (!(command.durationMs >= 0 && command.durationMs <= SPIN_MAX_MS)) {
          this.#refuse(`its duration (${command.durationMs} ms) is not between 0 and ${SPIN_MAX_MS} ms`);
        }
        break;
      case "hang":
        break;
      default:
        command satisfies never;
    }
  }

  #write(
    { object, offsetBytes }: { readonly object: string; readonly offsetBytes: number },
    range: Omit<CheckedRange, "offsetBytes">,
  ): void {
    this.#range(object, "write", { offsetBytes, ...range });
  }

  #checksum(command: Extract<WorkCommand, { op: "checksum" }>): void {
    const { object, offsetBytes, lengthBytes, destination, destinationOffsetBytes } = command;
    this.#range(object, "read", { offsetBytes, lengthBytes });
    this.#range(destination, "write", { offsetBytes: destinationOffsetBytes, lengthBytes: 4, align: 4 });
  }

  #copy(command: Extract<WorkCommand, { op: "copy" }>): void {
    const { source, sourceOffsetBytes, destination, destinationOffsetBytes, lengthBytes } = command;
    this.#range(source, "read", { offsetBytes: sourceOffsetBytes, lengthBytes });
    this.#range(destination, "write", { offsetBytes: destinationOffsetBytes, lengthBytes });
    const apart = Math.abs(sourceOffsetBytes - destinationOffsetBytes) >= lengthBytes;
    if (source === destination && !apart) this.#refuse("its source and destination overlap");
  }

  #range(id: string, usage: Usage, range: CheckedRange): void {
    const { offsetBytes: offset, lengthBytes: length, align = 1, multiple = 1 } = range;
    const memory = this.#memory;
    const slot = memory.findObject(id);
    if (slot === NONE) throw objectNotFound(id);
    requireClientObject(memory, slot);
    requireUsable(memory, slot);
    const sizeBytes = memory.table.sizeBytes[slot];
    const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length > 0;
    if (!whole || offset + length > sizeBytes) {
      this.#refuse(`${length} bytes from offset ${offset} do not lie in object ${id} (${sizeBytes} bytes)`);
    }
    if (offset % align !== 0) this.#refuse(`offset ${offset} is not a multiple of ${align}`);
    if (length % multiple !== 0) this.#refuse(`length ${length} is not a multiple of ${multiple}`);
    const strongest = STRENGTH[this.uses.get(slot) ?? "keep"] > STRENGTH[usage] ? this.uses.get(slot) : usage;
    if (strongest !== undefined) this.uses.set(slot, strongest);
  }

  #dword(what: string, value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > DWORD_MAX)
      this.#refuse(`its ${what} (${value}) is not 32 bits`);
  }

  #register(register: number): void {
    if (Number.isInteger(register) && register >= 0 && register < REGISTERS) return;
    this.#refuse(`register ${register} is not one of 0 to ${REGISTERS - 1}`);
  }

  #refuse(why: string): never {
    throw new DeviceError("INVALID_RANGE", `Command ${this.#index} cannot be executed: ${why}.`, {
      command: String(this.#index),
    });
  }
}

/**
 * Turns a request's commands into ring work. `slots` finds the objects, which stay where they are until it
 * ends.
 */
export class RequestWork implements RingWork {
  readonly bytes = 0;
  readonly #pieces: Iterator<(ring: RingWriter) => void>;
  #next: IteratorResult<(ring: RingWriter) => void>;

  constructor(memory: Memory, commands: readonly WorkCommand[], slots: ReadonlyMap<string, number>) {
    this.#pieces = piecesOf(memory, commands, slots);
    this.#next = this.#pieces.next();
  }

  emit(ring: RingWriter, commandsMax: number): number {
    let emitted = 0;
    for (; emitted < commandsMax && this.#next.done !== true; emitted++) {
      this.#next.value(ring);
      this.#next = this.#pieces.next();
    }
    return emitted;
  }

  done(): boolean {
    return this.#next.done === true;
  }
}

/** Yields the ring commands: each command of the request once for every run of bytes that it names. */
function* piecesOf(
  memory: Memory,
  commands: readonly WorkCommand[],
  slots: ReadonlyMap<string, number>,
): Generator<(ring: RingWriter) => void> {
  const places = new Places(memory, slots);
  for (const command of commands) yield* ringCommands(places, command);
}

function* ringCommands(places: Places, command: WorkCommand): Generator<(ring: RingWriter) => void> {
  switch (command.op) {
    case "fill":
      for (const run of places.runs(command.object, command)) {
        yield (ring) => ring.fill(run, run.lengthBytes, command.pattern);
      }
      return;
    case "add":
    case "xor":
      for (const run of places.runs(command.object, command)) {
        yield (ring) => ring[command.op](run, run.lengthBytes, command.value);
      }
      return;
    case "copy":
      for (const { source, destination, lengthBytes } of places.pairs(command)) {
        yield (ring) => ring.copy(source, destination, lengthBytes);
      }
      return;
    case "checksum": {
      let first = true;
      for (const run of places.runs(command.object, command)) {
        const begins = first;
        first = false;
        yield (ring) => ring.crcUpdate(run, run.lengthBytes, begins);
      }
      const to = places.at(command.destination, command.destinationOffsetBytes);
      yield (ring) => ring.crcStore(to);
      return;
    }
    default:
      yield singleCommand(places, command);
  }
}

/** The single ring command for a command that names one place or none. */
function singleCommand(
  places: Places,
  command: Exclude<WorkCommand, { readonly op: "fill" | "add" | "xor" | "copy" | "checksum" }>,
): (ring: RingWriter) => void {
  switch (command.op) {
    case "storeDword": {
      const to = places.at(command.object, command.offsetBytes);
      return (ring) => ring.storeDword(to, command.value);
    }
    case "timestamp": {
      const to = places.at(command.object, command.offsetBytes);
      return (ring) => ring.timestamp(to);
    }
    case "waitSemaphore": {
      const at = places.at(command.object, command.offsetBytes);
      return (ring) => ring.semaphoreWait(at, command.value);
    }
    case "storeRegister": {
      const to = places.at(command.object, command.offsetBytes);
      return (ring) => ring.storeRegister(command.register, to);
    }
    case "loadRegister":
      return (ring) => ring.loadRegister(command.register, command.value);
    case "spin":
      return (ring) => ring.spin(BigInt(Math.round(command.durationMs * 1e6)));
    case "hang":
      return (ring) => ring.hang();
  }
}

interface BankRun extends Extent {
  readonly bank: number;
}

/**
 * The blocks of an object, in the order of its bytes: where each lies in the bank, and where in the object it
 * ends.
 */
interface Blocks {
  readonly bank: number;
  readonly offsetsBytes: readonly number[];
  readonly endsBytes: readonly number[];
}

/**
 * Where the bytes of a request's objects are. They stay there while it runs, so each object is looked up
 * once: thousands of commands may name an object of thousands of blocks.
 */
class Places {
  readonly #memory: Memory;
  readonly #slots: ReadonlyMap<string, number>;
  readonly #blocks = new Map<string, Blocks>();

  constructor(memory: Memory, slots: ReadonlyMap<string, number>) {
    this.#memory = memory;
    this.#slots = slots;
  }

  at(id: string, offsetBytes: number): BankRun {
    return this.runs(id, { offsetBytes, lengthBytes: 1 })[0];
  }

  runs(id: string, { offsetBytes, lengthBytes }: Extent): BankRun[] {
    const { bank, offsetsBytes, endsBytes } = this.#blocksOf(id);
    const runs: BankRun[] = [];
    const end = offsetBytes + lengthBytes;
    let block = firstBeyond(endsBytes, offsetBytes);
    for (let at = offsetBytes; at < end; block++) {
      const blockStart = endsBytes[block - 1] ?? 0;
      const blockEnd = Math.min(end, endsBytes[block]);
      while (at < blockEnd) {
        const length = Math.min(COMMAND_LENGTH_MAX, blockEnd - at);
        runs.push({ bank, offsetBytes: offsetsBytes[block] + at - blockStart, lengthBytes: length });
        at += length;
      }
    }
    return runs;
  }

  #blocksOf(id: string): Blocks {
    const known = this.#blocks.get(id);
    if (known !== undefined) return known;
    const { table } = this.#memory;
    const slot = this.#slots.get(id) ?? NONE;
    const region = this.#memory.region(table.region[slot]);
    const offsetsBytes: number[] = [];
    const endsBytes: number[] = [];
    region.forEachBlock(table.resource[slot], (offsetBytes, lengthBytes) => {
      offsetsBytes.push(offsetBytes);
      endsBytes.push((endsBytes.at(-1) ?? 0) + lengthBytes);
    });
    const blocks = { bank: region.bank.index, offsetsBytes, endsBytes };
    this.#blocks.set(id, blocks);
    return blocks;
  }

  /** The runs of a copy, cut so that both sides are contiguous. */
  *pairs(command: Extract<WorkCommand, { op: "copy" }>): Generator<{
    source: BankRun;
    destination: BankRun;
    lengthBytes: number;
  }> {
    const { lengthBytes } = command;
    const sources = this.runs(command.source, { offsetBytes: command.sourceOffsetBytes, lengthBytes });
    const targets = this.runs(command.destination, {
      offsetBytes: command.destinationOffsetBytes,
      lengthBytes,
    });
    let [sourceIndex, targetIndex, sourceDone, targetDone] = [0, 0, 0, 0];
    for (let left = lengthBytes; left > 0; ) {
      const source = sources[sourceIndex];
      const target = targets[targetIndex];
      const length = Math.min(left, source.lengthBytes - sourceDone, target.lengthBytes - targetDone);
      yield {
        source: { ...source, offsetBytes: source.offsetBytes + sourceDone },
        destination: { ...target, offsetBytes: target.offsetBytes + targetDone },
        lengthBytes: length,
      };
      left -= length;
      sourceDone += length;
      targetDone += length;
      if (sourceDone === source.lengthBytes) [sourceIndex, sourceDone] = [sourceIndex + 1, 0];
      if (targetDone === target.lengthBytes) [targetIndex, targetDone] = [targetIndex + 1, 0];
    }
  }
}

/** Index of the first of these ascending ends that lies beyond a position. */
function firstBeyond(ends: readonly number[], position: number): number {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ends[middle] <= position) low = middle + 1;
    else high = middle;
  }
  return low;
}
