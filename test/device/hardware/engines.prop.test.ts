/**
 * Clients with contexts on several engines under random requests, evictions, moves, pins, resets, wedges and suspends,
 * next to a plain model: the log of what was asked, executed in order for whatever SIGNALED. Requests that share an object
 * or a context run in the order in which they came. What a request that failed would have written is unknown from then on.
 */
import assert from "node:assert/strict";
import { crc32c } from "@node-rs/crc32";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { ContextPriority, WorkCommand } from "../../../src/device/mod.ts";
import { MemoryImageStore } from "../../support/image-store.ts";
import { KIB, MIB, patternOf, reasonOf, type VirtualDevice } from "../../support/test-device.ts";
import { bootWatched, expectRulesKept } from "../../support/transition-rules.ts";

const ENGINES = ["rcs0", "bcs0", "bcs1"];
const PRIORITIES: ContextPriority[] = ["LOW", "NORMAL", "HIGH"];
const CARD = { engines: ENGINES, lmem: [{ sizeBytes: 4 * MIB }], smem: { sizeBytes: 24 * MIB } };
const SIZES = [64 * KIB, 192 * KIB, 512 * KIB];

interface ModelObject {
  readonly id: string;
  readonly content: Uint8Array;
  /** Whether we know what it holds. */
  known: boolean;
  pins: number;
}

interface ModelContext {
  readonly id: string;
  /** Undefined is unknown. */
  readonly registers: (bigint | undefined)[];
}

type Entry =
  | { readonly fence: string; readonly context: ModelContext; readonly commands: readonly WorkCommand[] }
  | { readonly written: ModelObject; readonly data: Uint8Array };

interface World {
  readonly gpu: VirtualDevice;
  readonly objects: Map<string, ModelObject>;
  /** Those that went while requests that use them may be in the log. */
  readonly deleted: Map<string, ModelObject>;
  readonly contexts: ModelContext[];
  /** What is not yet in the model, oldest first. */
  log: Entry[];
  readonly fences: string[];
}

const number = fc.nat({ max: 0xffff });
const OPS =
  "fill add xor copy checksum storeDword storeDword waitSemaphore loadRegister storeRegister storeRegister spin".split(
    " ",
  );
const command = fc.record({
  op: fc.constantFrom(...OPS),
  a: number,
  b: number,
  at: number,
  length: number,
  value: number,
});
type AnyCommand = typeof command extends fc.Arbitrary<infer T> ? T : never;

const SUBMITS = new Array<"submit">(24).fill("submit");
const MOVES = [
  "pin",
  "unpin",
  "moveOut",
  "moveIn",
  "evict",
  "write",
  "sleep",
  "resetEngine",
  "pass",
] as const;
const RARE = ["delete", "settle", "newContext", "deleteContext", "resetDevice", "wedge"] as const;
const KINDS = [...SUBMITS, ...MOVES, ...MOVES, ...MOVES, ...RARE];

const step = fc.record({
  do: fc.constantFrom(...KINDS),
  which: number,
  value: number,
  hang: fc.nat({ max: 19 }),
  commands: fc.array(command, { minLength: 1, maxLength: 6 }),
  waits: fc.array(number, { maxLength: 2 }),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

test("[invariants 8, 40, 42, 51, 69, 79] whatever is asked of engines, objects and power: what signalled was done once and in order, all the rest failed, and nothing stays behind", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 50 }), async (steps) => {
      const watched = await bootWatched({ ...CARD, images: new MemoryImageStore() });
      const { gpu } = watched;
      const world: World = { gpu, objects: new Map(), deleted: new Map(), contexts: [], log: [], fences: [] };
      const own = gpu.device.memory.ownedSlots.length;
      for (let seed = 1; seed <= 6; seed++) {
        const content = patternOf(seed, SIZES[seed % 3]);
        const id = await gpu.upload(content);
        world.objects.set(id, { id, content, known: true, pins: 0 });
      }
      for (let at = 0; at < 5; at++) await newContext(world, at);
      for (const each of steps) {
        await run(world, each);
        checkIfQuiet(gpu);
      }
      await settle(world);
      await gpu.clock.advance(10_000);
      gpu.device.checkInvariants();
      expect(gpu.device.memory.ownedSlots.length).toBe(own + 2 * world.contexts.length);
      for (const fence of world.fences)
        expect((await gpu.execute({ type: "getFence", fence })).state).not.toBe("PENDING");
      for (const object of world.objects.values()) {
        const { active, pinCount } = await gpu.execute({ type: "getObject", object: object.id });
        expect({ active, pinCount }).toEqual({ active: false, pinCount: object.pins });
      }
      for (const { queueDepth, state } of await gpu.execute({ type: "listEngines" }))
        expect({ queueDepth, state }).toEqual({ queueDepth: 0, state: "IDLE" });
      await expect(gpu.clock.run(new Promise(() => {}))).rejects.toThrow("Nothing is pending");
      await expectRulesKept(watched, 0);
    }),
    { numRuns: 40 },
  );
}, 600_000);

