/**
 * A plain model of a device's memory for property tests: what each object holds, how often it is pinned, and what each
 * command must answer. What may be seen of the device after it is in memory-oracle.ts.
 */
import { expect } from "vitest";
import type { Command, Extent, ObjectFlag, ObjectResource } from "../../src/device/mod.ts";
import type { MemoryStore } from "./regions.ts";
import { KIB, MIB, patternOf, type VirtualDevice } from "./test-device.ts";

/** Across the end of the window. */
export const RESERVED: Extent = { offsetBytes: 2 * MIB - 128 * KIB, lengthBytes: 256 * KIB };
export const LMEM = [
  { sizeBytes: 4 * MIB, visibleBytes: 2 * MIB, reserved: [RESERVED] },
  { sizeBytes: 2 * MIB, visibleBytes: MIB, minPageBytes: 4 * KIB },
];
export const SIZES: Readonly<Record<string, number>> = { lmem0: 4 * MIB, lmem1: 2 * MIB, smem: 2 * MIB };
export const WINDOWS: Readonly<Record<string, number>> = { lmem0: 2 * MIB, lmem1: MIB, smem: 2 * MIB };
export const PAGES: Readonly<Record<string, number>> = { lmem0: 64 * KIB, lmem1: 4 * KIB, smem: 4 * KIB };
export const SWAP_BYTES = 2 * MIB;
export const OBJECTS_MAX = 24;
/** What a command may answer when there is no room; memory-oracle.ts says when it may not. */
export const NO_ROOM = ["REGION_FULL", "SYSTEM_MEMORY_EXHAUSTED", "NOT_CPU_VISIBLE"];

export const PLACEMENTS = [
  ["lmem0", "smem"],
  ["lmem0"],
  ["lmem1", "lmem0", "smem"],
  ["lmem1"],
  ["smem"],
  ["smem", "lmem1"],
];
export const FLAGS: ObjectFlag[] = [
  "CONTIGUOUS",
  "VOLATILE",
  "CPU_CLEAR",
  "PM_EARLY",
  "PM_VOLATILE",
  "GPU_ONLY",
  "CPU_ACCESS",
];

/** What the model knows of an object. */
export interface Thing {
  readonly id: string;
  readonly bytes: Uint8Array;
  readonly flags: readonly ObjectFlag[];
  readonly regions: readonly string[];
  readonly alignmentBytes: number;
  pins: number;
  dontNeed: boolean;
  /** As it was seen last. */
  seen: ObjectResource;
  /** The step in which it was used last; NaN when that failed, which may count as a use or not. */
  usedAt: number;
}

export interface World {
  readonly gpu: VirtualDevice;
  readonly swap: MemoryStore;
  things: Thing[];
  step: number;
  /** Whether commands run one by one now. */
  alone: boolean;
}

export type Step =
  | {
      readonly do: "create";
      readonly kib: number;
      readonly placement: number;
      readonly flags: readonly ObjectFlag[];
      readonly alignmentLog2: number;
      readonly count: number;
      /** What is written to each at once; 0 for nothing. */
      readonly seed: number;
    }
  | { readonly do: "write" | "read"; readonly which: number; readonly at: number; readonly seed: number }
  | { readonly do: "pin" | "move"; readonly which: number; readonly region: number }
  | { readonly do: "unpin" | "delete" | "checksum" | "need" | "drop"; readonly which: number }
  | {
      readonly do: "batch";
      readonly what: number;
      readonly which: number;
      readonly count: number;
      readonly extra: number;
    }
  | { readonly do: "evict"; readonly region: number; readonly kib: number }
  | { readonly do: "cycle"; readonly state: "S3" | "S2IDLE"; readonly verify: boolean }
  | { readonly do: "wedge" };

/** A command, whom it concerns, what it must answer, and what it does to the model when it succeeds. */
export interface Move {
  readonly command: Command;
  readonly targets: readonly Thing[];
  /** Reasons of which it must give one; empty when it must succeed or find no room. */
  readonly refusals: readonly string[];
  /** Whether want of room is an answer. */
  readonly needsRoom: boolean;
  apply(answer: unknown): void;
}

/** Checks an answer against what was predicted, and lets the model follow. */
export async function settle(world: World, move: Move, running: Promise<unknown>): Promise<string> {
  let reason = "none";
  try {
    move.apply(await world.gpu.clock.run(running));
  } catch (error) {
    if (!(error instanceof Error && "reason" in error)) throw error;
    reason = String(error.reason);
  }
  const wedged = world.gpu.device.gt.wedged;
  const room = move.needsRoom ? [...NO_ROOM, ...(wedged ? ["COPY_FAILED"] : [])] : [];
  const allowed = [...(move.refusals.length > 0 ? move.refusals : ["none"]), ...room];
  expect(allowed, JSON.stringify(move.command)).toContain(reason);
  for (const thing of move.targets) thing.usedAt = reason === "none" ? world.step : Number.NaN;
  return reason;
}

