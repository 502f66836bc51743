/**
 * Space that is taken and not yet filled is on its way to being an object that can leave: as long as there is some,
 * nobody is told that a region is full. Copies, clears and swap take time here, as they do on a machine.
 */
import { describe, expect, test } from "vitest";
import { DEFAULT_RATES } from "../../../src/device/mod.ts";
import { MemoryStore } from "../../support/regions.ts";
import {
  bootVirtual,
  create,
  KIB,
  MIB,
  patternOf,
  together,
  type VirtualDevice,
  wrongContents,
} from "../../support/test-device.ts";

/** 1 MiB takes some 100 ms, twenty times as long as the pause before somebody looks again. */
const SLOW = { ...DEFAULT_RATES, blitterBytesPerSecond: 10e6, cpuWriteLocalBytesPerSecond: 10e6 };
/** One fits beside what the device has in its 4 MiB, and no second. */
const SIZE_BYTES = 1792 * KIB;
const CLIENTS = [
  { clients: 2, rounds: 100 },
  { clients: 3, rounds: 60 },
  { clients: 12, rounds: 10 },
  { clients: 50, rounds: 2 },
];

function bootSlow(options: Parameters<typeof bootVirtual>[0] = {}): Promise<VirtualDevice> {
  return bootVirtual({ lmem: [{ sizeBytes: 4 * MIB }], rates: SLOW, ...options });
}

function refusalsOf(answers: readonly PromiseSettledResult<unknown>[]): string[] {
  return answers.flatMap((answer) => (answer.status === "rejected" ? [String(answer.reason)] : []));
}

async function makeObjects(gpu: VirtualDevice, clients: number, regions: string[]): Promise<string[]> {
  const ids: string[] = [];
  for (let at = 0; at < clients; at++) ids.push(await create(gpu, { sizeBytes: SIZE_BYTES, regions }));
  return ids;
}

describe.each(CLIENTS)("$clients clients who want room at once, $rounds times", ({ clients, rounds }) => {
  test("all write to new objects of local memory", async () => {
    const gpu = await bootSlow({ smem: { sizeBytes: 128 * MIB } });
    for (let round = 0; round < rounds; round++) {
      const ids = await makeObjects(gpu, clients, ["lmem0"]);
      const data = patternOf(round, 64);
      const writes = ids.map((object) => ({ type: "writeObject", object, offsetBytes: 0, data }) as const);
      expect(refusalsOf(await together(gpu, writes))).toEqual([]);
      gpu.device.checkInvariants();
      for (const object of ids) await gpu.execute({ type: "deleteObject", object });
    }
  });

  test("all move their objects to local memory", async () => {
    const gpu = await bootSlow({ smem: { sizeBytes: 128 * MIB } });
    const ids = await makeObjects(gpu, clients, ["smem", "lmem0"]);
    const contents = new Map(ids.map((id, at) => [id, patternOf(at, SIZE_BYTES)]));
    for (const [object, bytes] of contents) {
      for (let offsetBytes = 0; offsetBytes < SIZE_BYTES; offsetBytes += MIB) {
        const data = bytes.subarray(offsetBytes, offsetBytes + MIB);
        await gpu.execute({ type: "writeObject", object, offsetBytes, data });
      }
    }
    for (let round = 0; round < rounds; round++) {
      const moves = ids.map((object) => ({ type: "moveObject", object, region: "lmem0" }) as const);
      expect(refusalsOf(await together(gpu, moves))).toEqual([]);
      gpu.device.checkInvariants();
    }
    expect(await wrongContents(gpu, contents)).toEqual([]);
  });

  test("all submit work that fills a new object", async () => {
    const engines = ["bcs0", "rcs0", "ccs0"];
    const gpu = await bootSlow({ smem: { sizeBytes: 128 * MIB }, lmem: [{ sizeBytes: 6 * MIB }], engines });
    const contexts: string[] = [];
    // Contexts have a ring and an image in local memory, so that 50 would fill it.
    for (let at = 0; at < Math.min(clients, 12); at++) {
      const engine = engines[at % engines.length] ?? "bcs0";
      contexts.push((await gpu.execute({ type: "createContext", engine, priority: "NORMAL" })).id);
    }
    for (let round = 0; round < Math.min(rounds, 30); round++) {
      const ids = await makeObjects(gpu, clients, ["lmem0"]);
      const work = ids.map((object, at) => {
        const fill = { op: "fill", object, offsetBytes: 0, lengthBytes: SIZE_BYTES, pattern: at } as const;
        const context = contexts[at % contexts.length] ?? "";
        return { type: "submitWork", context, commands: [fill], waitFences: [], waitMs: 60_000 } as const;
      });
      const answers = await together(gpu, work);
      expect(refusalsOf(answers)).toEqual([]);
      const fences = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
      expect(fences.filter(({ state }) => state !== "SIGNALED")).toEqual([]);
      for (const object of ids) await gpu.execute({ type: "deleteObject", object });
    }
    gpu.device.checkInvariants();
  });

  test("all read what is in swap", async () => {
    const swap = new MemoryStore(160 * MIB);
    const gpu = await bootSlow({ smem: { sizeBytes: 4 * MIB }, swap });
    swap.clock = gpu.clock;
    const ids = await makeObjects(gpu, clients + 3, ["smem"]);
    const contents = new Map(ids.map((id, at) => [id, patternOf(at, 64)]));
    for (const [object, data] of contents) {
      await gpu.execute({ type: "writeObject", object, offsetBytes: 0, data });
    }
    for (let round = 0; round < rounds; round++) {
      const reads = ids.map(
        (object) => ({ type: "readObject", object, offsetBytes: 0, lengthBytes: 64 }) as const,
      );
      const answers = await together(gpu, reads);
      expect(refusalsOf(answers)).toEqual([]);
      const texts = answers.map((answer) => (answer.status === "fulfilled" ? [...answer.value] : []));
      expect(texts).toEqual([...contents.values()].map((bytes) => [...bytes]));
    }
    gpu.device.checkInvariants();
  });
});
