/** Rules, dashboards and runbooks, held to each other and to docs/metrics.md; promtool judges them in test/monitoring. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it, test } from "vitest";
import {
  metricsIn,
  readDashboards,
  readGrafanaEnvironment,
  readPageQueries,
  readRules,
  readRuleTests,
  readSourceVariables,
} from "../../support/monitoring.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const alerts = readRules("alerts");
const recorded = readRules("recording");
const dashboards = readDashboards();

/** What Prometheus itself adds to each scrape. */
const OF_PROMETHEUS = ["up", "scrape_duration_seconds", "scrape_samples_scraped", "ALERTS"];
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
    expect(description).toMatch(/\{\{ \$value( \| \w+)? \}\}/);
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

test("compose tells Grafana where its data source is, and where the traces of exemplars are", () => {
  expect(readSourceVariables().toSorted()).toEqual(["PROMETHEUS_URL", "TORPOR_URL"]);
  expect(readGrafanaEnvironment("docker/compose.yaml")).toMatchObject({
    PROMETHEUS_URL: "http://prometheus:9090",
    TORPOR_URL: expect.stringMatching(/^http:/),
  });
  // With certificates it is another address.
  expect(readGrafanaEnvironment("docker/compose.secure.yaml")).toMatchObject({
    TORPOR_URL: expect.stringMatching(/^https:/),
  });
});

/** Columns of a dashboard's grid. */
const COLUMNS = 24;
const uids = dashboards.map(({ uid }) => uid);

describe.each(dashboards)("$title", ({ uid, panels, templating, annotations, links }) => {
  const drawn = panels.filter(({ type }) => type !== "row");

  test.each(drawn)(
    "$title says what it shows, in which unit, and what it means when there is nothing",
    (panel) => {
      expect(panel.description).toMatch(/^[A-Zo0-9].*\.$/s);
      expect(panel.description.length).toBeGreaterThan(20);
      expect(panel.fieldConfig.defaults.unit).not.toBe("");
      expect(panel.fieldConfig.defaults.noValue).not.toBe("");
      expect(panel.targets).not.toEqual([]);
      expect(new Set(panel.targets.map(({ refId }) => refId)).size).toBe(panel.targets.length);
    },
  );

  test("every variable that a query, a mark or another variable uses is one of the dashboard", () => {
    const variables = templating.list.map(({ name }) => name);
    const asked = [
      ...panels.flatMap((panel) => panel.targets.map(({ expr }) => expr)),
      ...annotations.list.map(({ expr }) => expr),
      ...templating.list.map(({ definition }) => definition),
    ];
    for (const text of asked) {
      const used = [...text.matchAll(/\$([a-z]\w*)/g)].map((match) => match[1]);
      expect(variables).toEqual(expect.arrayContaining(used));
    }
  });

  test("one device is chosen on its own dashboard, and any number of them elsewhere", () => {
    for (const { name, multi, includeAll } of templating.list.filter(({ type }) => type === "query")) {
      const several = uid !== "torpor-device";
      expect({ name, multi, includeAll }).toEqual({ name, multi: several, includeAll: several });
    }
  });

  test("panels fill their lines and do not cover each other, and each has a number of its own", () => {
    const taken = new Set<string>();
    for (const { gridPos, title } of panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(COLUMNS);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x} ${y}`), title).toBe(false);
          taken.add(`${x} ${y}`);
        }
      }
    }
    const bottom = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h));
    expect(taken.size).toBe(COLUMNS * bottom);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });

  test("links and marks stand above the panels, where readers look, and in no menu", () => {
    const placed = [...links, ...annotations.list].filter(({ placement }) => placement !== undefined);
    expect(placed).toEqual([]);
  });

  test("links lead to dashboards that there are, and keep the time and what was chosen", () => {
    expect(links.map(({ url }) => url).toSorted()).toEqual(
      uids
        .filter((other) => other !== uid)
        .map((other) => `/d/${other}`)
        .toSorted(),
    );
    for (const { keepTime, includeVars } of links)
      expect({ keepTime, includeVars }).toEqual({ keepTime: true, includeVars: true });
    for (const { url } of panels.flatMap((panel) => panel.fieldConfig.defaults.links)) {
      const [, target = "", query = ""] = /^\/d\/([a-z-]+)\?(.*)$/.exec(url) ?? [];
      expect(uids, url).toContain(target);
      expect(query).toMatch(/\$\{__url_time_range\}/);
      expect(query, url).toMatch(
        /\$\{__all_variables\}|\$\{datasource:queryparam\}&var-instance=.*&var-device=/,
      );
    }
  });
});
