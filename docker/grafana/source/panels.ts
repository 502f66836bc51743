/** The panels of the foundation SDK with the defaults of this house. What a dashboard wants otherwise it says to the builder. */
import { PanelBuilder as BarGauge } from "@grafana/grafana-foundation-sdk/bargauge";
import {
  BarGaugeDisplayMode,
  BigValueColorMode,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizOrientation,
  VizTooltipOptionsBuilder,
} from "@grafana/grafana-foundation-sdk/common";
import {
  FieldColorBuilder,
  FieldColorModeId,
  MappingType,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMap,
} from "@grafana/grafana-foundation-sdk/dashboard";
import {
  PanelBuilder as Heatmap,
  HeatmapColorMode,
  HeatmapColorOptionsBuilder,
  HeatmapTooltipBuilder,
  YAxisConfigBuilder,
} from "@grafana/grafana-foundation-sdk/heatmap";
import type { DataqueryBuilder } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder as Stat } from "@grafana/grafana-foundation-sdk/stat";
import { PanelBuilder as StateTimeline } from "@grafana/grafana-foundation-sdk/statetimeline";
import { PanelBuilder as Table } from "@grafana/grafana-foundation-sdk/table";
import { PanelBuilder as TimeSeries } from "@grafana/grafana-foundation-sdk/timeseries";

/** Where every query goes: the data source that the reader chose. */
export const SOURCE = { type: "prometheus", uid: "$datasource" };

/** Devices on one page of a timeline; there are arrows for the others. */
const TIMELINES_PER_PAGE = 20;

/** Grafana's names of units. */
type Unit =
  | "binBps"
  | "bytes"
  | "dateTimeAsIso"
  | "dateTimeFromNow"
  | "none"
  | "ops"
  | "percentunit"
  | "reqps"
  | "s"
  | "short";

/** What every panel must say of itself. */
interface About {
  readonly title: string;
  /** What one sees, and what would be bad. */
  readonly description: string;
  readonly unit: Unit;
  /** What stands there when there is nothing to show. */
  readonly empty: string;
  /** Of 24 columns; the panels of a line fill them. */
  readonly width: number;
  /** @default 8 rows */
  readonly height?: number;
}

/** A state or number from which on a value has this colour. */
type Step = readonly [at: number, colour: "blue" | "green" | "yellow" | "orange" | "red"];

/** What all builders of panels have in common; the SDK has no name for it. */
interface AnyPanel {
  title(title: string): this;
  description(description: string): this;
  datasource(datasource: typeof SOURCE): this;
  unit(unit: string): this;
  noValue(noValue: string): this;
  span(width: number): this;
  height(height: number): this;
  targets(targets: DataqueryBuilder[]): this;
}

/** Lines over time. */
export function timeSeries(about: About, ...queries: DataqueryBuilder[]): TimeSeries {
  const legend = new VizLegendOptionsBuilder()
    .displayMode(LegendDisplayMode.Table)
    .placement(LegendPlacement.Bottom)
    .showLegend(true)
    .calcs(["lastNotNull", "max"]);
  const tooltip = new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending);
  return furnish(new TimeSeries(), about, queries)
    .legend(legend)
    .tooltip(tooltip)
    .lineWidth(1)
    .fillOpacity(5)
    .showPoints(VisibilityMode.Auto)
    .min(0);
}

/** Areas over time, one upon the other. */
export function stacked(about: About, ...queries: DataqueryBuilder[]): TimeSeries {
  const stacking = new StackingConfigBuilder().mode(StackingMode.Normal).group("A");
  return timeSeries(about, ...queries)
    .fillOpacity(60)
    .stacking(stacking);
}

/** Large numbers of this moment. */
export function stat(about: About, ...queries: DataqueryBuilder[]): Stat {
  return furnish(new Stat(), { height: 5, ...about }, queries)
    .reduceOptions(newest())
    .colorMode(BigValueColorMode.Value);
}

