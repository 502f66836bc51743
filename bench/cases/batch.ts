/** Ten thousand objects a call: created, pinned, unpinned and deleted over either wire. */
import { z } from "zod";
import { connect } from "../../src/client/mod.ts";
import { BATCH_OBJECTS_MAX } from "../../src/device/limits.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { type BenchDaemon, startBenchDaemon } from "../harness/daemon.ts";
import type { Row } from "../harness/row.ts";
import { median } from "../harness/statistics.ts";

const PARENT = "devices/card0";
const AIM_PER_SECOND = 200_000;
const ROUNDS = 15;

/** The calls of a life, each with all the objects. */
interface Wire {
  create(): Promise<readonly string[]>;
  pin(names: readonly string[]): Promise<unknown>;
  unpin(names: readonly string[]): Promise<unknown>;
  delete(names: readonly string[]): Promise<unknown>;
}

export const benchmark: Benchmark = {
  title: "Batches of 10,000 objects of 4 KiB over REST and over gRPC.",
  async run(report) {
    await using daemon = await startBenchDaemon(["--lmem", "1GiB", "--smem", "1GiB", "--min-page", "4KiB"]);
    using client = connect({ address: daemon.grpc });
    const grpc: Wire = {
      create: async () =>
        (
          await client.batchCreateObjects({
            parent: PARENT,
            template: { size: 4096n, regions: ["lmem0"] },
            count: BATCH_OBJECTS_MAX,
          })
        ).names,
      pin: (names) => client.batchPinObjects({ parent: PARENT, names: [...names] }),
      unpin: (names) => client.batchUnpinObjects({ parent: PARENT, names: [...names] }),
      delete: (names) => client.batchDeleteObjects({ parent: PARENT, names: [...names] }),
    };
    for (const [name, wire] of [
      ["REST", rest(daemon)],
      ["gRPC", grpc],
    ] as const) {
      for (const row of await measure(name, wire)) report(row);
    }
  },
};

const CALLS = ["create", "pin", "unpin", "delete"] as const;

async function measure(name: string, wire: Wire): Promise<Row[]> {
  const samples = new Map<(typeof CALLS)[number], number[]>(CALLS.map((call) => [call, []]));
  for (let round = 0; round <= ROUNDS; round++) {
    let names: readonly string[] = [];
    for (const call of CALLS) {
      const start = performance.now();
      if (call === "create") names = await wire.create();
      else await wire[call](names);
      const seconds = (performance.now() - start) / 1000;
      // The first rounds warm both sides.
      if (round > ROUNDS / 3) samples.get(call)?.push(BATCH_OBJECTS_MAX / seconds);
    }
  }
  return CALLS.map((call) => ({
    name: `${name}: ${call} 10,000 objects a call`,
    figure: median(samples.get(call) ?? []),
    unit: "objects/s",
    aim: { of: "figure", atLeast: AIM_PER_SECOND },
  }));
}

/** The calls over REST, as JSON. */
function rest({ url }: BenchDaemon): Wire {
  const post = async (action: string, body: object): Promise<unknown> => {
    const response = await fetch(`${url}/v1/${PARENT}/objects:${action}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const answer: unknown = await response.json();
    if (!response.ok)
      throw new Error(`${action} was answered with ${response.status}: ${JSON.stringify(answer)}`);
    return answer;
  };
  return {
    async create() {
      const template = { size: "4096", regions: ["lmem0"] };
      const answer = await post("batchCreate", { template, count: BATCH_OBJECTS_MAX });
      return NAMES.parse(answer).names;
    },
    pin: (names) => post("batchPin", { names }),
    unpin: (names) => post("batchUnpin", { names }),
    delete: (names) => post("batchDelete", { names }),
  };
}

const NAMES = z.object({ names: z.array(z.string()) });
