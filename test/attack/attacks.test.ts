/**
 * Every attack in short, one after the other against one daemon: it lives, loses no byte, and its log stays
 * small.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ATTACKS } from "./siege/all.ts";
import type { Attack } from "./siege/attack.ts";
import { besiege, type Report } from "./siege/besiege.ts";
import { Victim } from "./siege/victim.ts";

const SHORT = { durationMs: 1_000, quietMs: 100, connections: 8, acts: 2_000 };
/**
 * Beyond it a daemon that holds nothing has kept what others sent. Messages of operators are large. Unit:
 * bytes.
 */
const PEAK_BYTES_MAX = { stranger: 450_000_000, viewer: 450_000_000, operator: 650_000_000 };
const LOG_BYTES_MAX = 50_000;

let victim: Victim;
beforeAll(async () => {
  victim = await Victim.start({ words: ["--lmem", "32MiB", "--smem", "64MiB"] });
});
afterAll(() => victim[Symbol.asyncDispose]());

describe("a daemon bears", () => {
  it.each(ATTACKS)("$name, by a $by", async (attack) => {
    const report = await besiegeShortly(attack);
    expect(report).toMatchObject({ died: undefined, intact: true, refused: [] });
    expect(report.acts).toBeGreaterThan(0);
    expect(report.peakBytes).toBeLessThan(PEAK_BYTES_MAX[attack.by]);
    // Each change that an operator makes has its line.
    if (attack.by !== "operator") expect(report.logBytes).toBeLessThan(LOG_BYTES_MAX);
  });

  it("all of them, counts what it did about them, and ends as it is told to", async () => {
    const metrics = await victim.metrics();
    const turnedAway = turnedAwayIn(metrics);
    expect(turnedAway).toEqual(expect.arrayContaining(["compressed", "metadata", "path", "size"]));
    expect(await victim.stop()).toBe(0);
  });
});

/** A machine that is busy may not get to the first act in time: then it is given more. */
async function besiegeShortly(attack: Attack): Promise<Report> {
  for (let times = 1; ; times *= 4) {
    const report = await besiege(victim, attack, { ...SHORT, durationMs: times * SHORT.durationMs });
    if (report.acts > 0 || times >= 16) return report;
  }
}

/** Why calls were turned away, each at least once. */
function turnedAwayIn(metrics: string): (string | undefined)[] {
  const counts = metrics.matchAll(/^torpor_calls_turned_away_total\{why="(\w+)"\} [1-9]/gm);
  return [...counts].map(([, why]) => why);
}