/** Bars of this moment, for few series. */
export function bars(about: About, ...queries: DataqueryBuilder[]): BarGauge {
  return furnish(new BarGauge(), about, queries)
    .reduceOptions(newest())
    .orientation(VizOrientation.Horizontal)
    .displayMode(BarGaugeDisplayMode.Basic)
    .colorScheme(byThreshold());
}

/** How often a histogram's buckets were hit, over time. */
export function heatmap(about: About, query: DataqueryBuilder): Heatmap {
  const color = new HeatmapColorOptionsBuilder()
    .mode(HeatmapColorMode.Scheme)
    .scheme("Oranges")
    .steps(64)
    .exponent(0.5);
  return furnish(new Heatmap(), about, [query])
    .calculate(false)
    .yAxis(new YAxisConfigBuilder().unit(about.unit))
    .color(color)
    .exemplarsColor("rgba(255,0,255,0.7)")
    .tooltip(new HeatmapTooltipBuilder().mode(TooltipDisplayMode.Single).yHistogram(true));
}

/** A line for each series. @param columns its labels in their order, and the name of the value. */
export function table(about: About, query: DataqueryBuilder, columns: readonly string[]): Table {
  const last = columns.length - 1;
  const indexByName = Object.fromEntries(
    columns.map((name, index) => [index === last ? "Value" : name, index]),
  );
  const hidden = ["Time", "__name__", "job"].filter((name) => !columns.includes(name));
  return furnish(new Table(), about, [query])
    .showHeader(true)
    .filterable(true)
    .withTransformation({
      id: "organize",
      options: {
        excludeByName: Object.fromEntries(hidden.map((name) => [name, true])),
        indexByName,
        renameByName: { Value: columns[last] },
      },
    });
}

/** States over time, a band for each series. @param states texts and colours for 1, 2, 3… */
export function stateTimeline(
  about: About,
  states: readonly (readonly [name: string, colour: Step[1]])[],
  ...queries: DataqueryBuilder[]
): StateTimeline {
  return furnish(new StateTimeline(), about, queries)
    .mergeValues(true)
    .showValue(VisibilityMode.Auto)
    .rowHeight(0.9)
    .perPage(TIMELINES_PER_PAGE)
    .fillOpacity(80)
    .lineWidth(0)
    .colorScheme(byThreshold())
    .thresholds(steps(...states.map(([, colour], index) => [index + 1, colour] as const)))
    .mappings([texts(states.map(([name]) => name))]);
}

/** Colours from these values on; below the first, green. */
export function steps(...from: readonly Step[]): ThresholdsConfigBuilder {
  return stepsFrom("green", ...from);
}

/** Colours from these values on, where less is worse. @param lowest the colour below the first. */
export function stepsFrom(lowest: Step[1], ...from: readonly Step[]): ThresholdsConfigBuilder {
  return new ThresholdsConfigBuilder()
    .mode(ThresholdsMode.Absolute)
    .steps([{ value: null, color: lowest }, ...from.map(([value, color]) => ({ value, color }))]);
}

/** Draws the thresholds of a time series as lines. */
export function drawn(): GraphThresholdsStyleConfigBuilder {
  return new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Line);
}

/** Names for 1, 2, 3… */
export function texts(names: readonly string[]): ValueMap {
  const options = Object.fromEntries(names.map((text, index) => [String(index + 1), { text, index }]));
  return { type: MappingType.ValueToText, options };
}

/** Colours as the thresholds say. */
export function byThreshold(): FieldColorBuilder {
  return new FieldColorBuilder().mode(FieldColorModeId.Thresholds);
}

function newest(): ReduceDataOptionsBuilder {
  return new ReduceDataOptionsBuilder().calcs(["lastNotNull"]).values(false);
}

function furnish<P extends AnyPanel>(panel: P, about: About, queries: readonly DataqueryBuilder[]): P {
  const { title, description, unit, empty, width, height = 8 } = about;
  return panel
    .title(title)
    .description(description)
    .datasource(SOURCE)
    .unit(unit)
    .noValue(empty)
    .span(width)
    .height(height)
    .targets(queries.map((query, index) => query.datasource(SOURCE).refId(String.fromCharCode(65 + index))));
}
