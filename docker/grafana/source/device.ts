/** The dashboard of one device: memory, engines and power. */
import type { Frame } from "./frame.ts";
import { to } from "./links.ts";
import {
  byThreshold,
  drawn,
  stacked,
  stat,
  stateTimeline,
  steps,
  table,
  texts,
  timeSeries,
} from "./panels.ts";
import { chosen, line, lines, now, ofInstance, quantile, rate, rise, stateCode } from "./queries.ts";
import { HEALTHS, POWER_STATES } from "./states.ts";

const LOCAL = 'memory=~"lmem.*"';
const SYSTEM = 'memory="smem"';

const STATE = stateCode(
  "torpor_device_power_state",
  "state",
  POWER_STATES.map(([state]) => state),
);
const HEALTH = stateCode(
  "torpor_device_health",
  "health",
  HEALTHS.map(([health]) => health),
);

/** One device from all sides. */
export const device: Frame = {
  id: "device",
  title: "Device",
  description: "Power, memory and engines of one device.",
  devices: "one",
  marks: ["Power states", "Failures"],
  rows: [
    {
      title: "Now",
      panels: [
        stat(
          {
            title: "Power state",
            description:
              "What the device is doing. FAILED: it does nothing until a resume succeeds or it is reset.",
            unit: "none",
            empty: "no such device",
            width: 4,
          },
          now(STATE, "power state"),
        )
          .colorScheme(byThreshold())
          .thresholds(steps(...POWER_STATES.map(([, colour], index) => [index + 1, colour] as const)))
          .mappings([texts(POWER_STATES.map(([state]) => state))]),
        stat(
          {
            title: "Health",
            description:
              "ok; degraded: an engine has stopped; wedged: it takes no work; lost: its power state is FAILED.",
            unit: "none",
            empty: "no such device",
            width: 4,
          },
          now(HEALTH, "health"),
        )
          .colorScheme(byThreshold())
          .thresholds(steps(...HEALTHS.map(([, colour], index) => [index + 1, colour] as const)))
          .mappings([texts(HEALTHS.map(([health]) => health))]),
        stat(
          {
            title: "Since",
            description: "When the device entered its power state.",
            unit: "dateTimeFromNow",
            empty: "no such device",
            width: 4,
          },
          now(`1000 * ${chosen("torpor_device_state_since_timestamp_seconds")}`, "since"),
        ),
        stat(
          {
            title: "Transitions",
            description:
              "Those that ended in the chosen time, and those of them that failed or were cancelled.",
            unit: "short",
            empty: "no such device",
            width: 4,
          },
          now(`sum(${rise(chosen("torpor_transitions_total"))})`, "ended"),
          now(`sum(${rise(chosen("torpor_transition_failures_total"))})`, "failed"),
        )
          .decimals(0)
          .dataLinks([to("suspend", "Suspend anatomy"), to("faults", "Faults and recovery")]),
        table(
          {
            title: "Identity",
            description: "What the device is. The uuid is another after each start of the daemon.",
            unit: "none",
            empty: "no such device",
            width: 8,
            height: 5,
          },
          lines(`max by (instance, device, model, uuid) (${chosen("torpor_device_info")})`),
          ["instance", "device", "model", "uuid", "1"],
        ),
      ],
    },
    {
      title: "Power",
      panels: [
        stateTimeline(
          {
            title: "Power state over time",
            description:
              "What is shorter than a scrape is only in the marks: each is a change of power state.",
            unit: "none",
            empty: "no such device",
            width: 12,
            height: 5,
          },
          POWER_STATES,
          line(STATE, "power state"),
        ),
        stateTimeline(
          {
            title: "Health over time",
            description:
              "Whether it was ok, degraded (an engine had stopped), wedged (took no work) or lost (FAILED).",
            unit: "none",
            empty: "no such device",
            width: 12,
            height: 5,
          },
          HEALTHS,
          line(HEALTH, "health"),
        ),
        stacked(
          {
            title: "Time in phases",
            description:
              "Seconds spent in each phase of transitions, for each second of the clock. What takes most is what to look at.",
            unit: "s",
            empty: "no such device",
            width: 16,
          },
          line(
            `sum by (kind, phase) (${rate(chosen("torpor_phase_seconds_total"))}) > 0`,
            "{{kind}} {{phase}}",
          ),
        ).dataLinks([to("suspend", "Suspend anatomy")]),
        timeSeries(
          {
            title: "Asleep by runtime PM",
            description:
              "Share of the time that the device slept because nobody used it. 0 where runtime PM is off.",
            unit: "percentunit",
            empty: "no such device",
            width: 8,
          },
          line(rate(chosen("torpor_runtime_suspended_seconds_total")), "asleep"),
        ).max(1),
      ],
    },
    {
      title: "Memory",
      panels: [
        stacked(
          {
            title: "Local memory: pinned and evictable",
            description: "What is pinned is backed up in a suspend; the rest is evicted.",
            unit: "bytes",
            empty: "no such device",
            width: 12,
          },
          line(chosen("torpor_memory_pinned_bytes", LOCAL), "{{memory}} pinned"),
          line(
            `${chosen("torpor_memory_used_bytes", LOCAL)} - ${chosen("torpor_memory_pinned_bytes", LOCAL)}`,
            "{{memory}} evictable",
          ),
          line(
            `${chosen("torpor_memory_size_bytes", LOCAL)} - ${chosen("torpor_memory_used_bytes", LOCAL)}`,
            "{{memory}} free",
          ),
        ),
        timeSeries(
          {
            title: "System memory",
            description: "Backups and what was evicted are here. When it is full, suspends fail.",
            unit: "bytes",
            empty: "no such device",
            width: 12,
          },
          line(chosen("torpor_memory_used_bytes", SYSTEM), "used"),
          line(chosen("torpor_memory_size_bytes", SYSTEM), "size"),
          line(chosen("torpor_backup_held_bytes"), "backups"),
          line(chosen("torpor_swap_used_bytes"), "swap used"),
        ),
        stacked(
          {
            title: "Evictions",
            description:
              "Bytes moved out of local memory, by cause. Much of `pressure` means that local memory is too small.",
            unit: "binBps",
            empty: "no such device",
            width: 6,
          },
          line(`sum by (cause) (${rate(chosen("torpor_eviction_bytes_total"))})`, "{{cause}}"),
        ),
        timeSeries(
          {
            title: "Swapped and thrown away",
            description:
              "Bytes that went to swap and back, and that were thrown away because they may be. All of it is want of system memory.",
            unit: "binBps",
            empty: "no such device",
            width: 6,
          },
          line(rate(chosen("torpor_swap_out_bytes_total")), "to swap"),
          line(rate(chosen("torpor_swap_in_bytes_total")), "from swap"),
          line(rate(chosen("torpor_purged_bytes_total")), "thrown away"),
        ),
        timeSeries(
          {
            title: "Largest free block",
            description:
              "What a CONTIGUOUS object can have without an eviction; and where the CPU reaches a part only, what is free of that.",
            unit: "bytes",
            empty: "no such device",
            width: 6,
          },
          line(chosen("torpor_memory_largest_free_bytes"), "{{memory}}"),
          line(chosen("torpor_memory_visible_available_bytes", LOCAL), "{{memory}} within reach of the CPU"),
        ),
        timeSeries(
          {
            title: "Objects",
            description: "Objects with bytes in each memory, the device's own and backups included.",
            unit: "short",
            empty: "no such device",
            width: 6,
          },
          line(chosen("torpor_objects"), "{{memory}}, pinned {{pinned}}"),
        ).decimals(0),
      ],
    },
    {
      title: "Engines",
      panels: [
        timeSeries(
          {
            title: "Busy",
            description:
              "Share of the time that each engine executes, for clients and for the device itself.",
            unit: "percentunit",
            empty: "no such device",
            width: 8,
          },
          line(rate(chosen("torpor_engine_busy_seconds_total")), "{{engine}}"),
        ).max(1),
        timeSeries(
          {
            title: "Requests",
            description: "Requests of clients that ended, and those that ended with an error.",
            unit: "ops",
            empty: "no such device",
            width: 8,
          },
          line(rate(chosen("torpor_jobs_completed_total")), "{{engine}} completed"),
          line(rate(chosen("torpor_jobs_failed_total")), "{{engine}} failed"),
        ),
        timeSeries(
          {
            title: "Queue",
            description:
              "Submissions that wait for an engine or run on it. Absent while the device has no power.",
            unit: "short",
            empty: "the device has no power",
            width: 8,
          },
          line(chosen("torpor_job_queue_depth"), "{{engine}}"),
        ).decimals(0),
        timeSeries(
          {
            title: "Wait of requests, 95th percentile, all devices of the daemon",
            description:
              "From acceptance until a request goes into its ring: fences, earlier work on its objects, room.",
            unit: "s",
            empty: "no requests",
            width: 12,
          },
          line(quantile(0.95, ofInstance("torpor_job_wait_seconds_bucket"), "engine"), "{{engine}}"),
        ),
        timeSeries(
          {
            title: "Engine resets in the last hour",
            description:
              "Engines that hung or faulted and were reset. Above the line TorporEngineHangs fires.",
            unit: "short",
            empty: "no such device",
            width: 12,
          },
          line(`increase(${chosen("torpor_engine_resets_total")}[1h])`, "{{engine}}"),
        )
          .thresholds(steps([3, "red"]))
          .thresholdsStyle(drawn()),
      ],
    },
  ],
};
