/**
 * Every attack in short, one after the other against one daemon: it lives, loses no byte, and its log stays
 * small.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ATTACKS } from "./siege/all.ts";
import { besiege } from "./siege/besiege.ts";
import { Victim } from "./siege/victim.ts";

const SHORT = { durationMs: 1_000, quietMs: 100, connections: 8, acts: 2_000 };
/** Beyond it a daemon that holds nothing has kept what strangers sent. Unit: bytes. */
const PEAK_BYTES_MAX = 450_000_000;
const LOG_BYTES_MAX = 50_000;

let victim: Victim;
beforeAll(async () => {
  victim = await Victim.start({ words: ["--lmem", "32MiB", "--smem", "64MiB"] });
});
afterAll(() => victim[Symbol.asyncDispose]());

describe("a daemon bears", () => {
  it.each(ATTACKS)("$name, by a $by", async (attack) => {
    const report = await besiege(victim, attack, SHORT);
    expect(report).toMatchObject({ died: undefined, intact: true });
    expect(report.acts).toBeGreaterThan(0);
    expect(report.healthAnswers).toBeGreaterThan(0);
    expect(report.peakBytes).toBeLessThan(PEAK_BYTES_MAX);
    expect(report.logBytes).toBeLessThan(LOG_BYTES_MAX);
  });

  it("all of them, counts what it did about them, and ends as it is told to", async () => {
    const metrics = await victim.metrics();
    const turnedAway = turnedAwayIn(metrics);
    expect(turnedAway).toEqual(expect.arrayContaining(["compressed", "metadata", "path", "size"]));
    expect(await victim.stop()).toBe(0);
  });
});

/** Why calls were turned away, each at least once. */
function turnedAwayIn(metrics: string): (string | undefined)[] {
  const counts = metrics.matchAll(/^torpor_calls_turned_away_total\{why="(\w+)"\} [1-9]/gm);
  return [...counts].map(([, why]) => why);
}
