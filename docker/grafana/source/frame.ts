/** What all dashboards have alike: variables, marks for what happened, links to each other, and numbers for their panels. */
import type { Builder } from "@grafana/grafana-foundation-sdk/cog";
import {
  AnnotationQueryBuilder,
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  type Panel,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { SOURCE } from "./panels.ts";
import { chosen, ofInstance } from "./queries.ts";

/**
 * Of Grafana 10; later ones migrate it when they read it. The SDK writes its own newest and has no method for it, and a
 * Grafana that is older than that would have to go back.
 */
const SCHEMA_VERSION = 39;

export interface Frame {
  /** Name of the file and of the address; never changes. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
  /** Whether `$device` is one device of one daemon, several, or not asked for. */
  readonly devices: "one" | "several" | "none";
  /** Whether `$phase` can be chosen. @default false */
  readonly phases?: boolean;
  /** What is marked from the start; the other marks can be switched on. */
  readonly marks: readonly Mark["name"][];
  readonly rows: readonly { readonly title: string; readonly panels: readonly Builder<Panel>[] }[];
}

interface Mark {
  readonly name: "Power states" | "Failures" | "Alerts";
  readonly colour: string;
  readonly expression: string;
  readonly title: string;
  readonly tags: string;
  /** Whether the value is the time, in milliseconds, rather than the sample's. */
  readonly timeIsValue: boolean;
}

/** @param all every dashboard, for the links between them. */
export function toDashboard(frame: Frame, all: readonly Frame[]): Dashboard {
  const builder = new DashboardBuilder(`Torpor: ${frame.title}`)
    .uid(`torpor-${frame.id}`)
    .description(frame.description)
    .tags(["torpor"])
    .readonly()
    .tooltip(DashboardCursorSync.Crosshair)
    .version(1)
    .refresh("10s")
    .time({ from: "now-1h", to: "now" })
    .timezone("browser")
    .variables(variablesOf(frame))
    .annotations(marksOf(frame).map((mark) => annotation(mark, frame.marks.includes(mark.name))))
    .links(all.filter(({ id }) => id !== frame.id).map(linkTo));
  for (const { title, panels } of frame.rows) {
    builder.withRow(new RowBuilder(title));
    for (const panel of panels) builder.withPanel(panel);
  }
  const built = builder.build();
  for (const [index, panel] of (built.panels ?? []).entries()) panel.id = index + 1;
  return { ...built, schemaVersion: SCHEMA_VERSION };
}

function variablesOf({
  devices,
  phases = false,
}: Frame): (DatasourceVariableBuilder | QueryVariableBuilder)[] {
  const several = devices !== "one";
  const daemon = 'label_values(torpor_build_info{job="torpor"}, instance)';
  const device = 'label_values(torpor_device_info{job="torpor", instance=~"$instance"}, device)';
  const phase = 'label_values(torpor_phase_seconds_total{job="torpor", instance=~"$instance"}, phase)';
  return [
    new DatasourceVariableBuilder("datasource").label("Data source").type("prometheus"),
    choice({ name: "instance", label: "Daemon", query: daemon, several }),
    ...(devices === "none" ? [] : [choice({ name: "device", label: "Device", query: device, several })]),
    ...(phases ? [choice({ name: "phase", label: "Phase", query: phase, several: true })] : []),
  ];
}

/** A variable that takes its values from a label. @param several whether several can be chosen, and all are by default. */
function choice({
  name,
  label,
  query,
  several,
}: {
  name: string;
  label: string;
  query: string;
  several: boolean;
}) {
  const builder = new QueryVariableBuilder(name)
    .label(label)
    .datasource(SOURCE)
    .definition(query)
    .query({ query, refId: name })
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.NaturalAsc)
    .multi(several)
    .includeAll(several);
  if (!several) return builder;
  return builder.allValue(".*").current({ selected: true, text: "All", value: "$__all" });
}

function marksOf({ devices }: Frame): readonly Mark[] {
  const alerts: Mark = {
    name: "Alerts",
    colour: "red",
    expression: ofInstance("ALERTS", 'alertstate="firing"'),
    title: "{{alertname}} {{device}}",
    tags: "alertname,severity,instance,device",
    timeIsValue: false,
  };
  if (devices === "none") return [alerts];
  return [
    {
      name: "Power states",
      colour: "blue",
      // The value is the time that the daemon tells, not that of the scrape, so that a transition of milliseconds is in its place too.
      expression: `1000 * ${chosen("torpor_device_state_since_timestamp_seconds")} * on (job, instance, device) group_left (state) (${chosen("torpor_device_power_state")} == 1)`,
      title: "{{device}}: {{state}}",
      tags: "instance,device,state",
      timeIsValue: true,
    },
    {
      name: "Failures",
      colour: "orange",
      expression: `sum by (instance, device, kind, reason) (increase(${chosen("torpor_transition_failures_total")}[1m])) > 0`,
      title: "{{device}}: {{kind}} failed with {{reason}}",
      tags: "instance,device,kind,reason",
      timeIsValue: false,
    },
    alerts,
  ];
}

function annotation(mark: Mark, enabled: boolean): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name(mark.name)
    .datasource(SOURCE)
    .enable(enabled)
    .iconColor(mark.colour)
    .expr(mark.expression)
    .step("15s")
    .titleFormat(mark.title)
    .tagKeys(mark.tags)
    .useValueForTime(mark.timeIsValue);
}

function linkTo({ id, title }: Frame): DashboardLinkBuilder {
  return new DashboardLinkBuilder(title)
    .type(DashboardLinkType.Link)
    .icon("dashboard")
    .url(`/d/torpor-${id}`)
    .keepTime(true)
    .includeVars(true);
}
