/**
 * Policies in the form of the configuration: `failure=continue`. A test compares docs/policies.md with this
 * table.
 */
import type { PowerPolicy } from "../../device/mod.ts";

/** The change that one entry of `policy` makes. */
export interface PolicyChange {
  readonly name: string;
  readonly value: string;
  readonly change: Partial<PowerPolicy>;
}

interface Knob {
  /** The allowed values, as messages and the documentation list them. */
  readonly values: string;
  /** Undefined for a value that it does not accept. */
  read(value: string): Partial<PowerPolicy> | undefined;
  /** The value of a policy, in the form that `read` accepts. */
  print(policy: PowerPolicy): string;
}

/** Every policy by its name in the configuration. */
export const POLICY_KNOBS: Readonly<Record<string, Knob>> = {
  notifier: choice("notifier", ["off", "opportunistic"]),
  producers: choice("producers", ["frozen", "blocked"]),
  failure: choice("failure", ["abort", "continue"]),
  "preallocate-backups": flag("preallocateBackups"),
  step1: choice("step1", ["idle_only", "chain"]),
  "gt-resume-failure": choice("gtResumeFailure", ["keep_backups", "memcpy_restore"]),
  "s2idle-keeps-lmem": flag("s2idleKeepsLmem"),
  "swap-allowed": {
    values: "none, or one or more of s2idle, s3, s4 joined by +",
    read: readSleepStates,
    print: ({ swapAllowed }) =>
      swapAllowed.length === 0 ? "none" : swapAllowed.map((state) => state.toLowerCase()).join("+"),
  },
};

/** Reads `NAME=VALUE`. If it returns a text, that ends a sentence that says what is wrong. */
export function readPolicyChange(text: unknown): PolicyChange | string {
  const [, name = "", value = ""] = /^([a-z0-9-]+)=(\S+)$/.exec(typeof text === "string" ? text : "") ?? [];
  const knob = Object.hasOwn(POLICY_KNOBS, name) ? POLICY_KNOBS[name] : undefined;
  if (knob === undefined) {
    return `is not a policy, such as failure=continue. There are ${Object.keys(POLICY_KNOBS).join(", ")}.`;
  }
  const change = knob.read(value);
  return change === undefined ? `is none that ${name} can have: ${knob.values}.` : { name, value, change };
}

type ChoiceKey = "notifier" | "producers" | "failure" | "step1" | "gtResumeFailure";
type FlagKey = "preallocateBackups" | "s2idleKeepsLmem";

function choice<K extends ChoiceKey>(key: K, values: readonly PowerPolicy[K][]): Knob {
  return {
    values: values.join(" or "),
    read(text) {
      const value = values.find((candidate) => candidate === text);
      return value === undefined ? undefined : { [key]: value };
    },
    print: (policy) => policy[key],
  };
}

function flag(key: FlagKey): Knob {
  return {
    values: "true or false",
    read: (text) => (text === "true" || text === "false" ? { [key]: text === "true" } : undefined),
    print: (policy) => String(policy[key]),
  };
}

function readSleepStates(text: string): Partial<PowerPolicy> | undefined {
  if (text === "none") return { swapAllowed: [] };
  const asked = text.split("+");
  const states = (["S2IDLE", "S3", "S4"] as const).filter((state) => asked.includes(state.toLowerCase()));
  return states.length === asked.length ? { swapAllowed: states } : undefined;
}
