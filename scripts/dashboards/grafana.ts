/** A dashboard as Grafana 10 and later import it. */
import type { Dashboard, Panel, PanelKind, Query, Row, Threshold } from "./model.ts";

const COLUMNS = 24;
const HEIGHT_DEFAULT = 8;
/** Of Grafana 10; later ones migrate it when they read it. */
const SCHEMA_VERSION = 39;
const SOURCE = { type: "prometheus", uid: "$datasource" };

/** The newest value of each series. */
const REDUCED = { calcs: ["lastNotNull"], fields: "", values: false };

/** The type that Grafana knows a kind by. */
const TYPES: Readonly<Record<PanelKind, string>> = {
  timeseries: "timeseries",
  stacked: "timeseries",
  stat: "stat",
  bargauge: "bargauge",
  heatmap: "heatmap",
  table: "table",
  "state-timeline": "state-timeline",
};

/** @param all every dashboard, for the links between them. */
export function toGrafana(dashboard: Dashboard, all: readonly Dashboard[]): object {
  return {
    uid: `torpor-${dashboard.id}`,
    title: `Torpor: ${dashboard.title}`,
    description: dashboard.description,
    tags: ["torpor"],
    editable: false,
    graphTooltip: 1,
    schemaVersion: SCHEMA_VERSION,
    version: 1,
    refresh: "10s",
    time: { from: "now-1h", to: "now" },
    timezone: "browser",
    templating: { list: variables(dashboard) },
    annotations: { list: dashboard.devices === "none" ? [] : [transitionAnnotation()] },
    links: all
      .filter(({ id }) => id !== dashboard.id)
      .map(({ id, title }) => ({
        title,
        type: "link",
        url: `/d/torpor-${id}`,
        keepTime: true,
        includeVars: true,
        targetBlank: false,
        icon: "dashboard",
        tooltip: "",
        asDropdown: false,
        tags: [],
      })),
    panels: layOut(dashboard.rows),
  };
}

function variables({ devices }: Dashboard): object[] {
  const source = {
    name: "datasource",
    label: "Data source",
    type: "datasource",
    query: "prometheus",
  };
  const instance = choice(
    "instance",
    "Daemon",
    'label_values(torpor_build_info{job="torpor"}, instance)',
    true,
  );
  if (devices === "none") return [source, instance];
  const query = 'label_values(torpor_device_info{job="torpor", instance=~"$instance"}, device)';
  return [source, instance, choice("device", "Device", query, devices === "several")];
}

/** A variable whose values Prometheus knows; `several` of them at once, and all by default. */
function choice(name: string, label: string, query: string, several: boolean): object {
  return {
    name,
    label,
    type: "query",
    datasource: SOURCE,
    definition: query,
    query: { query, refId: name },
    refresh: 2,
    sort: 1,
    multi: several,
    includeAll: several,
    ...(several ? { allValue: ".*", current: { text: "All", value: "$__all" } } : {}),
  };
}

/**
 * A mark where a device entered a power state. The time is the value that the daemon tells, not that of the scrape, so that
 * a transition of milliseconds is in its place too.
 */
function transitionAnnotation(): object {
  const labels = '{job="torpor", instance=~"$instance", device=~"$device"}';
  return {
    name: "Power states",
    datasource: SOURCE,
    enable: true,
    iconColor: "blue",
    expr: `1000 * torpor_device_state_since_timestamp_seconds${labels} * on (job, instance, device) group_left (state) (torpor_device_power_state${labels} == 1)`,
    titleFormat: "{{device}}: {{state}}",
    tagKeys: "device,state",
    useValueForTime: true,
  };
}

/** Puts panels side by side as long as there are columns, each row under its heading. */
function layOut(rows: readonly Row[]): object[] {
  const laid: object[] = [];
  let id = 1;
  let y = 0;
  for (const row of rows) {
    laid.push({
      id: id++,
      type: "row",
      title: row.title,
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y: y++, w: COLUMNS, h: 1 },
    });
    let x = 0;
    let lineHeight = 0;
    for (const panel of row.panels) {
      const { width, height = HEIGHT_DEFAULT } = panel;
      if (x + width > COLUMNS) {
        x = 0;
        y += lineHeight;
        lineHeight = 0;
      }
      laid.push({ id: id++, ...panelOf(panel), gridPos: { x, y, w: width, h: height } });
      x += width;
      lineHeight = Math.max(lineHeight, height);
    }
    y += lineHeight;
  }
  return laid;
}

function panelOf({ kind, title, description, unit, queries, thresholds = [], texts = {} }: Panel): object {
  const mappings = Object.entries(texts).map(([value, text], index) => ({
    type: "value",
    options: { [value]: { text, index } },
  }));
  return {
    type: TYPES[kind],
    title,
    description,
    datasource: SOURCE,
    targets: queries.map((query, index) => targetOf(query, kind, index)),
    fieldConfig: {
      defaults: {
        unit,
        mappings,
        thresholds: { mode: "absolute", steps: stepsOf(thresholds) },
        color: { mode: thresholds.length > 0 && kind !== "timeseries" ? "thresholds" : "palette-classic" },
        custom: customOf(kind, thresholds),
      },
      overrides: [],
    },
    options: optionsOf(kind),
  };
}

function targetOf({ expression, legend }: Query, kind: PanelKind, index: number): object {
  const instant = kind === "table" || kind === "bargauge";
  return {
    refId: String.fromCharCode("A".charCodeAt(0) + index),
    datasource: SOURCE,
    expr: expression,
    legendFormat: legend ?? "__auto",
    format: kind === "table" ? "table" : kind === "heatmap" ? "heatmap" : "time_series",
    instant,
    range: !instant,
    exemplar: expression.includes("_bucket"),
  };
}

function stepsOf(thresholds: readonly Threshold[]): object[] {
  return [
    { color: "green", value: null },
    ...thresholds.map(({ at, colour }) => ({ color: colour, value: at })),
  ];
}

function customOf(kind: PanelKind, thresholds: readonly Threshold[]): object {
  if (kind === "stacked") return { fillOpacity: 60, lineWidth: 1, stacking: { mode: "normal", group: "A" } };
  if (kind === "state-timeline") return { fillOpacity: 80, lineWidth: 0 };
  if (kind !== "timeseries") return {};
  return { lineWidth: 1, fillOpacity: 5, thresholdsStyle: { mode: thresholds.length > 0 ? "line" : "off" } };
}

function optionsOf(kind: PanelKind): object {
  switch (kind) {
    case "timeseries":
    case "stacked":
      return {
        legend: {
          displayMode: "table",
          placement: "bottom",
          calcs: ["lastNotNull", "max"],
          showLegend: true,
        },
        tooltip: { mode: "multi", sort: "desc" },
      };
    case "stat":
      return { reduceOptions: REDUCED, colorMode: "value" };
    case "bargauge":
      return { reduceOptions: REDUCED, orientation: "horizontal", displayMode: "basic" };
    case "heatmap":
      return {
        calculate: false,
        yAxis: { unit: "s" },
        color: {
          mode: "scheme",
          scheme: "Oranges",
          steps: 64,
          fill: "dark-orange",
          exponent: 0.5,
          reverse: false,
        },
        exemplars: { color: "rgba(255,0,255,0.7)" },
        tooltip: { mode: "single" },
      };
    case "table":
      return { showHeader: true, cellHeight: "sm" };
    case "state-timeline":
      return { mergeValues: true, showValue: "auto", rowHeight: 0.9 };
    default:
      return kind satisfies never;
  }
}
