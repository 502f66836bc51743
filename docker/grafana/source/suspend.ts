/** The dashboard of suspends and resumes: phases, bytes and paths. */
import type { Frame } from "./frame.ts";
import { to, toDeviceOfLine, toDeviceOfSeries } from "./links.ts";
import { bars, drawn, heatmap, stacked, steps, stepsFrom, table, timeSeries } from "./panels.ts";
import {
  chosen,
  hits,
  largest,
  line,
  lines,
  most,
  now,
  ofInstance,
  quantile,
  rate,
  rise,
  smallest,
} from "./queries.ts";

const SUSPENDS = 'kind=~"suspend|runtime_suspend"';
const RESUMES = 'kind=~"resume|runtime_resume"';
/** That of TorporSuspendSlow. Unit: seconds. */
const SLOW_S = 30;

const SPEED = "device_path:torpor_backup_bytes_per_second:ratio_rate5m";
const LIMIT = "device_path:torpor_backup_bytes_per_second:max1d";

/** Time in phases, for each transition that ended. */
function perTransition(kinds: string): string {
  const seconds = `sum by (phase) (${rate(chosen("torpor_phase_seconds_total", `${kinds}, phase=~"$phase"`))})`;
  const ended = `sum(${rate(chosen("torpor_transitions_total", kinds))})`;
  return `${seconds} / on () group_left () (${ended} > 0)`;
}

