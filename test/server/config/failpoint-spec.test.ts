/** Failpoints as they are written in configuration: what each entry arms, and what is said of those that make no sense. */
import { describe, expect, it } from "vitest";
import { parseFailpoint } from "../../../src/server/config/failpoint-spec.ts";

const DEFAULTS = {
  device: "",
  reason: "COPY_FAILED",
  delayMs: 0,
  probability: 1,
  count: 0,
  after: 0,
  seed: 0,
};

describe("an entry", () => {
  it.each([
    ["evict.object=error", "evict.object", { action: "ERROR" }],
    ["evict.before=hang", "evict.before", { action: "HANG" }],
    ["powerOff.after=crash", "powerOff.after", { action: "CRASH" }],
    ["evict.object=error(REGION_FULL)", "evict.object", { action: "ERROR", reason: "REGION_FULL" }],
    ["evict.object=hang(ENGINE_HUNG)@1", "evict.object", { action: "HANG", reason: "ENGINE_HUNG", after: 1 }],
    ["swap.read=delay(500ms)", "swap.read", { action: "DELAY", delayMs: 500 }],
    ["swap.read=delay(1.5s)", "swap.read", { action: "DELAY", delayMs: 1500 }],
    ["evict.object=error(COPY_FAILED)@3*1", "evict.object", { action: "ERROR", after: 3, count: 1 }],
    [
      "evict.object=error:card1#4294967295%0.25*2@3",
      "evict.object",
      { action: "ERROR", device: "card1", seed: 4_294_967_295, probability: 0.25, count: 2, after: 3 },
    ],
  ])("%s arms what it says", (text, name, arming) => {
    expect(parseFailpoint(text)).toEqual({ text, name, arming: { ...DEFAULTS, ...arming } });
  });

  it.each([
    ["evict.object", "it is not written as NAME=ACTION, such as evict.object=error"],
    ["=error", "it is not written as NAME=ACTION"],
    ["evict.object=error(", "it is not written as NAME=ACTION"],
    ["evict.object=error 1", "it is not written as NAME=ACTION"],
    ["evict.object=error*", "it is not written as NAME=ACTION"],
    ["evict.none=error", "there is no failpoint evict.none"],
    ["toString=error", "there is no failpoint toString"],
    ["evict.object=fail", "fail is not one of error, delay, hang, crash"],
    ["evict.object=constructor", "constructor is not one of error, delay, hang, crash"],
    ["evict.object=delay", "a delay needs a time, such as delay(500ms) or delay(1.5s)"],
    ["evict.object=delay(5)", "a delay needs a time"],
    ["evict.object=delay(-5ms)", "a delay needs a time"],
    [
      "evict.object=delay(601s)",
      "Failpoint evict.object cannot be armed so: its delay is not 0 to 600000 ms",
    ],
    ["evict.object=crash(now)", "a crash takes nothing in parentheses"],
    ["evict.object=error(NO_LUCK)", "NO_LUCK is not a reason that a device gives"],
    ["evict.object=error()", " is not a reason that a device gives"],
    ["evict.object=error*1*2", "* stands there twice"],
    ["evict.object=error*x", "Failpoint evict.object cannot be armed so: its count is not a whole number"],
    ["evict.object=error@1.5", "Failpoint evict.object cannot be armed so: `after` is not a whole number"],
    ["evict.object=error%50", "Failpoint evict.object cannot be armed so: its probability is not above 0"],
    ["evict.object=error#4294967296", "its seed is not a whole number up to 4294967295"],
    ["powerOff.after=error", "Failpoint powerOff.after cannot be armed so: nothing can fail there any more"],
    ["copy.blit=delay(1s)", "Failpoint copy.blit cannot be armed so: it takes ERROR only"],
  ])("%s is refused: %s", (text, problem) => {
    expect(parseFailpoint(text)).toEqual({ problem: expect.stringContaining(problem) });
  });
});
