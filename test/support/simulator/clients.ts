/** What clients do: each looks after its own objects and contexts, and now and then touches those of others. */
import assert from "node:assert/strict";
import {
  COMMANDS,
  type Command,
  type CommandOf,
  type CommandType,
  type ContextPriority,
  type Hold,
  type ObjectFlag,
  type Results,
} from "../../../src/device/mod.ts";
import { KIB, MIB, patternOf } from "../test-device.ts";
import type { Client } from "./model.ts";
import type { ModelObject } from "./model-objects.ts";
import type { ClientAction, Step } from "./steps.ts";
import { makeWork } from "./work.ts";
import type { World } from "./world.ts";

const OBJECTS_MAX = 13;
const CONTEXTS_MAX = 4;
const SIZES = [4 * KIB, 12 * KIB, 20 * KIB, 32 * KIB, 48 * KIB, 64 * KIB, 100 * KIB];
const HOLDS: readonly Hold[] = ["refuse", "transition", "transition", "until-active"];
const PRIORITIES: readonly ContextPriority[] = ["LOW", "NORMAL", "HIGH"];
/** What is written is cut out of this, each time from elsewhere. */
const PATTERN = patternOf(1, 4 * MIB + 1);
/** Most have none: what is kept is what is to be looked at. */
const FLAGS: readonly ObjectFlag[] = [
  "CONTIGUOUS",
  "VOLATILE",
  "CPU_CLEAR",
  "PM_EARLY",
  "PM_VOLATILE",
  "GPU_ONLY",
];

/** Has the client of a step do what the step says, unless it waits for something else. */
export function actAsClient(world: World, step: Step, action: ClientAction): void {
  const client = world.clients[step.who % world.clients.length];
  if (client.busy || world.resetting) return;
  ACTIONS[action]({ world, client, step, object: pick([...client.objects.values()], step.a) });
}

interface Turn {
  readonly world: World;
  readonly client: Client;
  readonly step: Step;
  /** One of the client's, if it has any. */
  readonly object: ModelObject | undefined;
}

