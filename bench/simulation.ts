/**
 * How fast a whole simulated device goes: steps and commands a second, checks of every step included. Prints each seed
 * and the sum.
 *
 * Run: node bench/simulation.ts [steps] [seeds]
 */
import { simulate } from "../test/support/simulator/simulate.ts";

const STEPS = Number(process.argv[2] ?? 2_000);
const SEEDS = Number(process.argv[3] ?? 5);

let steps = 0;
let commands = 0;
let seconds = 0;
for (let seed = 1; seed <= SEEDS; seed++) {
  const start = performance.now();
  const result = await simulate(seed, STEPS);
  const took = (performance.now() - start) / 1000;
  if (result.failure !== undefined) throw result.failure.error;
  print(`seed ${seed}`, result.steps / took, result.commands / took);
  steps += result.steps;
  commands += result.commands;
  seconds += took;
}
print("all", steps / seconds, commands / seconds);

function print(name: string, stepRate: number, commandRate: number): void {
  const columns = [stepRate, commandRate].map((rate) => rate.toFixed(0).padStart(7));
  console.log(`${name.padEnd(10)} ${columns[0]} steps/s ${columns[1]} commands/s`);
}
