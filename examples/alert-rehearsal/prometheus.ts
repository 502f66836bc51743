/** A Prometheus with the shipped rules, in a hurry: it scrapes and evaluates each second, and no rule waits for minutes. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const RULES = join(import.meta.dirname, "../../docker/prometheus/rules");

export type AlertState = "inactive" | "pending" | "firing";

const ANSWER = z.object({
  data: z.object({
    groups: z.array(
      z.object({
        rules: z.array(
          z.object({ name: z.string(), state: z.enum(["inactive", "pending", "firing"]).optional() }),
        ),
      }),
    ),
  }),
});

/**
 * Writes a configuration for Prometheus.
 * @param folder an empty one, where it goes.
 * @param target `HOST:PORT` of the daemon's REST.
 * @param holdFor what takes the place of every `for` of minutes in the rules, such as `3s`; all else of them is as shipped.
 * @returns the path of the configuration.
 */
export function writeConfiguration(folder: string, target: string, holdFor: string): string {
  const rules = join(folder, "rules");
  mkdirSync(rules);
  cpSync(RULES, rules, { recursive: true });
  for (const name of readdirSync(rules)) {
    const file = join(rules, name);
    writeFileSync(file, readFileSync(file, "utf8").replaceAll(/^( +for:) [1-9]\d*m$/gm, `$1 ${holdFor}`));
  }
  const path = join(folder, "prometheus.yml");
  writeFileSync(
    path,
    `global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [rules/*.yml]
scrape_configs:
  - { job_name: torpor, static_configs: [{ targets: ["${target}"] }] }
`,
  );
  return path;
}

/** The state of an alert as Prometheus last evaluated it. @throws Error when Prometheus does not have it. */
export async function alertState(prometheusUrl: string, name: string): Promise<AlertState> {
  const response = await fetch(`${prometheusUrl}/api/v1/rules?type=alert`);
  const { groups } = ANSWER.parse(await response.json()).data;
  const state = groups.flatMap(({ rules }) => rules).find((rule) => rule.name === name)?.state;
  if (state === undefined) throw new Error(`Prometheus at ${prometheusUrl} has no alert ${name}.`);
  return state;
}
