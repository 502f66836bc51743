import { chosen, type Dashboard, ofInstance, rise } from "./model.ts";

/** Every device of every daemon on one page. */
export const fleet: Dashboard = {
  id: "fleet",
  title: "Fleet",
  description: "Which devices are awake, asleep or in trouble, and what room is left.",
  devices: "several",
  rows: [
    {
      title: "Now",
      panels: [
        {
          kind: "stat",
          title: "Daemons up",
          description: "Daemons that answered their last scrape.",
          unit: "none",
          width: 4,
          height: 5,
          queries: [{ expression: `sum(${ofInstance("up")})`, legend: "up" }],
          thresholds: [],
        },
        {
          kind: "stat",
          title: "Devices by power state",
          description: "How many devices are in each power state.",
          unit: "none",
          width: 12,
          height: 5,
          queries: [
            { expression: `sum by (state) (${chosen("torpor_device_power_state")})`, legend: "{{state}}" },
          ],
        },
        {
          kind: "stat",
          title: "Devices not well",
          description: "Devices that are degraded, wedged or lost; see docs/metrics.md for the words.",
          unit: "none",
          width: 4,
          height: 5,
          queries: [
            { expression: `sum(${chosen("torpor_device_health", 'health!="ok"')})`, legend: "not well" },
          ],
          thresholds: [{ at: 1, colour: "red" }],
        },
        {
          kind: "stat",
          title: "Failed transitions",
          description: "Transitions that ended elsewhere than at their target, in the chosen time.",
          unit: "short",
          width: 4,
          height: 5,
          queries: [
            { expression: `sum(${rise(chosen("torpor_transition_failures_total"))})`, legend: "failed" },
          ],
          thresholds: [{ at: 1, colour: "orange" }],
        },
      ],
    },
    {
      title: "States over time",
      panels: [
        {
          kind: "state-timeline",
          title: "Power states",
          description: "The power state of each device. What is shorter than a scrape is only in the marks.",
          unit: "none",
          width: 24,
          queries: [
            {
              expression: [
                ["ACTIVE", 1],
                ["SUSPENDING", 2],
                ["SUSPENDED", 3],
                ["RESUMING", 4],
                ["FAILED", 5],
              ]
                .map(
                  ([state, code]) => `${code} * ${chosen("torpor_device_power_state", `state="${state}"`)}`,
                )
                .map((term) => `sum by (instance, device) (${term})`)
                .join(" + "),
              legend: "{{instance}} {{device}}",
            },
          ],
          texts: { "1": "ACTIVE", "2": "SUSPENDING", "3": "SUSPENDED", "4": "RESUMING", "5": "FAILED" },
          thresholds: [
            { at: 2, colour: "yellow" },
            { at: 3, colour: "orange" },
            { at: 5, colour: "red" },
          ],
        },
      ],
    },
    {
      title: "Room",
      panels: [
        {
          kind: "bargauge",
          title: "Use of memories",
          description: "Share of each memory in use. A suspend moves what is in lmem to smem.",
          unit: "percentunit",
          width: 12,
          queries: [
            {
              expression: chosen("device_memory:torpor_memory_used_bytes:ratio"),
              legend: "{{device}} {{memory}}",
            },
          ],
          thresholds: [
            { at: 0.8, colour: "yellow" },
            { at: 0.95, colour: "red" },
          ],
        },
        {
          kind: "timeseries",
          title: "Image store: free",
          description:
            "Room for new hibernation images. Less than a device holds means that it cannot hibernate.",
          unit: "bytes",
          width: 12,
          queries: [{ expression: ofInstance("torpor_image_store_free_bytes"), legend: "{{instance}}" }],
        },
      ],
    },
    {
      title: "Slowest",
      panels: [
        {
          kind: "table",
          title: "Slowest devices",
          description: "The ten devices that spent most time in phases of transitions, in the chosen time.",
          unit: "s",
          width: 24,
          queries: [
            {
              expression: `topk(10, sum by (instance, device, kind) (${rise(chosen("torpor_phase_seconds_total"))}))`,
            },
          ],
        },
      ],
    },
  ],
};