async function run(world: World, step: Step): Promise<void> {
  const { gpu } = world;
  const objects = [...world.objects.values()];
  const object = objects[step.which % objects.length];
  switch (step.do) {
    case "submit":
      return submit(world, step);
    case "write":
      return write(world, object, step.value);
    case "pin":
      if (await tolerate(gpu.execute({ type: "pinObject", object: object.id }))) object.pins++;
      return;
    case "unpin":
      if (await tolerate(gpu.execute({ type: "unpinObject", object: object.id }))) object.pins--;
      return;
    case "moveOut":
    case "moveIn":
      await tolerate(
        gpu.execute({
          type: "moveObject",
          object: object.id,
          region: step.do === "moveOut" ? "smem" : "lmem0",
        }),
      );
      return;
    case "delete":
      if (
        object &&
        objects.length > 3 &&
        (await tolerate(gpu.execute({ type: "deleteObject", object: object.id })))
      ) {
        world.objects.delete(object.id);
        world.deleted.set(object.id, object);
      }
      return;
    case "evict":
      await tolerate(gpu.execute({ type: "evictRegion", region: "lmem0", bytes: (step.value % 3000) * KIB }));
      return;
    case "resetEngine":
      await gpu.execute({ type: "resetEngine", engine: ENGINES[step.which % ENGINES.length] });
      return;
    case "resetDevice":
      await gpu.execute({ type: "resetDevice", scope: "GT" });
      return;
    case "wedge":
      await gpu.clock.run(gpu.device.gt.setWedged("a test said so"));
      return;
    case "sleep": {
      const suspend = gpu.execute({
        type: "suspend",
        state: (["S3", "S2IDLE", "S4"] as const)[step.value % 3],
        onIdleTimeout: step.which % 2 === 0 ? "ABORT" : "WEDGE",
      });
      if (!(await tolerate(suspend))) return;
      gpu.device.checkInvariants();
      expect(gpu.device.gt.scheduler.idle).toBe(true);
      await gpu.execute({ type: "resume" });
      return;
    }
    case "pass":
      return gpu.clock.advance((1 + (step.value % 4000)) / 1000);
    case "settle":
      return settle(world);
    case "newContext":
      if (world.contexts.length < 10) await newContext(world, step.which);
      return;
    case "deleteContext": {
      const index = step.which % world.contexts.length;
      if (
        world.contexts.length > 2 &&
        (await tolerate(gpu.execute({ type: "deleteContext", context: world.contexts[index].id })))
      )
        world.contexts.splice(index, 1);
      return;
    }
    default:
      step.do satisfies never;
  }
}

async function newContext(world: World, which: number): Promise<void> {
  const engine = ENGINES[which % ENGINES.length];
  const command = { type: "createContext", engine, priority: PRIORITIES[(which % 7) % 3] } as const;
  if (world.gpu.device.gt.wedged) return;
  const { id } = await world.gpu.execute(command);
  world.contexts.push({ id, registers: new Array<bigint | undefined>(16).fill(0n) });
}

