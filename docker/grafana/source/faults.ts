/** The dashboard of faults: armed failpoints, hits, failed transitions. */
import type { Frame } from "./frame.ts";
import { toDeviceOfLine, toDeviceOfSeries } from "./links.ts";
import { byThreshold, stat, stateTimeline, steps, table, timeSeries } from "./panels.ts";
import { chosen, largest, line, lines, most, now, ofInstance, rate, rise, stateCode } from "./queries.ts";
import { HEALTHS } from "./states.ts";

/** A counter that must stay 0, summed over the chosen devices. */
function mustStayZero(title: string, description: string, metric: string) {
  return stat(
    {
      title,
      description: `${description} In the chosen time; must stay 0.`,
      unit: "short",
      empty: "no device",
      width: 6,
    },
    now(`sum(${rise(chosen(metric))})`, title),
  )
    .decimals(0)
    .colorScheme(byThreshold())
    .thresholds(steps([0.5, "red"]));
}

/** What went wrong, on purpose or not, and what became of it. */
export const faults: Frame = {
  id: "faults",
  title: "Faults and recovery",
  description: "Failures, their reasons, what was undone, and what must stay 0.",
  devices: "several",
  marks: ["Failures", "Alerts"],
  rows: [
    {
      title: "Must stay 0",
      panels: [
        mustStayZero(
          "Content changed",
          "Objects whose checksum changed across a suspend.",
          "torpor_verify_failures_total",
        ),
        mustStayZero(
          "Content lost",
          "Objects whose content is not what it was, after swap or a suspend.",
          "torpor_content_losses_total",
        ),
        mustStayZero(
          "Not undone",
          "Failed suspends that could not be undone.",
          "torpor_recovery_failures_total",
        ),
        mustStayZero(
          "Swap failures",
          "Objects that could not be written to swap.",
          "torpor_swap_failures_total",
        ),
      ],
    },
    {
      title: "Devices",
      panels: [
        stateTimeline(
          {
            title: "Devices that were not well",
            description: "Devices that were degraded, wedged or lost at some time; the others are not drawn.",
            unit: "none",
            empty: "all devices were well",
            width: 24,
          },
          HEALTHS,
          line(
            `(${stateCode(
              "torpor_device_health",
              "health",
              HEALTHS.map(([health]) => health),
            )}) and on (instance, device) (sum by (instance, device) (max_over_time(${chosen("torpor_device_health", 'health!="ok"')}[$__range] @ end())) > 0)`,
            "{{instance}} {{device}}",
          ),
        ).dataLinks([toDeviceOfSeries()]),
      ],
    },
    {
      title: "Failures",
      panels: [
        timeSeries(
          {
            title: "Failed transitions by reason",
            description:
              "For each second, over all chosen devices. TRANSITION_CANCELLED is a suspend that somebody cancelled.",
            unit: "ops",
            empty: "nothing failed",
            width: 12,
          },
          line(
            most(
              `sum by (kind, reason) (${rate(chosen("torpor_transition_failures_total"))})`,
              "kind, reason",
              chosen("torpor_transition_failures_total"),
            ),
            "{{kind}} {{reason}}",
          ),
        ),
        timeSeries(
          {
            title: "Suspends undone",
            description:
              "Failed or cancelled suspends after which the device was as before, and those that could not be undone; over all chosen devices.",
            unit: "ops",
            empty: "no device",
            width: 12,
          },
          line(`sum(${rate(chosen("torpor_recoveries_total"))})`, "undone"),
          line(`sum(${rate(chosen("torpor_recovery_failures_total"))})`, "not undone"),
        ),
        timeSeries(
          {
            title: "Blitter given up",
            description:
              "Copies that the CPU made because the blitter could not, by reason. DEVICE_WEDGED: it was given up before.",
            unit: "ops",
            empty: "no device",
            width: 12,
          },
          line(`sum by (reason) (${rate(chosen("torpor_blitter_fallbacks_total"))})`, "{{reason}}"),
        ),
        timeSeries(
          {
            title: "Allocations that failed",
            description: "By memory and reason, the ten most frequent. Clients get these as errors.",
            unit: "ops",
            empty: "no allocation failed",
            width: 12,
          },
          line(
            most(
              `sum by (memory, reason) (${rate(chosen("torpor_allocation_failures_total"))})`,
              "memory, reason",
              chosen("torpor_allocation_failures_total"),
            ),
            "{{memory}} {{reason}}",
          ),
        ),
        timeSeries(
          {
            title: "Engines reset, work failed",
            description:
              "Engines that hung or faulted and were reset, and requests that ended with an error; over all chosen devices.",
            unit: "ops",
            empty: "no device",
            width: 12,
          },
          line(`sum by (engine) (${rate(chosen("torpor_engine_resets_total"))})`, "{{engine}} reset"),
          line(`sum(${rate(chosen("torpor_jobs_failed_total"))})`, "requests failed"),
        ),
        timeSeries(
          {
            title: "Image store failures",
            description: "A full or broken disk under the data directory, by reason.",
            unit: "ops",
            empty: "no daemon keeps images",
            width: 12,
          },
          line(`sum by (reason) (${rate(ofInstance("torpor_image_errors_total"))})`, "{{reason}}"),
        ),
      ],
    },
    {
      title: "Made on purpose",
      panels: [
        timeSeries(
          {
            title: "Failpoints that fired",
            description:
              "Faults made on purpose, the ten most frequent. Nothing on a daemon without --enable-faults.",
            unit: "ops",
            empty: "no failpoint fired",
            width: 12,
          },
          line(
            most(
              `sum by (failpoint) (${rate(ofInstance("torpor_failpoint_hits_total"))} > 0)`,
              "failpoint",
              ofInstance("torpor_failpoint_hits_total"),
            ),
            "{{failpoint}}",
          ),
        ),
        table(
          {
            title: "Failures by device",
            description:
              "Of what kind and for what reason transitions failed, in the chosen time: the ten most frequent.",
            unit: "short",
            empty: "nothing failed",
            width: 12,
          },
          lines(
            largest(
              `sum by (instance, device, kind, target, reason) (${rise(chosen("torpor_transition_failures_total"))}) > 0`,
            ),
          ),
          ["instance", "device", "kind", "target", "reason", "failures"],
        )
          .decimals(0)
          .dataLinks([toDeviceOfLine()]),
      ],
    },
  ],
};
