/** How fast a whole simulated device goes, with all invariants checked after every step. */
import { simulate } from "../../test/support/simulator/simulate.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { median } from "../harness/statistics.ts";

const STEPS = 2_000;
const SEEDS = 7;

export const benchmark: Benchmark = {
  title: "Steps a second of the simulator: 64 objects, 4 engines, every invariant after every step.",
  async run(report) {
    const stepRates: number[] = [];
    const commandRates: number[] = [];
    // The first seed warms the code, and is not counted.
    for (let seed = 0; seed <= SEEDS; seed++) {
      const start = performance.now();
      const result = await simulate(seed, STEPS);
      const seconds = (performance.now() - start) / 1000;
      if (result.failure !== undefined) throw result.failure.error;
      if (seed === 0) continue;
      stepRates.push(result.steps / seconds);
      commandRates.push(result.commands / seconds);
    }
    report({
      name: "simulator",
      figure: median(stepRates),
      unit: "steps/s",
      aim: { of: "figure", atLeast: 20_000 },
    });
    report({ name: "simulator, commands", figure: median(commandRates), unit: "commands/s" });
  },
};