async function submit(world: World, step: Step): Promise<void> {
  const context = world.contexts[step.which % world.contexts.length];
  const objects = [...world.objects.values()];
  const commands = step.commands.map((each) => concrete(each, objects));
  if (step.hang === 0) commands.splice(step.which % (commands.length + 1), 0, { op: "hang" });
  const waitFences =
    world.fences.length === 0
      ? []
      : step.waits.map(
          (at) => world.fences[world.fences.length - 1 - (at % Math.min(8, world.fences.length))],
        );
  const command = { type: "submitWork", context: context.id, commands, waitFences } as const;
  let fence = "";
  const accepted = await tolerate(
    world.gpu.execute(command).then(({ id }) => {
      fence = id;
    }),
  );
  if (!accepted) return;
  world.fences.push(fence);
  world.log.push({ fence, context, commands });
}

function concrete(command: AnyCommand, objects: readonly ModelObject[]): WorkCommand {
  const a = objects[command.a % objects.length];
  const b = objects[(command.a + 1 + (command.b % (objects.length - 1))) % objects.length];
  const { value } = command;
  const lengthMax = Math.min(a.content.length, b.content.length);
  const lengthBytes = 8 + ((command.length * 8) % (lengthMax - 8));
  const offsetBytes = ((command.at * 8) % (a.content.length - lengthBytes + 1)) & ~7;
  const otherOffset = ((command.value * 8) % (b.content.length - lengthBytes + 1)) & ~7;
  const to = { destination: b.id, destinationOffsetBytes: otherOffset, lengthBytes };
  const object = a.id;
  switch (command.op) {
    case "fill":
      return { op: "fill", object, offsetBytes, lengthBytes, pattern: value * 65_537 };
    case "add":
    case "xor":
      return { op: command.op, object, offsetBytes, lengthBytes, value };
    case "copy":
      return { op: "copy", source: object, sourceOffsetBytes: offsetBytes, ...to };
    case "checksum":
      return { op: "checksum", object, offsetBytes, ...to };
    case "storeDword":
      return { op: "storeDword", object, offsetBytes, value };
    case "waitSemaphore":
      return { op: "waitSemaphore", object, offsetBytes, value: value % 64 === 0 ? 0xffff_ffff : 0 };
    case "loadRegister":
      return { op: "loadRegister", register: value % 16, value: BigInt(command.length) << 40n };
    case "storeRegister":
      return { op: "storeRegister", register: value % 16, object, offsetBytes };
    default:
      return { op: "spin", durationMs: value % 50 === 0 ? 4000 : (value % 10) / 10 };
  }
}

async function write(world: World, object: ModelObject, seed: number): Promise<void> {
  const data = patternOf(seed, object.content.length);
  const written = world.gpu.execute({ type: "writeObject", object: object.id, offsetBytes: 0, data });
  if (await tolerate(written)) world.log.push({ written: object, data });
}

/** Waits until all work has ended, resets the device when it does not, and compares all that is known. */
async function settle(world: World): Promise<void> {
  const { gpu } = world;
  if (gpu.device.gt.wedged) await gpu.execute({ type: "resetDevice", scope: "GT" });
  for (const fence of world.fences) {
    const reason = await reasonOf(gpu.execute({ type: "waitFence", fence, timeoutMs: 40_000 }));
    if (reason === "DEADLINE_EXCEEDED") await gpu.execute({ type: "resetDevice", scope: "GT" });
    expect((await gpu.execute({ type: "getFence", fence })).state).not.toBe("PENDING");
  }
  await gpu.clock.run(new Promise<void>((resolve) => gpu.device.gt.scheduler.whenIdle(resolve)));
  for (const entry of world.log) await apply(world, entry);
  world.log = [];
  for (const object of world.objects.values()) {
    if (!object.known) continue;
    if (Buffer.compare(await gpu.download(object.id), object.content) !== 0)
      expect.fail(`object ${object.id} holds what was not written`);
  }
  for (const context of world.contexts) {
    const { registers } = await gpu.execute({ type: "getContext", context: context.id });
    for (const [index, value] of registers.entries())
      if (context.registers[index] !== undefined)
        expect(value, `register ${index}`).toBe(context.registers[index]);
  }
  gpu.device.checkInvariants();
}

