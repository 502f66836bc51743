/** Ten thousand objects a call: created, pinned, unpinned and deleted over either wire. */
import { connect } from "../../src/client/mod.ts";
import { BATCH_OBJECTS_MAX } from "../../src/device/limits.ts";
import { BATCH_CALLS, type BatchCall, type BatchWire, grpcWire, restWire } from "../harness/batch-wires.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { startBenchDaemon } from "../harness/daemon.ts";
import type { Row } from "../harness/row.ts";
import { median } from "../harness/statistics.ts";

const AIM_PER_SECOND = 200_000;
const ROUNDS = 15;

export const benchmark: Benchmark = {
  title: "Batches of 10,000 objects of 4 KiB over REST and over gRPC.",
  async run(report) {
    await using daemon = await startBenchDaemon(["--lmem", "1GiB", "--smem", "1GiB", "--min-page", "4KiB"]);
    using client = connect({ address: daemon.grpc });
    for (const [name, wire] of [
      ["REST", restWire(daemon.url)],
      ["gRPC", grpcWire(client)],
    ] as const) {
      for (const row of await measure(name, wire)) report(row);
    }
  },
};

async function measure(name: string, wire: BatchWire): Promise<Row[]> {
  const samples = new Map<BatchCall, number[]>(BATCH_CALLS.map((call) => [call, []]));
  for (let round = 0; round <= ROUNDS; round++) {
    let names: readonly string[] = [];
    for (const call of BATCH_CALLS) {
      const start = performance.now();
      if (call === "create") names = await wire.create();
      else await wire[call](names);
      const seconds = (performance.now() - start) / 1000;
      // The first rounds warm both sides.
      if (round > ROUNDS / 3) samples.get(call)?.push(BATCH_OBJECTS_MAX / seconds);
    }
  }
  return BATCH_CALLS.map((call) => ({
    name: `${name}: ${call} 10,000 objects a call`,
    figure: median(samples.get(call) ?? []),
    unit: "objects/s",
    aim: { of: "figure", atLeast: AIM_PER_SECOND },
  }));
}
