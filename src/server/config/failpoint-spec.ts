/**
 * Failpoints as people write them in configuration, one entry each:
 *
 *   evict.object=error(SYSTEM_MEMORY_EXHAUSTED)@2*1    the third object fails, once
 *   powerOff.before=delay(500ms)%0.5#7:card1           half of the time, from seed 7, on card1 only
 *
 * NAME=ACTION, the reason of an error or hang or the time of a delay in parentheses, and then in any order:
 * *COUNT, @AFTER, %PROBABILITY, #SEED and :DEVICE.
 */
import { DeviceError, type ErrorReason, REASONS } from "../../device/errors.ts";
import {
  checkArming,
  type FailpointAction,
  type FailpointArming,
  type FailpointName,
  isFailpointName,
} from "../../device/failpoints.ts";

export interface FailpointSpec {
  /** As the user wrote it. */
  readonly text: string;
  readonly name: FailpointName;
  readonly arming: FailpointArming;
}

/** The end of a sentence that says what is wrong with an entry. */
export interface FailpointProblem {
  readonly problem: string;
}

const ACTIONS: Readonly<Record<string, FailpointAction>> = {
  error: "ERROR",
  delay: "DELAY",
  hang: "HANG",
  crash: "CRASH",
  pause: "PAUSE",
};

const SEED_MAX = 0xffff_ffff;

/** Reads one entry. */
export function parseFailpoint(text: string): FailpointSpec | FailpointProblem {
  const [, name = "", word = "", argument, options = ""] =
    /^([^=\s]+)=([a-z]+)(?:\(([^()]*)\))?((?:[*@%#:][^*@%#:()]+)*)$/.exec(text) ?? [];
  if (name === "") return { problem: "it is not written as NAME=ACTION, such as evict.object=error" };
  if (!isFailpointName(name)) return { problem: `there is no failpoint ${name}` };
  const action = Object.hasOwn(ACTIONS, word) ? ACTIONS[word] : undefined;
  if (action === undefined) return { problem: `${word} is not one of ${Object.keys(ACTIONS).join(", ")}` };
  const what = parseArgument(action, argument);
  if ("problem" in what) return what;
  const when = parseOptions(options);
  if ("problem" in when) return when;
  const arming = { action, ...what, ...when };
  try {
    checkArming(name, arming);
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    return { problem: error.message.replace(/\.$/, "") };
  }
  return { text, name, arming };
}

type Argument = Pick<FailpointArming, "reason" | "delayMs">;

/** Reads the part in parentheses. */
function parseArgument(action: FailpointAction, argument: string | undefined): Argument | FailpointProblem {
  const reason: ErrorReason = "COPY_FAILED";
  if (action === "DELAY") {
    const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(argument ?? "") ?? [];
    if (number === undefined) return { problem: "a delay needs a time, such as delay(500ms) or delay(1.5s)" };
    return { reason, delayMs: Number(number) * (unit === "s" ? 1000 : 1) };
  }
  if (argument === undefined) return { reason, delayMs: 0 };
  if (action === "CRASH" || action === "PAUSE") {
    return { problem: `a ${action.toLowerCase()} takes nothing in parentheses` };
  }
  if (!isErrorReason(argument)) return { problem: `${argument} is not a reason that a device gives` };
  return { reason: argument, delayMs: 0 };
}

type Options = Pick<FailpointArming, "count" | "after" | "probability" | "seed" | "device">;

/** Reads the part after the action. */
function parseOptions(text: string): Options | FailpointProblem {
  const given = new Map<string, string>();
  for (const [, sign = "", value = ""] of text.matchAll(/([*@%#:])([^*@%#:]+)/g)) {
    if (given.has(sign)) return { problem: `${sign} stands there twice` };
    given.set(sign, value);
  }
  const number = (sign: string, ifNone: number): number => {
    const value = given.get(sign);
    if (value === undefined) return ifNone;
    return /^\d+(?:\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
  };
  const options: Options = {
    count: number("*", 0),
    after: number("@", 0),
    probability: number("%", 1),
    seed: number("#", 0),
    device: given.get(":") ?? "",
  };
  const isSeed = Number.isInteger(options.seed) && options.seed <= SEED_MAX;
  return isSeed ? options : { problem: `its seed is not a whole number up to ${SEED_MAX}` };
}

function isErrorReason(reason: string): reason is ErrorReason {
  return Object.hasOwn(REASONS, reason);
}
