/**
 * `npm run simulate -- --seed N --steps M [--seeds K]`: whole devices under virtual time, as the seed has it, for K
 * seeds from N on. A seed that fails is shrunk, and the command that replays what is left of it is printed:
 * `--keep 3,17-19` runs only these of its steps. Exit code 1 when one failed.
 */
import { parseArgs } from "node:util";
import { shrink } from "../test/support/simulator/shrink.ts";
import { runSteps } from "../test/support/simulator/simulate.ts";
import { type Step, stepsOf } from "../test/support/simulator/steps.ts";

const STEPS_PRINTED_MAX = 30;

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    steps: { type: "string", default: "2000" },
    seeds: { type: "string", default: "1" },
    keep: { type: "string" },
    "shrink-runs": { type: "string", default: "400" },
  },
});
const first = wholeNumber("seed", values.seed);
const count = wholeNumber("steps", values.steps);
const seeds = wholeNumber("seeds", values.seeds);
const shrinkRunsMax = wholeNumber("shrink-runs", values["shrink-runs"]);

let failed = 0;
for (let seed = first; seed < first + seeds; seed++) {
  const all = stepsOf(seed, count);
  const kept = values.keep === undefined ? undefined : parseKeep(values.keep);
  const steps = kept === undefined ? all : all.filter(({ at }) => kept.has(at));
  const start = performance.now();
  const result = await runSteps(seed, steps);
  const seconds = (performance.now() - start) / 1000;
  const rate = Math.round(result.steps / seconds);
  console.log(
    `seed ${seed}: ${result.steps} steps, ${result.commands} commands, ${result.deaths} deaths (${result.comebacks} came back), ${rate} steps/s, digest ${result.digest.slice(0, 16)}`,
  );
  if (result.failure === undefined) continue;
  failed++;
  console.log(`seed ${seed} FAILED after step ${result.failure.step}:`, result.failure.error);
  if (kept !== undefined || shrinkRunsMax === 0) continue;
  const shrunk = await shrink(seed, all.slice(0, result.steps + 1), shrinkRunsMax);
  console.log(`Shrunk to ${shrunk.steps.length} steps:`);
  for (const step of shrunk.steps.slice(0, STEPS_PRINTED_MAX)) console.log(`  ${JSON.stringify(step)}`);
  console.log(`They end in: ${shrunk.result.failure?.error}`);
  console.log(`npm run simulate -- --seed ${seed} --steps ${count} --keep ${keepOf(shrunk.steps)}`);
}
console.log(`${seeds - failed} seeds passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  console.error(`--${name} ${text} is not a whole number.`);
  process.exit(2);
}

/** `3,17-19` as the set of 3, 17, 18 and 19. */
function parseKeep(text: string): ReadonlySet<number> {
  return new Set(
    text.split(",").flatMap((part) => {
      const [from = "", to = from] = part.split("-");
      const start = wholeNumber("keep", from);
      return Array.from({ length: wholeNumber("keep", to) - start + 1 }, (_, at) => start + at);
    }),
  );
}

function keepOf(steps: readonly Step[]): string {
  const parts: { from: number; to: number }[] = [];
  for (const { at } of steps) {
    const last = parts.at(-1);
    if (last !== undefined && last.to === at - 1) last.to = at;
    else parts.push({ from: at, to: at });
  }
  return parts.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`)).join(",");
}
