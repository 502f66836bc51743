/** Dashboards as we think of them: panels with queries, a unit and a sentence. `grafana.ts` turns them into Grafana's JSON. */

/** Grafana's names of units. */
export type Unit =
  | "short"
  | "bytes"
  | "binBps"
  | "s"
  | "ops"
  | "percentunit"
  | "none"
  | "dateTimeAsIso"
  | "reqps";

/** `timeseries` draws lines, `stacked` areas on each other; the others are Grafana's panels of these names. */
export type PanelKind =
  | "timeseries"
  | "stacked"
  | "stat"
  | "bargauge"
  | "heatmap"
  | "table"
  | "state-timeline";

export interface Query {
  readonly expression: string;
  /** Of a series, such as `{{device}} {{path}}`. @default Grafana's own */
  readonly legend?: string;
}

/** Values from `at` on are drawn in this colour. */
export interface Threshold {
  readonly at: number;
  readonly colour: "green" | "yellow" | "orange" | "red";
}

export interface Panel {
  readonly kind: PanelKind;
  readonly title: string;
  /** What one sees, and what would be bad. */
  readonly description: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** Of 24 columns. */
  readonly width: number;
  /** @default 8 rows */
  readonly height?: number;
  /** From the lowest; below the first it is green. @default none */
  readonly thresholds?: readonly Threshold[];
  /** Texts for values. @default none */
  readonly texts?: Readonly<Record<string, string>>;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Dashboard {
  /** Name of the file and of the address; never changes. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
  /** Whether `$device` is one device, several, or not asked for. */
  readonly devices: "one" | "several" | "none";
  readonly rows: readonly Row[];
}

/** Restricts a metric to what the variables of the dashboard choose, and to further labels. */
export function chosen(metric: string, labels = ""): string {
  const more = labels === "" ? "" : `, ${labels}`;
  return `${metric}{job="torpor", instance=~"$instance", device=~"$device"${more}}`;
}

/** As `chosen`, for metrics without the label device. */
export function ofInstance(metric: string, labels = ""): string {
  const more = labels === "" ? "" : `, ${labels}`;
  return `${metric}{job="torpor", instance=~"$instance"${more}}`;
}

/** Increase per second of a counter. */
export function rate(selector: string): string {
  return `rate(${selector}[$__rate_interval])`;
}

/** How much a counter rose in the chosen time. */
export function rise(selector: string): string {
  return `increase(${selector}[$__range])`;
}

/** A quantile of a histogram, by these labels. */
export function quantile(share: number, bucket: string, by: string): string {
  const labels = by === "" ? "le" : `${by}, le`;
  return `histogram_quantile(${share}, sum by (${labels}) (${rate(bucket)}))`;
}