const ACTIONS: Readonly<Record<ClientAction, (turn: Turn) => void>> = {
  create(turn) {
    const { a, b, c } = turn.step;
    if (turn.client.objects.size >= OBJECTS_MAX) {
      ACTIONS.delete(turn);
      return;
    }
    const regions = placementOf(turn, b);
    const flag = c % 4 === 0 ? pick(FLAGS, c >> 2) : undefined;
    const flags = flag === undefined ? [] : [flag];
    ask(
      turn,
      {
        type: "createObject",
        sizeBytes: SIZES[a % SIZES.length],
        regions,
        flags,
        alignmentBytes: 0,
        label: "",
      },
      ({ id, sizeBytes }) => add(turn, id, sizeBytes, regions, flags),
    );
  },

  batchCreate(turn) {
    const { a, b } = turn.step;
    const count = Math.min(1 + (a % 3), OBJECTS_MAX - turn.client.objects.size);
    if (count <= 0) return;
    const regions = placementOf(turn, b);
    const template = { sizeBytes: 64 * KIB, regions, flags: [], alignmentBytes: 0, label: "" };
    ask(turn, { type: "batchCreateObjects", template, count }, ({ objects }) => {
      for (const id of objects) add(turn, id, 64 * KIB, regions, []);
    });
  },

  write(turn) {
    const object = turn.object;
    if (object === undefined) {
      ACTIONS.create(turn);
      return;
    }
    const { b, c } = turn.step;
    const whole = !object.known || b % 3 === 0;
    const offsetBytes = whole ? 0 : c % object.content.length;
    const lengthBytes = whole ? object.content.length : Math.min(object.content.length - offsetBytes, b);
    const at = (b * 65_536 + c) % (PATTERN.length - lengthBytes);
    const data = PATTERN.subarray(at, at + lengthBytes);
    ask(turn, { type: "writeObject", object: object.id, offsetBytes, data }, () => {
      turn.client.wrote(object, offsetBytes, data);
      turn.world.catchUp();
    });
  },

  read(turn) {
    const object = turn.object;
    if (object === undefined) {
      ACTIONS.create(turn);
      return;
    }
    const { b, c } = turn.step;
    const offsetBytes = c % object.content.length;
    const lengthBytes = Math.min(object.content.length - offsetBytes, b % 2 === 0 ? 4 * KIB : 100 * KIB);
    ask(turn, { type: "readObject", object: object.id, offsetBytes, lengthBytes }, (bytes) => {
      turn.world.catchUp();
      assert(!turn.client.isWritten(object.id), `object ${object.id} was read before work that changes it`);
      if (!object.known || object.fickle) return;
      const expected = object.content.subarray(offsetBytes, offsetBytes + lengthBytes);
      turn.world.noteHits();
      const isRight = turn.world.wrongs.requireExplained(
        bytes,
        expected,
        `object ${object.id}, which was read,`,
      );
      if (!isRight) object.known = false;
    });
  },

  checksum(turn) {
    const object = pick(everybodys(turn), turn.step.a);
    if (object !== undefined) ask(turn, { type: "checksumObject", object: object.id }, undefined, STRANGERS);
  },

  delete(turn) {
    const object = turn.object;
    if (object === undefined) return;
    ask(turn, { type: "deleteObject", object: object.id }, () => turn.client.objects.delete(object.id));
  },

  batchDelete(turn) {
    const objects = some(turn).filter(({ pins }) => pins === 0);
    if (objects.length === 0) return;
    ask(turn, { type: "batchDeleteObjects", objects: idsOf(objects) }, () => {
      for (const { id } of objects) turn.client.objects.delete(id);
    });
  },

  pin(turn) {
    const object = turn.object;
    if (object === undefined || pinsOf(turn.client) > 6) {
      ACTIONS.unpin(turn);
      return;
    }
    ask(turn, { type: "pinObject", object: object.id }, () => pinned(object));
  },

  unpin(turn) {
    const pinned = [...turn.client.objects.values()].filter(({ pins }) => pins > 0);
    const object = pick(pinned, turn.step.a);
    if (object === undefined) return;
    ask(turn, { type: "unpinObject", object: object.id }, () => void object.pins--);
  },

  batchPin(turn) {
    const objects = some(turn);
    if (objects.length === 0 || pinsOf(turn.client) > 6) return;
    ask(turn, { type: "batchPinObjects", objects: idsOf(objects) }, () => {
      objects.forEach(pinned);
    });
  },

  batchUnpin(turn) {
    const objects = [...turn.client.objects.values()].filter(({ pins }) => pins > 0);
    if (objects.length === 0) return;
    ask(turn, { type: "batchUnpinObjects", objects: idsOf(objects) }, () => {
      for (const object of objects) object.pins--;
    });
  },

  move(turn) {
    const object = pick(everybodys(turn), turn.step.a);
    if (object === undefined) return;
    const region = pick(object.regions, turn.step.b) ?? "smem";
    ask(turn, { type: "moveObject", object: object.id, region }, undefined, STRANGERS);
  },

  advise(turn) {
    const object = turn.object;
    if (object === undefined) return;
    const advice = turn.step.b % 3 === 0 ? "DONT_NEED" : "WILL_NEED";
    ask(turn, { type: "adviseObject", object: object.id, advice }, ({ retained }) => {
      object.dontNeed = advice === "DONT_NEED" || !retained;
    });
  },

  evict(turn) {
    const { a, b } = turn.step;
    ask(turn, { type: "evictRegion", region: `lmem${a % 2}`, bytes: (b % 2000) * KIB });
  },

  newContext(turn) {
    if (turn.world.plan.blitsWrong) {
      ACTIONS.write(turn);
      return;
    }
    if (turn.client.contexts.length >= CONTEXTS_MAX) {
      ACTIONS.deleteContext(turn);
      return;
    }
    const { a, b } = turn.step;
    const { engines = [] } = turn.world.plan.options;
    const engine = engines[a % engines.length];
    const priority = PRIORITIES[b % PRIORITIES.length];
    ask(turn, { type: "createContext", engine, priority }, ({ id }) =>
      turn.client.contexts.push({ id, registers: new Array<bigint | undefined>(16).fill(0n) }),
    );
  },

  deleteContext(turn) {
    const context = pick(turn.client.contexts, turn.step.b);
    if (context === undefined) return;
    ask(turn, { type: "deleteContext", context: context.id }, () => {
      turn.client.contexts.splice(turn.client.contexts.indexOf(context), 1);
    });
  },

  submit(turn) {
    const context = pick(turn.client.contexts, turn.step.a);
    const objects = [...turn.client.objects.values()].filter(({ dontNeed }) => !dontNeed);
    if (context === undefined) {
      ACTIONS.newContext(turn);
      return;
    }
    if (objects.length === 0) {
      ACTIONS.create(turn);
      return;
    }
    const { b, c } = turn.step;
    const commands = makeWork(b * 65_536 + c, objects);
    const newest = turn.client.fences.slice(-4);
    const fence = c % 3 === 0 ? pick(newest, b) : undefined;
    const waitFences = fence === undefined ? [] : [fence];
    ask(turn, { type: "submitWork", context: context.id, commands, waitFences }, ({ id }) => {
      turn.client.submitted(id, context, commands);
    });
  },

  waitFence(turn) {
    const fence = pick(turn.client.fences.slice(-4), turn.step.a);
    if (fence === undefined) return;
    ask(turn, { type: "waitFence", fence, timeoutMs: 1 + (turn.step.b % 2000) }, () => turn.world.catchUp());
  },

  look(turn) {
    const looks: readonly Command[] = [
      { type: "listRegions" },
      { type: "listEngines" },
      { type: "listTransitions", beforeId: "", limit: 3 },
      { type: "listObjects", afterId: "", limit: 100, showDeviceOwned: true },
      { type: "getUsage" },
      { type: "getRuntimePm" },
    ];
    ask(turn, looks[turn.step.a % looks.length]);
  },
};

