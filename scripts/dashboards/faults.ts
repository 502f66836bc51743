import { chosen, type Dashboard, ofInstance, rate, rise } from "./model.ts";

/** What went wrong, on purpose or not, and what became of it. */
export const faults: Dashboard = {
  id: "faults",
  title: "Faults and recovery",
  description: "Failures, their reasons, what was undone, and what must stay 0.",
  devices: "several",
  rows: [
    {
      title: "Must stay 0",
      panels: [
        counter(
          "Content changed",
          "Objects whose checksum changed across a suspend.",
          "torpor_verify_failures_total",
        ),
        counter(
          "Content lost",
          "Objects whose content is not what it was, after swap or a suspend.",
          "torpor_content_losses_total",
        ),
        counter("Not undone", "Failed suspends that could not be undone.", "torpor_recovery_failures_total"),
        counter("Swap failures", "Objects that could not be written to swap.", "torpor_swap_failures_total"),
      ],
    },
    {
      title: "Failures",
      panels: [
        {
          kind: "timeseries",
          title: "Failed transitions by reason",
          description: "TRANSITION_CANCELLED is a suspend that somebody cancelled.",
          unit: "ops",
          width: 12,
          queries: [
            {
              expression: `sum by (kind, reason) (${rate(chosen("torpor_transition_failures_total"))}) > 0`,
              legend: "{{kind}} {{reason}}",
            },
          ],
        },
        {
          kind: "timeseries",
          title: "Undone",
          description: "Failed or cancelled suspends after which the device was as before.",
          unit: "ops",
          width: 12,
          queries: [{ expression: rate(chosen("torpor_recoveries_total")), legend: "{{device}}" }],
        },
        {
          kind: "timeseries",
          title: "Blitter given up",
          description: "Copies that the CPU made because the blitter could not.",
          unit: "ops",
          width: 12,
          queries: [
            {
              expression: `sum by (device, reason) (${rate(chosen("torpor_blitter_fallbacks_total"))})`,
              legend: "{{device}} {{reason}}",
            },
          ],
        },
        {
          kind: "timeseries",
          title: "Allocations that failed",
          description: "By memory and reason.",
          unit: "ops",
          width: 12,
          queries: [
            {
              expression: `sum by (memory, reason) (${rate(chosen("torpor_allocation_failures_total"))})`,
              legend: "{{memory}} {{reason}}",
            },
          ],
        },
        {
          kind: "timeseries",
          title: "Image store failures",
          description: "A full or broken disk under the data directory.",
          unit: "ops",
          width: 12,
          queries: [
            { expression: rate(ofInstance("torpor_image_errors_total")), legend: "{{instance}} {{reason}}" },
          ],
        },
        {
          kind: "timeseries",
          title: "Failpoints that fired",
          description: "Faults made on purpose. Empty on a daemon without --enable-faults.",
          unit: "ops",
          width: 12,
          queries: [
            {
              expression: `${rate(ofInstance("torpor_failpoint_hits_total"))} > 0`,
              legend: "{{instance}} {{failpoint}}",
            },
          ],
        },
        {
          kind: "state-timeline",
          title: "Health",
          description: "1 where a device was degraded, wedged or lost.",
          unit: "none",
          width: 24,
          queries: [
            { expression: chosen("torpor_device_health", 'health!="ok"'), legend: "{{device}} {{health}}" },
          ],
          texts: { "0": " ", "1": "here" },
          thresholds: [{ at: 1, colour: "red" }],
        },
      ],
    },
  ],
};

function counter(title: string, description: string, metric: string) {
  return {
    kind: "stat",
    title,
    description: `${description} In the chosen time.`,
    unit: "short",
    width: 6,
    height: 5,
    queries: [{ expression: `sum(${rise(chosen(metric))})`, legend: title }],
    thresholds: [{ at: 1, colour: "red" }],
  } as const;
}
