/** Runs the steps of a simulation one after the other, and tells how it ended. */
import { actAsClient } from "./clients.ts";
import { arm, armCrash, disarm, failSwap, rotSwap } from "./faults.ts";
import { actAsOperator } from "./operators.ts";
import { audit, checkRules } from "./rules.ts";
import { isClientAction, isOperatorAction, type Step, stepsOf } from "./steps.ts";
import { World } from "./world.ts";

export interface SimulationResult {
  /** Hash of every answer with its time: the same seed and steps give the same. */
  readonly digest: string;
  readonly steps: number;
  readonly commands: number;
  readonly deaths: number;
  /** Deaths after which a hibernation image brought everything back. */
  readonly comebacks: number;
  /** How often each kind of command had each answer. */
  readonly answers: ReadonlyMap<string, number>;
  /** What went wrong, and after which step; undefined when nothing did. */
  readonly failure: { readonly error: unknown; readonly step: number } | undefined;
}

/** Runs the first `count` steps of a seed. */
export function simulate(seed: number, count: number): Promise<SimulationResult> {
  return runSteps(seed, stepsOf(seed, count));
}

/** Runs some steps of a seed on its device. Never rejects. */
export async function runSteps(seed: number, steps: readonly Step[]): Promise<SimulationResult> {
  const world = new World(seed);
  let failure: SimulationResult["failure"];
  let done = 0;
  let strayed: unknown;
  const onStray = (error: unknown): void => {
    strayed ??= error;
  };
  process.on("uncaughtException", onStray);
  try {
    await world.boot();
    for (const step of steps) {
      world.step = step.at;
      await runStep(world, step);
      if (strayed !== undefined) throw strayed;
      done++;
    }
    await audit(world);
    if (strayed !== undefined) throw strayed;
  } catch (error) {
    failure = { error: strayed ?? error, step: world.step };
  } finally {
    process.off("uncaughtException", onStray);
    world.images.forgetAll();
  }
  const { digest, commands, deaths, comebacks, answers } = world;
  return { digest, steps: done, commands, deaths, comebacks, answers, failure };
}

async function runStep(world: World, step: Step): Promise<void> {
  const { do: action } = step;
  if (isClientAction(action)) actAsClient(world, step, action);
  else if (isOperatorAction(action)) actAsOperator(world, step, action);
  else {
    switch (action) {
      case "arm":
        arm(world, step);
        break;
      case "armCrash":
        armCrash(world, step);
        break;
      case "disarm":
        disarm(world, step);
        break;
      case "rot":
        rotSwap(world);
        break;
      case "swapFails":
        failSwap(world, step);
        break;
      case "kill":
        await world.dieAndComeBack();
        break;
      case "pass":
        await world.gpu.clock.advance((step.a % 400) * (step.b % 50));
        break;
      case "audit":
        await audit(world);
        break;
      default:
        action satisfies never;
    }
  }
  await world.gpu.clock.advance(step.afterMs);
  world.requireNoFailure();
  if (world.images.dead) await world.dieAndComeBack();
  await checkRules(world);
}
