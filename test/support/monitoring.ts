/** The shipped rules and dashboards, read as Prometheus and Grafana read them. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { z } from "zod";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const ruleFile = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.object({
          alert: z.string().optional(),
          record: z.string().optional(),
          expr: z.string(),
          labels: z.record(z.string(), z.string()).default({}),
          annotations: z.record(z.string(), z.string()).default({}),
        }),
      ),
    }),
  ),
});

const ruleTests = z.object({
  tests: z.array(
    z.object({
      alert_rule_test: z.array(z.object({ alertname: z.string(), exp_alerts: z.array(z.unknown()) })),
    }),
  ),
});

const link = z.object({ url: z.string(), title: z.string(), placement: z.string().optional() });

const panel = z.object({
  id: z.number(),
  type: z.string(),
  title: z.string(),
  description: z.string().default(""),
  gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
  targets: z
    .array(
      z.object({
        refId: z.string(),
        expr: z.string(),
        legendFormat: z.string().optional(),
        instant: z.boolean(),
      }),
    )
    .default([]),
  fieldConfig: z
    .object({
      defaults: z.object({
        unit: z.string().default(""),
        noValue: z.string().default(""),
        thresholds: z.object({ steps: z.array(z.object({ color: z.string() })) }).optional(),
        links: z.array(link).default([]),
        mappings: z
          .array(z.object({ options: z.record(z.string(), z.object({ text: z.string() })) }))
          .default([]),
      }),
    })
    .default({ defaults: { unit: "", noValue: "", links: [], mappings: [] } }),
});

const dashboardFile = z.object({
  uid: z.string(),
  title: z.string(),
  links: z.array(link.extend({ keepTime: z.boolean(), includeVars: z.boolean() })),
  annotations: z.object({
    list: z.array(
      z.object({
        name: z.string(),
        expr: z.string(),
        enable: z.boolean(),
        placement: z.string().optional(),
      }),
    ),
  }),
  templating: z.object({
    list: z.array(
      z.object({
        name: z.string(),
        type: z.string(),
        multi: z.boolean().default(false),
        includeAll: z.boolean().default(false),
        definition: z.string().default(""),
      }),
    ),
  }),
  panels: z.array(panel),
});

export type DashboardFile = z.infer<typeof dashboardFile>;
export type Rule = z.infer<typeof ruleFile>["groups"][number]["rules"][number];

function readYaml(path: string): unknown {
  return parse(readFileSync(`${ROOT}${path}`, "utf8"));
}

/** Every rule of a file in docker/prometheus/rules. */
export function readRules(name: "alerts" | "recording"): readonly Rule[] {
  return ruleFile
    .parse(readYaml(`docker/prometheus/rules/${name}.yml`))
    .groups.flatMap((group) => group.rules);
}

/** Alerts with a case in promtool's tests in which they fire, and with one in which they do not. */
export function readRuleTests(): {
  readonly firing: ReadonlySet<string>;
  readonly quiet: ReadonlySet<string>;
} {
  const firing = new Set<string>();
  const quiet = new Set<string>();
  for (const name of readdirSync(`${ROOT}docker/prometheus/tests`)) {
    for (const test of ruleTests.parse(readYaml(`docker/prometheus/tests/${name}`)).tests) {
      for (const each of test.alert_rule_test)
        (each.exp_alerts.length > 0 ? firing : quiet).add(each.alertname);
    }
  }
  return { firing, quiet };
}

export function readDashboards(): readonly DashboardFile[] {
  return readdirSync(`${ROOT}docker/grafana/dashboards`).map((name) =>
    dashboardFile.parse(JSON.parse(readFileSync(`${ROOT}docker/grafana/dashboards/${name}`, "utf8"))),
  );
}

/** An expression of a dashboard as Grafana would send it with these chosen; a regular expression of several is fine. */
export function substituted(expression: string, chosen: { instance?: string; device?: string } = {}): string {
  const { instance = ".*", device = ".*" } = chosen;
  return expression
    .replaceAll("$__rate_interval", "1m")
    .replaceAll("$__range", "5m")
    .replaceAll("$instance", instance)
    .replaceAll("$device", device)
    .replaceAll("$phase", ".*");
}

/** Variables of the environment that the provisioned data source takes its values from. */
export function readSourceVariables(): readonly string[] {
  const source = readFileSync(`${ROOT}docker/grafana/provisioning/datasources/prometheus.yml`, "utf8");
  return [...source.matchAll(/(?<!\$)\$\{(\w+)\}/g)].map(([, name = ""]) => name);
}

/** The variables that a file of docker compose gives Grafana. */
export function readGrafanaEnvironment(file: string): Readonly<Record<string, string>> {
  const grafana = z.object({ environment: z.record(z.string(), z.string()) });
  return z.object({ services: z.object({ grafana }) }).parse(readYaml(file)).services.grafana.environment;
}

/** The selector and the label of `label_values(SELECTOR, LABEL)`. */
export function labelValuesOf(definition: string): { readonly selector: string; readonly label: string } {
  const [, selector = "", label = ""] = /^label_values\((.+), (\w+)\)$/.exec(definition) ?? [];
  return { selector, label };
}

/** The commands of a page in docs/runbooks: the lines of its blocks of shell, in their order. */
export function readCommands(runbook: string): readonly string[] {
  const text = readFileSync(`${ROOT}docs/runbooks/${runbook}.md`, "utf8");
  return [...text.matchAll(/^```sh\n([\s\S]*?)\n```$/gm)].flatMap(([, block = ""]) => block.split("\n"));
}

/** The queries that docs/observability.md tells readers to ask. */
export function readPageQueries(): readonly string[] {
  const page = readFileSync(`${ROOT}docs/observability.md`, "utf8");
  return [...page.matchAll(/^```promql\n([\s\S]*?)\n```$/gm)].map(([, query = ""]) => query);
}

/** Metrics and recorded series that an expression names, histograms by the name of the whole. */
export function metricsIn(expression: string): readonly string[] {
  const bare = expression.replaceAll(/"[^"]*"/g, "").replaceAll(/\b(by|on|group_left)\s*\([^)]*\)/g, "");
  const names =
    bare.match(/[a-zA-Z_][a-z0-9_:A-Z]*(?=\s*[{[])|[a-z0-9_]+:[a-z0-9_:]+|\b(torpor|nodejs|process)_\w+/g) ??
    [];
  return [...new Set(names)].map((name) =>
    name.includes(":") ? name : name.replace(/_(bucket|sum|count)$/, ""),
  );
}
