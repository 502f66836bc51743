/** What operators do: transitions of every kind, resets, and settings of runtime PM. */
import assert from "node:assert/strict";
import type { SleepState, Suspend } from "../../../src/device/mod.ts";
import { MIB } from "../test-device.ts";
import type { OperatorAction, Step } from "./steps.ts";
import type { Operator, World } from "./world.ts";

const STATES: readonly SleepState[] = ["S2IDLE", "S3", "S3", "S4", "S4"];
const IDLE_TIMEOUTS_MS = [0.5, 20, 2_000, 10_000];
const SCOPES = { resetGt: "GT", factory: "FACTORY" } as const;

/** Has an operator do what the step says; a cancel never waits for its turn. */
export function actAsOperator(world: World, step: Step, action: OperatorAction): void {
  if (world.resetting) return;
  if (action === "cancel") {
    cancel(world);
    return;
  }
  const operator = world.operators[step.who % world.operators.length];
  if (operator.busy) return;
  const { a, b, c } = step;
  switch (action) {
    case "suspend":
      suspend(world, operator, step);
      return;
    case "resume": {
      const options = {
        ...(a % 12 === 0 ? { validateOnly: true } : {}),
        ...(b % 3 === 0 ? { waitMs: 0 } : {}),
      };
      world.launch(operator, { type: "resume", ...options });
      return;
    }
    case "plan":
      world.launch(operator, { type: "planSuspend" });
      return;
    case "resetEngine": {
      const { engines = [] } = world.plan.options;
      world.launch(operator, { type: "resetEngine", engine: engines[a % engines.length] });
      return;
    }
    case "resetGt":
      world.launch(operator, { type: "resetDevice", scope: SCOPES[action] });
      return;
    case "factory":
      resetFactory(world, operator);
      return;
    case "runtimePm": {
      if (world.plan.options.runtimePm === undefined) return;
      const settings = {
        enabled: a % 3 !== 0,
        autosuspendDelayMs: 10 + (b % 2000),
        d3coldThresholdBytes: (c * 64) % (5 * MIB),
        verify: c % 2 === 0,
      };
      world.launch(operator, { type: "updateRuntimePm", ...settings });
      return;
    }
    default:
      action satisfies never;
  }
}

function suspend(world: World, operator: Operator, { a, b, c }: Step): void {
  const state = STATES[a % STATES.length];
  const command: Suspend = {
    type: "suspend",
    state,
    onIdleTimeout: b % 3 === 0 ? "ABORT" : "WEDGE",
    ...(b % 2 === 0 ? { idleTimeoutMs: IDLE_TIMEOUTS_MS[c % IDLE_TIMEOUTS_MS.length] } : {}),
    ...(c % 2 === 0 ? { verify: true } : {}),
    ...(state === "S3" && c % 5 === 0 ? { hybrid: true } : {}),
    ...(c % 11 === 0 ? { validateOnly: true } : {}),
    ...(a % 7 === 0 ? { waitMs: 0 } : {}),
  };
  // Set before it is known whether the suspend begins: one that does not changes nothing of what is slept by now.
  const { wrongs } = world;
  const before = wrongs.verified;
  const begins = command.validateOnly !== true;
  if (begins) wrongs.verified = command.verify === true;
  world.launch(operator, command, {
    // A device that sleeps without checksums cannot go deeper with them.
    excused: command.verify === true ? ["INVALID_REQUEST"] : [],
    done: ({ alreadyInState }) => {
      if (begins && alreadyInState) wrongs.verified = before;
    },
    refused: () => {
      wrongs.verified = false;
    },
  });
}

function cancel(world: World): void {
  if (world.transition === "") return;
  world.launch({ busy: false }, { type: "cancelTransition", transition: world.transition });
}

/** Only when no client waits for anything: what would be answered after the reset would be about another device. */
function resetFactory(world: World, operator: Operator): void {
  if (world.clients.some(({ busy }) => busy)) return;
  world.catchUp();
  world.resetting = true;
  world.launch(
    operator,
    { type: "resetDevice", scope: "FACTORY" },
    {
      done: (device) => {
        assert.equal(device.powerState, "ACTIVE");
        world.resetting = false;
        forgetEverything(world);
      },
      refused: () => {
        world.resetting = false;
        // A GT that does not start is found when everything has been dropped.
        const { memory, gt } = world.gpu.device;
        if (memory.clientObjectCount === 0 && gt.contexts.all().length === 0) forgetEverything(world);
      },
    },
  );
}

function forgetEverything(world: World): void {
  world.fenceStates.clear();
  for (const client of world.clients) client.forget();
}
