/** Rules, dashboards and runbooks, held to each other and to docs/metrics.md; promtool judges them in test/monitoring. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it, test } from "vitest";
import {
  metricsIn,
  readDashboards,
  readPageQueries,
  readRules,
  readRuleTests,
} from "../support/monitoring.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const alerts = readRules("alerts");
const recorded = readRules("recording");
const dashboards = readDashboards();

/** What Prometheus itself adds to each scrape. */
const OF_PROMETHEUS = ["up", "scrape_duration_seconds", "scrape_samples_scraped"];
const page = readFileSync(`${ROOT}docs/metrics.md`, "utf8");
const known = new Set([
  ...OF_PROMETHEUS,
  ...[...page.matchAll(/^\| `(\w+)` +\|/gm)].map((match) => match[1]),
  ...recorded.map((rule) => rule.record),
]);

function unknownIn(expression: string): readonly string[] {
  return metricsIn(expression).filter((name) => !known.has(name));
}

describe("alerts", () => {
  const names = alerts.map(({ alert = "" }) => alert);

  it.each(alerts)("$alert says what is wrong, how bad, and where to read on", ({ alert = "", ...rule }) => {
    const { summary = "", description = "", runbook_url: runbook = "" } = rule.annotations;
    expect(rule.labels.severity).toMatch(/^(warning|critical)$/);
    expect(summary).toMatch(/^[A-Z].*\.$/);
    expect(description).toMatch(/\{\{ \$labels\.instance \}\}/);
    expect(runbook).toBe(`docs/runbooks/${alert}.md`);
    expect(existsSync(`${ROOT}${runbook}`)).toBe(true);
    const text = readFileSync(`${ROOT}${runbook}`, "utf8");
    expect(text.startsWith(`# ${alert}\n\n`)).toBe(true);
    for (const heading of ["What it means", "What to look at", "What to do"]) {
      expect(text).toMatch(new RegExp(`^## ${heading}\n\n\\S`, "m"));
    }
  });

  test("each has a runbook of its own, and each runbook an alert", () => {
    const pages = readdirSync(`${ROOT}docs/runbooks`).map((name) => name.replace(/\.md$/, ""));
    expect(pages.toSorted()).toEqual(names.toSorted());
  });

  test("each has a case in which it fires and one in which it does not", () => {
    const { firing, quiet } = readRuleTests();
    expect([...firing].toSorted()).toEqual(names.toSorted());
    expect([...quiet].toSorted()).toEqual(names.toSorted());
  });
});

describe("queries", () => {
  const queries = [
    ...readPageQueries().map((query) => ["docs/observability.md", query] as const),
    ...alerts.map(({ alert = "", expr }) => [alert, expr] as const),
    ...recorded.map(({ record = "", expr }) => [record, expr] as const),
    ...dashboards.flatMap(({ title, panels, annotations }) =>
      [...annotations.list, ...panels.flatMap((panel) => panel.targets)].map(
        ({ expr }) => [title, expr] as const,
      ),
    ),
  ];

  test.each(queries)("%s asks only for metrics that there are", (_title, expression) => {
    expect(metricsIn(expression)).not.toEqual([]);
    expect(unknownIn(expression)).toEqual([]);
  });
});

describe.each(dashboards)("$title", ({ panels, templating }) => {
  test("each panel says what it shows and asks for something", () => {
    for (const panel of panels.filter(({ type }) => type !== "row")) {
      expect(panel.description, panel.title).toMatch(/^[A-Z0-9].*\.$/);
      expect(panel.targets, panel.title).not.toEqual([]);
    }
  });

  test("every variable that a query uses is one of the dashboard", () => {
    const variables = templating.list.map(({ name }) => name);
    for (const { expr } of panels.flatMap((panel) => panel.targets)) {
      const used = [...expr.matchAll(/\$([a-z]\w*)/g)].map((match) => match[1]);
      expect(variables).toEqual(expect.arrayContaining(used));
    }
  });
});
