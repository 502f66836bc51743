/** Many hosts, one bucket, and everything that can go wrong between them. */
import { describe, expect, it } from "vitest";
import { type Outcome, runHosts, type Sabotage } from "../../support/bucket-hosts.ts";

const SEEDS = Number(process.env.TORPOR_TEST_STORE_SEEDS ?? 40);
const STEPS = 60;

async function runAll(sabotage: Sabotage, seeds: number): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let seed = 1; seed <= seeds; seed++) outcomes.push(await runHosts(seed, STEPS, sabotage));
  return outcomes;
}

function total(outcomes: readonly Outcome[], what: "activations" | "deaths" | "doubts" | "undone"): number {
  return outcomes.reduce((sum, outcome) => sum + outcome[what], 0);
}

describe("hosts that take devices over in one bucket", () => {
  it("never make two owners or bring old bytes back, whatever is lost, late or killed", async () => {
    const outcomes = await runAll("none", SEEDS);
    for (const [index, { violations }] of outcomes.entries())
      expect(violations, `seed ${index + 1}`).toEqual([]);
    // It was no idle run.
    for (const what of ["activations", "deaths", "doubts", "undone"] as const) {
      expect(total(outcomes, what), what).toBeGreaterThan(SEEDS);
    }
  });

  it.each(["ignores conditions", "undo by read", "active before commit"] as const)(
    "are found out when the rule is switched off: %s",
    async (sabotage) => {
      const outcomes = await runAll(sabotage, 20);
      expect(outcomes.flatMap(({ violations }) => violations).length).toBeGreaterThan(0);
    },
  );
});
