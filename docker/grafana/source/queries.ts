/** PromQL as the dashboards write it: what the variables choose, rates, and few lines out of many. */
import { DataqueryBuilder, PromQueryFormat } from "@grafana/grafana-foundation-sdk/prometheus";

/** As many as can still be told apart. */
const LINES_MAX = 10;

/** Restricts a metric to what the variables of the dashboard choose, and to further labels. */
export function chosen(metric: string, labels = ""): string {
  return ofInstance(metric, `device=~"$device"${labels === "" ? "" : `, ${labels}`}`);
}

/** As `chosen`, for metrics without the label device. */
export function ofInstance(metric: string, labels = ""): string {
  return `${metric}{job="torpor", instance=~"$instance"${labels === "" ? "" : `, ${labels}`}}`;
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
  return `histogram_quantile(${share}, sum by (${by}, le) (${rate(bucket)}))`;
}

/**
 * Of many lines those ten that have most of `ranked` in the whole chosen time. A bare topk would choose anew at each point of
 * the time axis, and draw more than ten.
 * @param by labels of both, such as `instance, device`.
 * @param ranked a selector of a counter, or a gauge with `gauge` set.
 */
export function most(
  shown: string,
  by: string,
  ranked: string,
  kind: "counter" | "gauge" = "counter",
): string {
  const overTime = kind === "counter" ? "increase" : "max_over_time";
  return `${shown} and on (${by}) topk(${LINES_MAX}, sum by (${by}) (${overTime}(${ranked}[$__range] @ end())))`;
}

/** The ten largest now; for panels that show one moment. */
export function largest(expression: string): string {
  return `topk(${LINES_MAX}, ${expression})`;
}

/** The ten smallest now; for panels that show one moment. */
export function smallest(expression: string): string {
  return `bottomk(${LINES_MAX}, ${expression})`;
}

/** One number for the state that each device is in: the place in `states`, from 1. */
export function stateCode(metric: string, label: string, states: readonly string[]): string {
  return states
    .map(
      (state, index) => `${index + 1} * sum by (instance, device) (${chosen(metric, `${label}="${state}"`)})`,
    )
    .join(" + ");
}

/** A query over the chosen time. @param legend of a series, such as `{{device}} {{path}}` */
export function line(expression: string, legend: string): DataqueryBuilder {
  return new DataqueryBuilder().expr(expression).legendFormat(legend).range();
}

/** A query for the last moment of the chosen time. */
export function now(expression: string, legend: string): DataqueryBuilder {
  return new DataqueryBuilder().expr(expression).legendFormat(legend).instant();
}

/** A query whose series are lines of a table, and whose labels are columns. */
export function lines(expression: string): DataqueryBuilder {
  return new DataqueryBuilder().expr(expression).format(PromQueryFormat.Table).instant();
}

/** How often each bucket of a histogram was hit, with the exemplars of it. */
export function hits(bucket: string): DataqueryBuilder {
  return new DataqueryBuilder()
    .expr(`sum by (le) (increase(${bucket}[$__rate_interval]))`)
    .legendFormat("{{le}}")
    .format(PromQueryFormat.Heatmap)
    .exemplar(true)
    .range();
}
