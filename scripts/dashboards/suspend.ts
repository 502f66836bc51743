import { chosen, type Dashboard, ofInstance, quantile, rate } from "./model.ts";

/** Where the time and the bytes of suspends and resumes go. */
export const suspend: Dashboard = {
  id: "suspend",
  title: "Suspend anatomy",
  description:
    "Phases, bytes by path and rates of suspends and resumes. docs/observability.md says how to read it.",
  devices: "several",
  rows: [
    {
      title: "Time",
      panels: [
        {
          kind: "stacked",
          title: "Suspend: seconds by phase",
          description:
            "Seconds spent in each phase of suspends, for each second of the clock. The widest band is the one to look at.",
          unit: "s",
          width: 12,
          queries: [
            {
              expression: `sum by (phase) (${rate(chosen("torpor_phase_seconds_total", 'kind=~"suspend|runtime_suspend"'))})`,
              legend: "{{phase}}",
            },
          ],
        },
        {
          kind: "stacked",
          title: "Resume: seconds by phase",
          description: "Seconds spent in each phase of resumes, for each second of the clock.",
          unit: "s",
          width: 12,
          queries: [
            {
              expression: `sum by (phase) (${rate(chosen("torpor_phase_seconds_total", 'kind=~"resume|runtime_resume"'))})`,
              legend: "{{phase}}",
            },
          ],
        },
        {
          kind: "heatmap",
          title: "Duration of suspends",
          description:
            "All suspends of the daemon, by how long they took. The dots are exemplars: each names its transition.",
          unit: "s",
          width: 12,
          queries: [
            {
              expression: `sum by (le) (increase(${ofInstance("torpor_transition_duration_seconds_bucket", 'kind=~"suspend|runtime_suspend"')}[$__rate_interval]))`,
              legend: "{{le}}",
            },
          ],
        },
        {
          kind: "timeseries",
          title: "Duration, 95th percentile",
          description: "Nineteen of twenty transitions took no longer.",
          unit: "s",
          width: 12,
          queries: [
            {
              expression: quantile(
                0.95,
                ofInstance("torpor_transition_duration_seconds_bucket"),
                "kind, target",
              ),
              legend: "{{kind}} {{target}}",
            },
          ],
          thresholds: [{ at: 30, colour: "red" }],
        },
      ],
    },
    {
      title: "Bytes",
      panels: [
        {
          kind: "stacked",
          title: "Evicted in suspends, by path",
          description:
            "What is not pinned moves to system memory. memcpy here means that the blitter could not be used.",
          unit: "binBps",
          width: 8,
          queries: [
            {
              expression: `sum by (path) (${rate(chosen("torpor_eviction_bytes_total", 'cause="suspend"'))})`,
              legend: "{{path}}",
            },
          ],
        },
        {
          kind: "stacked",
          title: "Backed up, by path",
          description:
            "What is pinned is copied. memcpy is firmware and page table, and more when the blitter failed.",
          unit: "binBps",
          width: 8,
          queries: [
            {
              expression: `sum by (path) (${rate(chosen("torpor_backup_bytes_total"))})`,
              legend: "{{path}}",
            },
          ],
        },
        {
          kind: "stacked",
          title: "Restored, by path",
          description: "What comes back in a resume; early is before the firmware runs.",
          unit: "binBps",
          width: 8,
          queries: [
            {
              expression: `sum by (path, early) (${rate(chosen("torpor_restore_bytes_total"))})`,
              legend: "{{path}}, early {{early}}",
            },
          ],
        },
        {
          kind: "timeseries",
          title: "Speed of backups",
          description:
            "Bytes for each second of copying, over the last five minutes; nothing where nothing was copied.",
          unit: "binBps",
          width: 12,
          queries: [
            {
              expression: chosen("device_path:torpor_backup_bytes_per_second:ratio_rate5m"),
              legend: "{{device}} {{path}}",
            },
          ],
        },
        {
          kind: "timeseries",
          title: "Backups held",
          description: "Bytes in backups. Back to 0 when a device is awake again.",
          unit: "bytes",
          width: 12,
          queries: [{ expression: chosen("torpor_backup_held_bytes"), legend: "{{device}}" }],
        },
      ],
    },
    {
      title: "Operations",
      panels: [
        {
          kind: "table",
          title: "Transitions so far",
          description: "How many ended, by device, kind and target, since the daemon began.",
          unit: "none",
          width: 12,
          queries: [
            {
              expression: `sum by (instance, device, kind, target) (${chosen("torpor_transitions_total")}) > 0`,
            },
          ],
        },
        {
          kind: "table",
          title: "Last change of power state",
          description: "When each device entered the power state that it is in.",
          unit: "dateTimeAsIso",
          width: 12,
          queries: [{ expression: `1000 * ${chosen("torpor_device_state_since_timestamp_seconds")}` }],
        },
      ],
    },
  ],
};
