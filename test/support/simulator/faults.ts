/** What befalls a device: failpoints that are armed and disarmed, and the death of its process. */
import {
  DeviceError,
  type FailpointAction,
  type FailpointName,
  failpointNames,
} from "../../../src/device/mod.ts";
import { LOSES_CARD } from "../fault-passes.ts";
import type { Step } from "./steps.ts";
import { UNSEEN } from "./unseen.ts";
import type { World } from "./world.ts";

const NAMES = failpointNames().filter((name) => !UNSEEN.includes(name) && !LOSES_CARD.includes(name));
/** Where death can leave an image behind. */
const AROUND_IMAGES = NAMES.filter((name) => /^(image|power|restore|engine|backup|recover)/.test(name));
/** What goes wrong around images is as likely as all the rest: only few suspends come so far. */
const ARMED = [...NAMES, ...AROUND_IMAGES, ...AROUND_IMAGES];
/** On devices whose blitter gets bytes wrong. */
const ARMED_WITH_UNSEEN = [...ARMED, ...Array.from({ length: 8 }, () => UNSEEN).flat()];
const ACTIONS: readonly FailpointAction[] = ["ERROR", "ERROR", "ERROR", "DELAY", "HANG"];
const REASONS = ["COPY_FAILED", "SYSTEM_MEMORY_EXHAUSTED"] as const;

/** Arms a failpoint: what it cannot be armed with, it takes as an error or a delay. */
export function arm(world: World, step: Step): void {
  const names = world.plan.blitsWrong ? ARMED_WITH_UNSEEN : ARMED;
  const name = names[step.a % names.length];
  const action = ACTIONS[step.b % ACTIONS.length];
  armFirst(world, name, [action, "ERROR", "DELAY"], step);
}

/** Arms the death of the process, where it can be armed. */
export function armCrash(world: World, step: Step): void {
  armFirst(world, AROUND_IMAGES[step.a % AROUND_IMAGES.length], ["CRASH"], step);
}

export function disarm(world: World, step: Step): void {
  const armed = world.device.failpoints.list().filter(({ arming }) => arming !== undefined);
  if (armed.length === 0) return;
  const { name } = armed[step.a % armed.length];
  world.device.failpoints.disarm(name);
  world.note(`disarmed ${name}`);
}

/** Every byte in swap changes: what is there now is lost, and says so when somebody wants it. */
export function rotSwap(world: World): void {
  if (world.swap === undefined) return;
  world.swap.damage();
  world.mayHaveLost = true;
  world.note("swap rots");
}

/** The next accesses to swap fail: what is there can be had later. */
export function failSwap({ swap }: World, { a, b }: Step): void {
  if (swap === undefined) return;
  swap.failReads = a % 3;
  swap.failWrites = b % 3;
}

function armFirst(world: World, name: FailpointName, actions: readonly FailpointAction[], step: Step): void {
  const { b, c, d } = step;
  for (const action of actions) {
    try {
      world.device.failpoints.arm(name, {
        action,
        device: "",
        reason: REASONS[c % REASONS.length],
        delayMs: d % 3000,
        probability: b % 4 === 0 ? 0.3 : 1,
        count: 1 + (c % 3),
        after: d % 2 === 0 ? 0 : (d >> 1) % 12,
        seed: step.d,
      });
      world.note(`armed ${name} ${action}`);
      return;
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
    }
  }
}
