/** Work of every kind: made from a step's numbers, and done to the model when its fence has signalled. */
import assert from "node:assert/strict";
import { crc32cOf } from "../../../src/device/hardware/crc32c.ts";
import type { WorkCommand } from "../../../src/device/mod.ts";
import { seededRandom } from "../test-device.ts";
import type { ModelContext, ModelObject } from "./model-objects.ts";

type Op = WorkCommand["op"];
const OPS: readonly Op[] = [
  "fill",
  "fill",
  "add",
  "xor",
  "copy",
  "copy",
  "checksum",
  "storeDword",
  "storeDword",
  "waitSemaphore",
  "loadRegister",
  "storeRegister",
  "spin",
];

/** One to five commands on these objects. Now and then one hangs, waits for ever or spins for seconds. */
export function makeWork(seed: number, objects: readonly ModelObject[]): WorkCommand[] {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const count = 1 + below(5);
  const commands = Array.from({ length: count }, () => makeCommand(OPS[below(OPS.length)], objects, below));
  if (below(60) === 0) commands.push({ op: "hang" });
  return commands;
}

function makeCommand(op: Op, objects: readonly ModelObject[], below: (limit: number) => number): WorkCommand {
  const first = below(objects.length);
  const a = objects[first];
  const b = objects[(first + 1 + below(Math.max(1, objects.length - 1))) % objects.length];
  const lengthBytes = 8 + (below(Math.min(a.content.length, b.content.length) - 8) & ~7);
  const offsetIn = (object: ModelObject): number => below(object.content.length - lengthBytes + 1) & ~7;
  const object = a.id;
  const offsetBytes = offsetIn(a);
  const value = below(2 ** 32);
  const to = { destination: b.id, destinationOffsetBytes: offsetIn(b), lengthBytes };
  // An engine copies from an object to another.
  const kind = (op === "copy" || op === "checksum") && a === b ? "fill" : op;
  switch (kind) {
    case "fill":
      return { op: "fill", object, offsetBytes, lengthBytes, pattern: value };
    case "add":
    case "xor":
      return { op: kind, object, offsetBytes, lengthBytes, value };
    case "copy":
      return { op: "copy", source: object, sourceOffsetBytes: offsetBytes, ...to };
    case "checksum":
      return { op: "checksum", object, offsetBytes, ...to };
    case "storeDword":
      return { op: "storeDword", object, offsetBytes, value };
    case "waitSemaphore":
      return { op: "waitSemaphore", object, offsetBytes, value: value % 50 === 0 ? 0xffff_ffff : 0 };
    case "loadRegister":
      return { op: "loadRegister", register: value % 16, value: BigInt(value) << 20n };
    case "storeRegister":
      return { op: "storeRegister", register: value % 16, object, offsetBytes };
    default:
      return { op: "spin", durationMs: value % 50 === 0 ? 3000 : (value % 10) / 10 };
  }
}

/** Objects whose content the commands change. */
export function writtenBy(commands: readonly WorkCommand[]): Set<string> {
  return new Set(commands.flatMap((command) => targetOf(command) ?? []));
}

/** Objects whose content the commands read or change, in order with everybody else; a semaphore is out of any order. */
export function touchedBy(commands: readonly WorkCommand[]): Set<string> {
  return new Set(
    commands.flatMap((command) => [
      ...("object" in command && command.op !== "waitSemaphore" ? [command.object] : []),
      ...("source" in command ? [command.source] : []),
      ...("destination" in command ? [command.destination] : []),
    ]),
  );
}

interface DoneWork {
  readonly context: ModelContext;
  readonly commands: readonly WorkCommand[];
  readonly objects: ReadonlyMap<string, ModelObject>;
}

/** Does in the model what was done, or forgets what can no longer be known. */
export function applyWork({ context, commands, objects }: DoneWork, done: boolean): void {
  const find = (id: string): ModelObject => {
    const object = objects.get(id);
    assert(object !== undefined, `the client knows object ${id}`);
    return object;
  };
  if (done) {
    for (const command of commands) execute(command, find, context);
    return;
  }
  context.registers.fill(undefined);
  for (const id of writtenBy(commands)) find(id).known = false;
}

function targetOf(command: WorkCommand): string | undefined {
  if ("destination" in command) return command.destination;
  return "object" in command && command.op !== "waitSemaphore" ? command.object : undefined;
}

function execute(command: WorkCommand, find: (id: string) => ModelObject, context: ModelContext): void {
  switch (command.op) {
    case "fill":
    case "add":
    case "xor": {
      const words = wordsOf(find(command.object), command.offsetBytes, command.lengthBytes);
      if (command.op === "fill") words.fill(command.pattern);
      else
        for (let at = 0; at < words.length; at++)
          words[at] = command.op === "add" ? words[at] + command.value : words[at] ^ command.value;
      return;
    }
    case "copy": {
      const source = find(command.source);
      const destination = find(command.destination);
      if (!source.known || source.fickle) destination.known = false;
      const from = command.sourceOffsetBytes;
      const bytes = source.content.subarray(from, from + command.lengthBytes);
      destination.content.set(bytes, command.destinationOffsetBytes);
      return;
    }
    case "checksum": {
      const source = find(command.object);
      const destination = find(command.destination);
      if (!source.known || source.fickle) destination.known = false;
      const from = command.offsetBytes;
      const bytes = source.content.subarray(from, from + command.lengthBytes);
      wordsOf(destination, command.destinationOffsetBytes, 4)[0] = crc32cOf(bytes);
      return;
    }
    case "storeDword":
      wordsOf(find(command.object), command.offsetBytes, 4)[0] = command.value;
      return;
    case "timestamp":
      find(command.object).known = false;
      return;
    case "loadRegister":
      context.registers[command.register] = command.value;
      return;
    case "storeRegister": {
      const value = context.registers[command.register];
      if (value === undefined) find(command.object).known = false;
      else
        wordsOf(find(command.object), command.offsetBytes, 8).set([
          Number(value & 0xffff_ffffn),
          Number(value >> 32n),
        ]);
      return;
    }
    case "hang":
      throw new assert.AssertionError({ message: "a request that hangs signalled" });
    default:
  }
}

function wordsOf(object: ModelObject, offsetBytes: number, lengthBytes: number): Uint32Array {
  return new Uint32Array(object.content.buffer, offsetBytes, lengthBytes / 4);
}