/** Where the time and the bytes of suspends and resumes go. */
export const suspend: Frame = {
  id: "suspend",
  title: "Suspend anatomy",
  description:
    "Phases, bytes by path and rates of suspends and resumes. docs/observability.md says how to read it.",
  devices: "several",
  phases: true,
  marks: ["Failures"],
  rows: [
    {
      title: "Phases",
      panels: [
        stacked(
          {
            title: "A suspend: seconds in each phase",
            description:
              "How long the suspends of that time took on average, and which phase took it. The widest band is the one to look at.",
            unit: "s",
            empty: "no suspends",
            width: 12,
          },
          line(perTransition(SUSPENDS), "{{phase}}"),
        ),
        stacked(
          {
            title: "A resume: seconds in each phase",
            description: "How long the resumes of that time took on average, and which phase took it.",
            unit: "s",
            empty: "no resumes",
            width: 12,
          },
          line(perTransition(RESUMES), "{{phase}}"),
        ),
        heatmap(
          {
            title: "Duration of phases",
            description:
              "All phases of all devices, or those that are chosen, by how long they took. The dots are exemplars: each names its transition.",
            unit: "s",
            empty: "no transitions",
            width: 12,
          },
          hits(ofInstance("torpor_phase_duration_seconds_bucket", 'phase=~"$phase"')),
        ),
        timeSeries(
          {
            title: "Duration of phases, 95th percentile",
            description: "Of all devices, over a quarter of an hour: the ten phases that took longest.",
            unit: "s",
            empty: "no transitions",
            width: 12,
          },
          line(
            most(
              `max by (kind, target, phase) (${ofInstance("kind_target_phase:torpor_phase_duration_seconds:p95_rate15m", 'phase=~"$phase"')})`,
              "kind, target, phase",
              ofInstance("kind_target_phase:torpor_phase_duration_seconds:p95_rate15m", 'phase=~"$phase"'),
              "gauge",
            ),
            "{{kind}} {{target}} {{phase}}",
          ),
        ),
      ],
    },
    {
      title: "Transitions",
      panels: [
        heatmap(
          {
            title: "Duration of suspends",
            description: "All suspends of all devices, by how long they took, with exemplars that name them.",
            unit: "s",
            empty: "no suspends",
            width: 8,
          },
          hits(ofInstance("torpor_transition_duration_seconds_bucket", SUSPENDS)),
        ),
        heatmap(
          {
            title: "Duration of resumes",
            description: "All resumes of all devices, by how long they took, with exemplars that name them.",
            unit: "s",
            empty: "no resumes",
            width: 8,
          },
          hits(ofInstance("torpor_transition_duration_seconds_bucket", RESUMES)),
        ),
        timeSeries(
          {
            title: "Duration, 95th percentile",
            description:
              "Of all devices: nineteen of twenty took no longer. The line is where TorporSuspendSlow begins.",
            unit: "s",
            empty: "no transitions",
            width: 8,
          },
          line(
            quantile(0.95, ofInstance("torpor_transition_duration_seconds_bucket"), "kind, target"),
            "{{kind}} {{target}}",
          ).exemplar(true),
        )
          .thresholds(steps([SLOW_S, "red"]))
          .thresholdsStyle(drawn()),
      ],
    },
    {
      title: "Bytes",
      panels: [
        stacked(
          {
            title: "Evicted in suspends, by path",
            description:
              "What is not pinned moves to system memory. memcpy here means that the blitter could not be used.",
            unit: "binBps",
            empty: "nothing was evicted",
            width: 6,
          },
          line(
            `sum by (path) (${rate(chosen("torpor_eviction_bytes_total", 'cause="suspend"'))})`,
            "{{path}}",
          ),
        ),
        stacked(
          {
            title: "Backed up, by path",
            description:
              "What is pinned is copied. memcpy is firmware and page table, and more when the blitter failed.",
            unit: "binBps",
            empty: "nothing was backed up",
            width: 6,
          },
          line(`sum by (path) (${rate(chosen("torpor_backup_bytes_total"))})`, "{{path}}"),
        ),
        stacked(
          {
            title: "Restored, by path",
            description: "What comes back in a resume; early is before the firmware runs.",
            unit: "binBps",
            empty: "nothing was restored",
            width: 6,
          },
          line(
            `sum by (path, early) (${rate(chosen("torpor_restore_bytes_total"))})`,
            "{{path}}, early {{early}}",
          ),
        ),
        timeSeries(
          {
            title: "Backups held",
            description:
              "Bytes in backups, of the ten devices with most. Back to 0 when a device is awake again.",
            unit: "bytes",
            empty: "no device",
            width: 6,
          },
          line(
            most(
              `sum by (instance, device) (${chosen("torpor_backup_held_bytes")})`,
              "instance, device",
              chosen("torpor_backup_held_bytes"),
              "gauge",
            ),
            "{{instance}} {{device}}",
          ),
        ).dataLinks([toDeviceOfSeries()]),
      ],
    },
    {
      title: "Speed",
      panels: [
        timeSeries(
          {
            title: "Speed of backups against the measured limit",
            description:
              "Bytes for each second of copying, the mean of the devices. The limit is the fastest five minutes of a device in the last day. A brake, if one is set, is what --rate-limit allows.",
            unit: "binBps",
            empty: "nothing was backed up",
            width: 12,
          },
          line(`avg by (path) (${chosen(SPEED)})`, "{{path}}"),
          line(`max by (path) (${chosen(LIMIT)})`, "{{path}}, measured limit"),
          line(`min by (path) (${ofInstance("torpor_rate_limit_bytes_per_second")})`, "{{path}}, brake"),
        ).overrideByRegexp(".*(limit|brake)", [
          { id: "custom.lineStyle", value: { fill: "dash", dash: [10, 10] } },
          { id: "custom.fillOpacity", value: 0 },
        ]),
        bars(
          {
            title: "Furthest below their limit",
            description:
              "Speed of backups as a share of the fastest that the same device and path did in the last day: the ten lowest. Little data makes it low too.",
            unit: "percentunit",
            empty: "nothing was backed up",
            width: 12,
          },
          now(
            smallest(`${chosen(SPEED)} / on (job, instance, device, path) ${chosen(LIMIT)}`),
            "{{instance}} {{device}} {{path}}",
          ),
        )
          .min(0)
          .max(1)
          .thresholds(stepsFrom("red", [0.25, "yellow"], [0.5, "green"]))
          .dataLinks([toDeviceOfSeries()]),
      ],
    },
    {
      title: "Operations",
      panels: [
        table(
          {
            title: "Transitions",
            description:
              "How many ended in the chosen time, by device, kind and target: the ten most frequent.",
            unit: "short",
            empty: "no transitions",
            width: 12,
          },
          lines(
            largest(
              `sum by (instance, device, kind, target) (${rise(chosen("torpor_transitions_total"))}) > 0`,
            ),
          ),
          ["instance", "device", "kind", "target", "transitions"],
        )
          .decimals(0)
          .dataLinks([toDeviceOfLine(), to("faults", "Faults and recovery")]),
        table(
          {
            title: "Last changes of power state",
            description: "When devices entered the power state that they are in: the ten latest.",
            unit: "dateTimeAsIso",
            empty: "no device",
            width: 12,
          },
          lines(
            largest(
              `max by (instance, device, state) (1000 * ${chosen("torpor_device_state_since_timestamp_seconds")} * on (job, instance, device) group_left (state) (${chosen("torpor_device_power_state")} == 1))`,
            ),
          ),
          ["instance", "device", "state", "since"],
        ).dataLinks([toDeviceOfLine()]),
      ],
    },
  ],
};