export function moveOf(world: World, step: Step): Move | undefined {
  const { things } = world;
  if (step.do === "evict") {
    const command = { type: "evictRegion", region: `lmem${step.region}`, bytes: step.kib * KIB } as const;
    return { command, targets: [], refusals: [], needsRoom: true, apply: () => {} };
  }
  if (!("which" in step) || things.length === 0) return undefined;
  const thing = things[step.which % things.length];
  const object = thing.id;
  const lost = thing.dontNeed ? ["OBJECT_PURGED"] : [];
  const plain = { targets: [thing], refusals: lost, needsRoom: true, apply: () => {} };
  switch (step.do) {
    case "write":
    case "read": {
      const offsetBytes = step.at % thing.bytes.length;
      const lengthBytes = Math.min(thing.bytes.length - offsetBytes, step.seed % 70_000);
      if (step.do === "write") {
        const data = patternOf(step.seed, lengthBytes);
        const command = { type: "writeObject", object, offsetBytes, data } as const;
        return { ...plain, command, apply: () => thing.bytes.set(data, offsetBytes) };
      }
      const expected = thing.bytes.slice(offsetBytes, offsetBytes + lengthBytes);
      const command = { type: "readObject", object, offsetBytes, lengthBytes } as const;
      return {
        ...plain,
        command,
        apply: (answer) => expect(Buffer.compare(answer as Uint8Array, expected)).toBe(0),
      };
    }
    case "checksum":
      return { ...plain, command: { type: "checksumObject", object } };
    case "pin":
    case "move": {
      // One of its own mostly, none sometimes, and now and then one that it may not allow.
      const named = [...thing.regions, ...thing.regions, undefined, "lmem1"][
        step.region % (thing.regions.length * 2 + 2)
      ];
      const region = step.do === "move" ? (named ?? "lmem0") : named;
      const refusals = placeRefusals(thing, region);
      if (step.do === "move") {
        return { ...plain, refusals, command: { type: "moveObject", object, region: region ?? "" } };
      }
      const command = { type: "pinObject", object, ...(region === undefined ? {} : { region }) } as const;
      return { ...plain, refusals, command, apply: () => void thing.pins++ };
    }
    case "unpin": {
      const refusals = thing.pins === 0 ? ["OBJECT_NOT_PINNED"] : [];
      return {
        ...plain,
        refusals,
        needsRoom: false,
        command: { type: "unpinObject", object },
        apply: () => void thing.pins--,
      };
    }
    case "delete": {
      const refusals = thing.pins > 0 ? ["OBJECT_PINNED"] : [];
      const apply = (): void => forget(world, [thing]);
      return { ...plain, refusals, needsRoom: false, command: { type: "deleteObject", object }, apply };
    }
    case "need":
    case "drop": {
      const advice = step.do === "need" ? "WILL_NEED" : "DONT_NEED";
      const apply = (answer: unknown): void => {
        const { retained } = answer as { retained: boolean };
        const { state } = thing.seen;
        // Without bytes in memory DONT_NEED purges at once, and PURGED is for ever.
        if (state === "PURGED") expect(retained).toBe(false);
        // Beside other commands it may have been swapped before it was its turn.
        else if (state === "RESIDENT" && !thing.dontNeed) expect(retained || !world.alone).toBe(true);
        else if (advice === "DONT_NEED" && !thing.dontNeed) expect(retained).toBe(false);
        thing.dontNeed = advice === "DONT_NEED" || !retained;
      };
      return {
        ...plain,
        refusals: [],
        needsRoom: false,
        command: { type: "adviseObject", object, advice },
        apply,
      };
    }
    case "batch":
      return batchOf(world, step);
    default:
      return undefined;
  }
}

function placeRefusals(thing: Thing, region: string | undefined): string[] {
  const target = region ?? thing.regions[0];
  if (!thing.regions.includes(target)) return ["INVALID_REGION"];
  if (thing.dontNeed) return ["OBJECT_PURGED"];
  if (thing.pins > 0 && region !== undefined && thing.seen.region !== target) return ["OBJECT_PINNED"];
  return [];
}

function batchOf(world: World, step: Extract<Step, { do: "batch" }>): Move {
  const start = step.which % world.things.length;
  const targets = world.things.slice(start, start + step.count);
  const ids = targets.map((thing) => thing.id);
  const bad = { 8: ["99999"], 9: [ids[0]] }[step.extra];
  const objects = [...ids, ...(bad ?? [])];
  const spoiled = bad === undefined ? [] : [step.extra === 8 ? "OBJECT_NOT_FOUND" : "INVALID_REQUEST"];
  const common = { targets, needsRoom: step.what === 0 };
  switch (step.what) {
    case 0: {
      const refusals = [...targets.flatMap((thing) => placeRefusals(thing, undefined)), ...spoiled];
      const apply = (): void => targets.forEach((thing) => void thing.pins++);
      return { ...common, refusals, command: { type: "batchPinObjects", objects }, apply };
    }
    case 1: {
      const refusals = [
        ...targets.flatMap((thing) => (thing.pins === 0 ? ["OBJECT_NOT_PINNED"] : [])),
        ...spoiled,
      ];
      const apply = (): void => targets.forEach((thing) => void thing.pins--);
      return { ...common, refusals, command: { type: "batchUnpinObjects", objects }, apply };
    }
    default: {
      const refusals = [...targets.flatMap((thing) => (thing.pins > 0 ? ["OBJECT_PINNED"] : [])), ...spoiled];
      return {
        ...common,
        refusals,
        command: { type: "batchDeleteObjects", objects },
        apply: () => forget(world, targets),
      };
    }
  }
}

export function forget(world: World, gone: readonly Thing[]): void {
  world.things = world.things.filter((thing) => !gone.includes(thing));
}