/** Reasons that an object of somebody else may give: it may have been deleted meanwhile. */
const STRANGERS = ["OBJECT_NOT_FOUND"];

/** Gives the command, held or not as the step says; `deal` gets its answer. */
function ask<T extends CommandType>(
  { world, client, step }: Turn,
  command: CommandOf<T>,
  done?: (answer: Results[T]) => void,
  excused: readonly string[] = [],
): void {
  const holds = COMMANDS[command.type].access === "access" && command.type !== "resetEngine";
  const held = holds ? { ...command, hold: HOLDS[step.d % HOLDS.length] } : command;
  world.launch(client, held, { excused, ...(done === undefined ? {} : { done }) });
}

function add(
  { client }: Turn,
  id: string,
  sizeBytes: number,
  regions: readonly string[],
  flags: readonly ObjectFlag[],
): void {
  assert(!client.objects.has(id), `object ${id} was made twice`);
  client.objects.set(id, {
    id,
    content: new Uint8Array(sizeBytes),
    known: true,
    fickle: flags.includes("VOLATILE"),
    pmVolatile: flags.includes("PM_VOLATILE"),
    dontNeed: false,
    pins: 0,
    regions,
  });
}

function placementOf({ world }: Turn, which: number): readonly string[] {
  return pick(world.plan.placements, which) ?? ["smem"];
}

function everybodys({ world }: Turn): ModelObject[] {
  return world.clients.flatMap((client) => [...client.objects.values()]);
}

function pinned(object: ModelObject): void {
  object.pins++;
  // A suspend gives up the content of what is pinned and has this flag.
  if (object.pmVolatile) object.fickle = true;
}

/** Up to three of the client's objects, next to each other. */
function some({ client, step }: Turn): ModelObject[] {
  const objects = [...client.objects.values()];
  const start = objects.length === 0 ? 0 : step.a % objects.length;
  return objects.slice(start, start + 1 + (step.b % 3));
}

function pinsOf(client: Client): number {
  return [...client.objects.values()].reduce((sum, { pins }) => sum + pins, 0);
}

function idsOf(objects: readonly ModelObject[]): string[] {
  return objects.map(({ id }) => id);
}

function pick<T>(from: readonly T[], which: number): T | undefined {
  return from.length === 0 ? undefined : from[which % from.length];
}
