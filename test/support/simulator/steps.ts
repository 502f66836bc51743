/** What a simulation does, as data: the same seed gives the same steps, and any of them can be left out. */
import { seededRandom } from "../test-device.ts";

/** Every action with its weight. Clients do the first group, operators the second; the rest befalls the device. */
const CLIENT_WEIGHTS = {
  create: 12,
  write: 14,
  read: 10,
  checksum: 3,
  delete: 3,
  pin: 9,
  unpin: 5,
  move: 5,
  advise: 2,
  evict: 3,
  batchCreate: 1,
  batchPin: 1,
  batchUnpin: 1,
  batchDelete: 1,
  newContext: 3,
  deleteContext: 1,
  submit: 18,
  waitFence: 4,
  look: 3,
} as const;
const OPERATOR_WEIGHTS = {
  suspend: 10,
  resume: 12,
  cancel: 3,
  plan: 2,
  resetEngine: 1,
  resetGt: 0.5,
  factory: 0.3,
  runtimePm: 1.5,
} as const;
const WORLD_WEIGHTS = {
  arm: 4,
  armCrash: 0.3,
  disarm: 3,
  kill: 0.08,
  pass: 4,
  audit: 0.7,
  rot: 0.15,
  swapFails: 0.3,
} as const;

export type ClientAction = keyof typeof CLIENT_WEIGHTS;
export type OperatorAction = keyof typeof OPERATOR_WEIGHTS;
export type WorldAction = keyof typeof WORLD_WEIGHTS;
export type Action = ClientAction | OperatorAction | WorldAction;

/** One step: who does what, with four numbers from 0 to 65,535 to choose with, and how long the clock then runs. */
export interface Step {
  readonly at: number;
  readonly do: Action;
  readonly who: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly afterMs: number;
}

const WEIGHTS: readonly (readonly [Action, number])[] = [
  ...entriesOf(CLIENT_WEIGHTS),
  ...entriesOf(OPERATOR_WEIGHTS),
  ...entriesOf(WORLD_WEIGHTS),
];
const TOTAL = WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0);

export function isClientAction(action: Action): action is ClientAction {
  return Object.hasOwn(CLIENT_WEIGHTS, action);
}

export function isOperatorAction(action: Action): action is OperatorAction {
  return Object.hasOwn(OPERATOR_WEIGHTS, action);
}

/** The steps of a seed. The first `n` of them are the same however many are asked for. */
export function stepsOf(seed: number, count: number): Step[] {
  const random = seededRandom(seed);
  const number = (): number => Math.floor(random() * 65_536);
  return Array.from({ length: count }, (_, at) => ({
    at,
    do: pick(random() * TOTAL),
    who: number(),
    a: number(),
    b: number(),
    c: number(),
    d: number(),
    afterMs: pause(random(), random()),
  }));
}

function pick(point: number): Action {
  let left = point;
  for (const [action, weight] of WEIGHTS) {
    left -= weight;
    if (left < 0) return action;
  }
  return "pass";
}

/** Mostly nothing or a moment, so that commands overlap; now and then as long as a transition. */
function pause(kind: number, length: number): number {
  if (kind < 0.4) return 0;
  if (kind < 0.85) return length * 0.3;
  if (kind < 0.97) return length * 20;
  return length * 2000;
}

function entriesOf<K extends Action>(weights: Readonly<Record<K, number>>): (readonly [K, number])[] {
  const names = Object.keys(weights).filter((name): name is K => Object.hasOwn(weights, name));
  return names.map((name) => [name, weights[name]] as const);
}
