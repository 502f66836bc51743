/** The dashboard of all devices of all daemons. */
import type { Frame } from "./frame.ts";
import { to, toDeviceOfLine, toDeviceOfSeries } from "./links.ts";
import {
  bars,
  byThreshold,
  stacked,
  stat,
  stateTimeline,
  steps,
  stepsFrom,
  table,
  timeSeries,
} from "./panels.ts";
import { chosen, largest, line, lines, most, now, ofInstance, rise, smallest, stateCode } from "./queries.ts";
import { POWER_STATES } from "./states.ts";

const ALERTS = ofInstance("ALERTS", 'alertstate="firing"');

/** Every device of every daemon on one page. */
export const fleet: Frame = {
  id: "fleet",
  title: "Fleet",
  description: "Which devices are awake, asleep or in trouble, and what room is left.",
  devices: "several",
  marks: ["Alerts"],
  rows: [
    {
      title: "Now",
      panels: [
        stat(
          {
            title: "Daemons that answer",
            description:
              "Daemons that answered their last scrape. Fewer than there should be: some are down.",
            unit: "none",
            empty: "no daemon is scraped",
            width: 4,
          },
          now(`sum(${ofInstance("up")})`, "up"),
          now(`sum(${ofInstance("up")} == bool 0)`, "down"),
        ),
        stat(
          {
            title: "Devices by power state",
            description:
              "How many devices are in each power state. FAILED devices do nothing until they are resumed.",
            unit: "none",
            empty: "no device",
            width: 10,
          },
          now(`sum by (state) (${chosen("torpor_device_power_state")})`, "{{state}}"),
        ),
        stat(
          {
            title: "Devices not well",
            description:
              "Devices that are degraded, wedged or lost; docs/metrics.md says what these are. Should be 0.",
            unit: "none",
            empty: "no device",
            width: 3,
          },
          now(`sum(${chosen("torpor_device_health", 'health!="ok"')})`, "not well"),
        )
          .colorScheme(byThreshold())
          .thresholds(steps([1, "red"]))
          .dataLinks([to("faults", "Faults and recovery")]),
        stat(
          {
            title: "Failed transitions",
            description:
              "Transitions that ended elsewhere than at their target, in the chosen time; cancelled ones too.",
            unit: "short",
            empty: "no device",
            width: 4,
          },
          now(`sum(${rise(chosen("torpor_transition_failures_total"))})`, "failed"),
        )
          .decimals(0)
          .colorScheme(byThreshold())
          .thresholds(steps([0.5, "orange"]))
          .dataLinks([to("faults", "Faults and recovery")]),
        stat(
          {
            title: "Alerts",
            description: "Alerts that are firing for these daemons. They are listed below.",
            unit: "none",
            empty: "0",
            width: 3,
          },
          now(`count(${ALERTS}) or vector(0)`, "firing"),
        )
          .colorScheme(byThreshold())
          .thresholds(steps([1, "red"])),
      ],
    },
    {
      title: "States",
      panels: [
        stacked(
          {
            title: "Devices by power state",
            description:
              "How many devices were in each power state. Bands of SUSPENDING or RESUMING that stay are stuck.",
            unit: "short",
            empty: "no device",
            width: 12,
          },
          line(`sum by (state) (${chosen("torpor_device_power_state")})`, "{{state}}"),
        ).decimals(0),
        table(
          {
            title: "Alerts that fire",
            description: "Each has a page in docs/runbooks that says what to look at and what to do.",
            unit: "none",
            empty: "no alert fires",
            width: 12,
          },
          lines(`max by (alertname, severity, instance, device) (${ALERTS})`),
          ["alertname", "severity", "instance", "device", "firing"],
        ).dataLinks([toDeviceOfLine()]),
        stateTimeline(
          {
            title: "Power states",
            description:
              "The power state of each device, twenty on a page. What is shorter than a scrape is only in the marks of the device's own dashboard.",
            unit: "none",
            empty: "no device",
            width: 24,
            height: 10,
          },
          POWER_STATES,
          line(
            stateCode(
              "torpor_device_power_state",
              "state",
              POWER_STATES.map(([state]) => state),
            ),
            "{{instance}} {{device}}",
          ),
        ).dataLinks([toDeviceOfSeries()]),
      ],
    },
    {
      title: "Room",
      panels: [
        bars(
          {
            title: "Fullest memories",
            description: "The ten memories of which most is in use. A suspend moves what is in lmem to smem.",
            unit: "percentunit",
            empty: "no device",
            width: 8,
          },
          now(
            largest(chosen("device_memory:torpor_memory_used_bytes:ratio")),
            "{{instance}} {{device}} {{memory}}",
          ),
        )
          .min(0)
          .max(1)
          .thresholds(steps([0.8, "yellow"], [0.95, "red"]))
          .dataLinks([toDeviceOfSeries()]),
        bars(
          {
            title: "Least room for a suspend",
            description:
              "Free system memory less what local memory holds, of the ten devices that are ACTIVE and have least. Below 0 a suspend may fail; what it may throw away is not counted.",
            unit: "bytes",
            empty: "no device is active",
            width: 8,
          },
          now(
            smallest(
              `(sum by (instance, device) (${chosen("torpor_memory_size_bytes", 'memory="smem"')} - ${chosen("torpor_memory_used_bytes", 'memory="smem"')}) - sum by (instance, device) (${chosen("torpor_memory_used_bytes", 'memory=~"lmem.*"')})) and on (instance, device) ${chosen("torpor_device_power_state", 'state="ACTIVE"')} == 1`,
            ),
            "{{instance}} {{device}}",
          ),
        )
          .thresholds(stepsFrom("red", [0, "green"]))
          .dataLinks([toDeviceOfSeries()]),
        timeSeries(
          {
            title: "Image store: free",
            description:
              "Room for new hibernation images, of the ten daemons with most. Less than a device holds means that it cannot hibernate.",
            unit: "bytes",
            empty: "no daemon keeps images",
            width: 8,
          },
          line(
            most(
              ofInstance("torpor_image_store_free_bytes"),
              "instance",
              ofInstance("torpor_image_store_free_bytes"),
              "gauge",
            ),
            "{{instance}}",
          ),
        ),
      ],
    },
    {
      title: "Worst",
      panels: [
        table(
          {
            title: "Slowest devices",
            description: "The ten devices that spent most time in phases of transitions, in the chosen time.",
            unit: "s",
            empty: "no device",
            width: 12,
          },
          lines(largest(`sum by (instance, device, kind) (${rise(chosen("torpor_phase_seconds_total"))})`)),
          ["instance", "device", "kind", "time"],
        ).dataLinks([toDeviceOfLine()]),
        table(
          {
            title: "Devices that failed most",
            description:
              "Of what kind and for what reason transitions failed, in the chosen time; the ten worst.",
            unit: "short",
            empty: "nothing failed",
            width: 12,
          },
          lines(
            largest(
              `sum by (instance, device, kind, reason) (${rise(chosen("torpor_transition_failures_total"))}) > 0`,
            ),
          ),
          ["instance", "device", "kind", "reason", "failures"],
        )
          .decimals(0)
          .dataLinks([toDeviceOfLine()]),
      ],
    },
  ],
};
