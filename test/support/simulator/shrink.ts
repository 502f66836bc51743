/** Finds the few steps that a failure needs: delta debugging over the list of steps. */
import { runSteps, type SimulationResult } from "./simulate.ts";
import type { Step } from "./steps.ts";

export interface Shrunk {
  readonly steps: readonly Step[];
  readonly result: SimulationResult;
}

/**
 * Leaves out pieces, halves first and single steps last, as long as the rest fails in the same way, whatever the ids and
 * sizes; gives up after `runsMax` runs.
 */
export async function shrink(seed: number, steps: readonly Step[], runsMax: number): Promise<Shrunk> {
  let kept = steps;
  let result = await runSteps(seed, kept);
  const wanted = kindOf(result);
  let pieces = 2;
  let runs = 1;
  while (runs < runsMax && kept.length > 1) {
    const size = Math.ceil(kept.length / pieces);
    let smaller: Shrunk | undefined;
    for (let at = 0; at < kept.length && smaller === undefined && runs < runsMax; at += size) {
      const rest = [...kept.slice(0, at), ...kept.slice(at + size)];
      const tried = await runSteps(seed, rest);
      runs++;
      if (wanted !== undefined && kindOf(tried) === wanted) smaller = { steps: rest, result: tried };
    }
    if (smaller !== undefined) {
      kept = smaller.steps;
      result = smaller.result;
      pieces = Math.max(2, pieces - 1);
    } else if (size === 1) break;
    else pieces = Math.min(kept.length, pieces * 2);
  }
  return { steps: kept, result };
}

/** What failed, in words without numbers. */
function kindOf({ failure }: SimulationResult): string | undefined {
  if (failure === undefined) return undefined;
  const { error } = failure;
  const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  return line.slice(0, 120).replace(/\d+/g, "N");
}
