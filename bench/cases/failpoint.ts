/** What a failpoint costs that nobody has armed, against the same call to a function that does nothing. */
import { type DeviceFailpoints, Failpoints, VirtualClock } from "../../src/device/mod.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import type { Row } from "../harness/row.ts";
import { median, medianRatio } from "../harness/statistics.ts";

const ROUNDS = 21;
const CALLS = 1_000_000;
const AWAITED_CALLS = 200_000;

/** In nanoseconds a call, of each round. */
interface Samples {
  readonly firesNs: number[];
  readonly passNs: number[];
}

export const benchmark: Benchmark = {
  title: "Failpoints that are not armed, in nanoseconds a call, against an empty function.",
  async run(report) {
    const done = Promise.resolve();
    const empty: DeviceFailpoints = {
      idle: true,
      pass: () => done,
      letGo: () => {},
      pausedAt: () => "",
      fires: () => false,
    };
    const limit = noSamples();
    const subjects = [
      { name: "nothing armed", failpoints: makeFailpoints().forDevice("card0"), samples: noSamples() },
      { name: "another armed", failpoints: armedElsewhere().forDevice("card0"), samples: noSamples() },
    ];
    for (let round = 0; round <= ROUNDS; round++) {
      // The first round warms the code, and is not counted.
      const counted = round > 0;
      await sample(empty, counted ? limit : noSamples());
      for (const { failpoints, samples } of subjects)
        await sample(failpoints, counted ? samples : noSamples());
    }
    for (const { name, samples } of subjects) {
      const aimed = name === "nothing armed";
      report(
        rowOf(
          `fires, ${name}`,
          samples.firesNs,
          limit.firesNs,
          aimed ? { of: "ratio", atMost: 2 } : undefined,
        ),
      );
      report(
        rowOf(
          `await pass, ${name}`,
          samples.passNs,
          limit.passNs,
          aimed ? { of: "ratio", atMost: 1.25 } : undefined,
        ),
      );
    }
  },
};

function rowOf(name: string, ns: readonly number[], limitNs: readonly number[], aim: Row["aim"]): Row {
  return {
    name,
    figure: median(ns),
    unit: "ns",
    limit: { name: "ns, an empty function", figure: median(limitNs) },
    ratio: medianRatio(ns, limitNs),
    aim,
  };
}

function noSamples(): Samples {
  return { firesNs: [], passNs: [] };
}

async function sample(failpoints: DeviceFailpoints, { firesNs, passNs }: Samples): Promise<void> {
  const start = performance.now();
  let fired = 0;
  for (let call = 0; call < CALLS; call++) if (failpoints.fires("evict.object")) fired++;
  firesNs.push(((performance.now() - start) * 1e6) / CALLS);
  // What is counted must be looked at, or the calls could be left out.
  if (fired > 0) throw new Error("A failpoint fired that nobody had armed.");
  const awaiting = performance.now();
  for (let call = 0; call < AWAITED_CALLS; call++) await failpoints.pass("evict.object");
  passNs.push(((performance.now() - awaiting) * 1e6) / AWAITED_CALLS);
}

function makeFailpoints(): Failpoints {
  return new Failpoints({
    clock: new VirtualClock({ settle: () => Promise.resolve() }),
    crash: () => {
      throw new Error("Nothing crashes here.");
    },
  });
}

function armedElsewhere(): Failpoints {
  const failpoints = makeFailpoints();
  failpoints.arm("swap.read", {
    action: "ERROR",
    device: "",
    reason: "COPY_FAILED",
    delayMs: 0,
    probability: 1,
    count: 0,
    after: 0,
    seed: 1,
  });
  return failpoints;
}
