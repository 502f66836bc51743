import { chosen, type Dashboard, ofInstance, quantile, rate } from "./model.ts";

/** One device from all sides. */
export const device: Dashboard = {
  id: "device",
  title: "Device",
  description: "Memory, engines and power of one device.",
  devices: "one",
  rows: [
    {
      title: "Power",
      panels: [
        {
          kind: "state-timeline",
          title: "Power state",
          description: "1 where the device was in that state.",
          unit: "none",
          width: 16,
          queries: [{ expression: chosen("torpor_device_power_state"), legend: "{{state}}" }],
          texts: { "0": " ", "1": "here" },
          thresholds: [{ at: 1, colour: "orange" }],
        },
        {
          kind: "state-timeline",
          title: "Health",
          description:
            "Whether it is ok, degraded (an engine has stopped), wedged (takes no work) or lost (FAILED).",
          unit: "none",
          width: 8,
          queries: [{ expression: chosen("torpor_device_health"), legend: "{{health}}" }],
          texts: { "0": " ", "1": "here" },
          thresholds: [{ at: 1, colour: "orange" }],
        },
      ],
    },
    {
      title: "Memory",
      panels: [
        {
          kind: "stacked",
          title: "Local memory: pinned and evictable",
          description: "What is pinned is backed up in a suspend; the rest is evicted.",
          unit: "bytes",
          width: 12,
          queries: [
            {
              expression: chosen("torpor_memory_pinned_bytes", 'memory=~"lmem.*"'),
              legend: "{{memory}} pinned",
            },
            {
              expression: `${chosen("torpor_memory_used_bytes", 'memory=~"lmem.*"')} - ${chosen("torpor_memory_pinned_bytes", 'memory=~"lmem.*"')}`,
              legend: "{{memory}} evictable",
            },
            {
              expression: `${chosen("torpor_memory_size_bytes", 'memory=~"lmem.*"')} - ${chosen("torpor_memory_used_bytes", 'memory=~"lmem.*"')}`,
              legend: "{{memory}} free",
            },
          ],
        },
        {
          kind: "timeseries",
          title: "System memory",
          description: "Backups and what was evicted are here. When it is full, suspends fail.",
          unit: "bytes",
          width: 12,
          queries: [
            { expression: chosen("torpor_memory_used_bytes", 'memory="smem"'), legend: "used" },
            { expression: chosen("torpor_memory_size_bytes", 'memory="smem"'), legend: "size" },
            { expression: chosen("torpor_backup_held_bytes"), legend: "backups" },
            { expression: chosen("torpor_swap_used_bytes"), legend: "swap used" },
          ],
        },
        {
          kind: "timeseries",
          title: "Evictions",
          description:
            "Bytes moved out of local memory, by cause. Much of `pressure` means that local memory is too small.",
          unit: "binBps",
          width: 8,
          queries: [
            {
              expression: `sum by (cause) (${rate(chosen("torpor_eviction_bytes_total"))})`,
              legend: "{{cause}}",
            },
          ],
        },
        {
          kind: "timeseries",
          title: "Largest free block",
          description: "What a CONTIGUOUS object can have without an eviction.",
          unit: "bytes",
          width: 8,
          queries: [{ expression: chosen("torpor_memory_largest_free_bytes"), legend: "{{memory}}" }],
        },
        {
          kind: "timeseries",
          title: "Objects",
          description: "Objects with bytes in each memory, the device's own and backups included.",
          unit: "short",
          width: 8,
          queries: [{ expression: chosen("torpor_objects"), legend: "{{memory}}, pinned {{pinned}}" }],
        },
      ],
    },
    {
      title: "Engines",
      panels: [
        {
          kind: "timeseries",
          title: "Busy",
          description: "Share of the time that each engine executes.",
          unit: "percentunit",
          width: 8,
          queries: [{ expression: rate(chosen("torpor_engine_busy_seconds_total")), legend: "{{engine}}" }],
        },
        {
          kind: "timeseries",
          title: "Jobs",
          description: "Requests of clients that ended, and those that ended with an error.",
          unit: "ops",
          width: 8,
          queries: [
            { expression: rate(chosen("torpor_jobs_completed_total")), legend: "{{engine}} completed" },
            { expression: rate(chosen("torpor_jobs_failed_total")), legend: "{{engine}} failed" },
          ],
        },
        {
          kind: "timeseries",
          title: "Queue",
          description:
            "Submissions that wait for an engine or run on it. Absent while the device has no power.",
          unit: "short",
          width: 8,
          queries: [{ expression: chosen("torpor_job_queue_depth"), legend: "{{engine}}" }],
        },
        {
          kind: "timeseries",
          title: "Wait of jobs, 95th percentile, all devices",
          description:
            "From acceptance until a request goes into its ring: fences, earlier work on its objects, room.",
          unit: "s",
          width: 12,
          queries: [
            {
              expression: quantile(0.95, ofInstance("torpor_job_wait_seconds_bucket"), "engine"),
              legend: "{{engine}}",
            },
          ],
        },
        {
          kind: "timeseries",
          title: "Engine resets",
          description: "Engines that hung or faulted and were reset, for each second.",
          unit: "ops",
          width: 12,
          queries: [{ expression: rate(chosen("torpor_engine_resets_total")), legend: "{{engine}}" }],
        },
      ],
    },
  ],
};
