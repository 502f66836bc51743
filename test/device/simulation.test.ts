/**
 * Whole devices, simulated: clients, operators, faults and deaths as a seed has it, under virtual time, against a plain
 * model. `npm run simulate` runs more of it, and shrinks what fails.
 */
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { runSteps, type SimulationResult, simulate } from "../support/simulator/simulate.ts";
import { stepsOf } from "../support/simulator/steps.ts";

const SEEDS = [1, 2, 3, 4, 5, 11];
const STEPS = 500;

describe("a simulated device", { timeout: 120_000 }, () => {
  test.each(SEEDS)("keeps every byte and every rule: seed %i", async (seed) => {
    expectSound(seed, await simulate(seed, STEPS));
  });

  test("keeps them with a seed that nobody has seen before", async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    console.log(`fresh seed: npm run simulate -- --seed ${seed} --steps ${STEPS}`);
    expectSound(seed, await simulate(seed, STEPS));
  });

  test("replays from its seed: the same answers at the same times, to the last", async () => {
    const [first, again, other] = [await simulate(2, 200), await simulate(2, 200), await simulate(3, 200)];
    expect(again).toEqual(first);
    expect(other.digest).not.toBe(first.digest);
  });

  test("replays with steps left out, which is how a failure is shrunk", async () => {
    const steps = stepsOf(5, 200).filter(({ at }) => at % 3 !== 0);
    const first = await runSteps(5, steps);
    expectSound(5, first);
    expect(await runSteps(5, steps)).toEqual(first);
  });
});

function expectSound(seed: number, result: SimulationResult): void {
  if (result.failure === undefined) return;
  const { error, step } = result.failure;
  expect.fail(
    `after step ${step}: ${inspect(error)}\nnpm run simulate -- --seed ${seed} --steps ${STEPS} shrinks it`,
  );
}
