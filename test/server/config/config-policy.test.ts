import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DEFAULT_POLICY } from "../../../src/device/mod.ts";
import { formatDuration, parseDuration } from "../../../src/server/config/duration.ts";
import { POLICY_KNOBS, readPolicyChange } from "../../../src/server/config/policy-setting.ts";

describe("policies", () => {
  it.each([
    ["notifier=opportunistic", { notifier: "opportunistic" }],
    ["producers=blocked", { producers: "blocked" }],
    ["failure=continue", { failure: "continue" }],
    ["preallocate-backups=true", { preallocateBackups: true }],
    ["step1=chain", { step1: "chain" }],
    ["gt-resume-failure=memcpy_restore", { gtResumeFailure: "memcpy_restore" }],
    ["s2idle-keeps-lmem=false", { s2idleKeepsLmem: false }],
    ["swap-allowed=none", { swapAllowed: [] }],
    ["swap-allowed=s4+s2idle", { swapAllowed: ["S2IDLE", "S4"] }],
  ])("%s", (text, change) => {
    expect(readPolicyChange(text)).toMatchObject({ change });
  });

  it.each([
    "failure",
    "failure=",
    "=abort",
    "toString=1",
    "failure=ABORT",
    "swap-allowed=",
    "swap-allowed=s5",
    7,
  ])("refuse %j", (text) => expect(typeof readPolicyChange(text)).toBe("string"));

  it("cover all of a device's policy, and read what they print", () => {
    const changes = Object.entries(POLICY_KNOBS).map(([name, knob]) =>
      readPolicyChange(`${name}=${knob.print(DEFAULT_POLICY)}`),
    );
    const merged = Object.assign({}, ...changes.map((found) => Object(found).change));
    expect(merged).toEqual(DEFAULT_POLICY);
  });
});

describe("docs/policies.md", () => {
  it("lists every policy with its values and default, and no other", () => {
    const page = readFileSync(new URL("../../../docs/policies.md", import.meta.url), "utf8");
    const rows = [...page.matchAll(/^\| `([a-z0-9-]+)` \| ([^|]+) \| `([^`]+)` \|/gm)];
    const documented = rows.map(([, name, values = "", byDefault]) => [
      name,
      values.replaceAll("`", ""),
      byDefault,
    ]);
    expect(documented).toEqual(
      Object.entries(POLICY_KNOBS).map(([name, knob]) => [name, knob.values, knob.print(DEFAULT_POLICY)]),
    );
  });
});

describe("lengths of time", () => {
  it.each([
    ["0s", 0],
    ["500ms", 500],
    ["1.5 s", 1500],
    ["86400s", 86_400_000],
  ])("reads %s as %d ms", (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(["", "5", 5, "1m", "-1s", "1.0001s", "1e3ms", null])("refuses %j", (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  );

  it.each([0, 1, 999, 1000, 1500])("writes %d so that it reads the same", (ms) =>
    expect(parseDuration(formatDuration(ms))).toBe(ms),
  );
});