/** Does in the model what has been done, or forgets what can no longer be known. */
async function apply(world: World, entry: Entry): Promise<void> {
  if ("written" in entry) {
    entry.written.content.set(entry.data);
    entry.written.known = true;
    return;
  }
  const find = (id: string): ModelObject => {
    const object = world.objects.get(id) ?? world.deleted.get(id);
    assert(object !== undefined);
    return object;
  };
  const done = (await world.gpu.execute({ type: "getFence", fence: entry.fence })).state === "SIGNALED";
  if (!done) entry.context.registers.fill(undefined);
  for (const command of entry.commands) {
    const target =
      "destination" in command
        ? find(command.destination)
        : "object" in command && command.op !== "waitSemaphore"
          ? find(command.object)
          : undefined;
    if (!done && target !== undefined) target.known = false;
    if (done) execute(command, find, entry.context);
  }
}

function execute(command: WorkCommand, find: (id: string) => ModelObject, context: ModelContext): void {
  switch (command.op) {
    case "fill":
    case "add":
    case "xor": {
      const words = wordsOf(find(command.object), command.offsetBytes, command.lengthBytes);
      if (command.op === "fill") words.fill(command.pattern);
      else
        for (const [at, word] of words.entries())
          words[at] = command.op === "add" ? word + command.value : word ^ command.value;
      return;
    }
    case "copy": {
      const source = find(command.source);
      const destination = find(command.destination);
      if (!source.known) destination.known = false;
      destination.content.set(
        source.content.subarray(command.sourceOffsetBytes, command.sourceOffsetBytes + command.lengthBytes),
        command.destinationOffsetBytes,
      );
      return;
    }
    case "checksum": {
      const source = find(command.object);
      const destination = find(command.destination);
      if (!source.known) destination.known = false;
      const bytes = source.content.subarray(command.offsetBytes, command.offsetBytes + command.lengthBytes);
      wordsOf(destination, command.destinationOffsetBytes, 4)[0] = crc32c(bytes);
      return;
    }
    case "storeDword":
      wordsOf(find(command.object), command.offsetBytes, 4)[0] = command.value;
      return;
    case "loadRegister":
      context.registers[command.register] = command.value;
      return;
    case "storeRegister": {
      const object = find(command.object);
      const value = context.registers[command.register];
      if (value === undefined) object.known = false;
      else wordsOf(object, command.offsetBytes, 8).set([Number(value & 0xffff_ffffn), Number(value >> 32n)]);
      return;
    }
    case "hang":
      throw new Error("a request that hangs signalled");
    case "waitSemaphore": {
      const { known, content } = find(command.object);
      const found = new DataView(content.buffer).getUint32(command.offsetBytes, true);
      if (known) expect(found, "a semaphore that was waited for").toBeGreaterThanOrEqual(command.value);
      return;
    }
    default:
  }
}

function wordsOf(object: ModelObject, offsetBytes: number, lengthBytes: number): Uint32Array {
  return new Uint32Array(object.content.buffer, offsetBytes, lengthBytes / 4);
}

const REFUSALS =
  "none OBJECT_PINNED OBJECT_NOT_PINNED OBJECT_ACTIVE REGION_FULL CONTEXT_ACTIVE CONTEXT_BANNED DEVICE_WEDGED IDLE_TIMEOUT SYSTEM_MEMORY_EXHAUSTED";

/** Whether the command succeeded. Refusals that follow from pins, hangs and want of room are let pass. */
async function tolerate(command: Promise<unknown>): Promise<boolean> {
  const reason = await reasonOf(command);
  expect(REFUSALS.split(" ")).toContain(reason);
  return reason === "none";
}

/** The invariants of memory hold whenever no request is on its way to its place. */
function checkIfQuiet(gpu: VirtualDevice): void {
  const { table } = gpu.device.memory;
  if (!table.locked.includes(1)) gpu.device.checkInvariants();
}
