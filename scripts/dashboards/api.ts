import { type Dashboard, ofInstance, quantile, rate } from "./model.ts";

/** Calls over both wires, and the process that answers them. */
export const api: Dashboard = {
  id: "api",
  title: "API and daemon",
  description:
    "Rate, errors and duration of calls; event loop, memory and garbage collection of the process.",
  devices: "none",
  rows: [
    {
      title: "Calls",
      panels: [
        {
          kind: "timeseries",
          title: "HTTP requests",
          description: "Requests by route and method, for each second.",
          unit: "reqps",
          width: 8,
          queries: [
            {
              expression: `sum by (route, method) (${rate(ofInstance("http_request_duration_seconds_count"))})`,
              legend: "{{method}} {{route}}",
            },
          ],
        },
        {
          kind: "timeseries",
          title: "HTTP errors",
          description: "Answers of 400 and above. 5xx is the daemon's fault or a device's; 4xx the client's.",
          unit: "reqps",
          width: 8,
          queries: [
            {
              expression: `sum by (code, route) (${rate(ofInstance("http_request_duration_seconds_count", 'code=~"[45].."'))})`,
              legend: "{{code}} {{route}}",
            },
          ],
        },
        {
          kind: "timeseries",
          title: "HTTP duration, 95th percentile",
          description: "Suspends that are waited for are calls too, and take as long as they take.",
          unit: "s",
          width: 8,
          queries: [
            {
              expression: quantile(0.95, ofInstance("http_request_duration_seconds_bucket"), "route, method"),
              legend: "{{method}} {{route}}",
            },
          ],
        },
        {
          kind: "timeseries",
          title: "gRPC calls by code",
          description: "Calls that ended, for each second.",
          unit: "reqps",
          width: 12,
          queries: [
            {
              expression: `sum by (grpc_method, grpc_code) (${rate(ofInstance("grpc_server_handled_total"))})`,
              legend: "{{grpc_method}} {{grpc_code}}",
            },
          ],
        },
        {
          kind: "timeseries",
          title: "gRPC duration, 95th percentile",
          description: "By method.",
          unit: "s",
          width: 12,
          queries: [
            {
              expression: quantile(0.95, ofInstance("grpc_server_handling_seconds_bucket"), "grpc_method"),
              legend: "{{grpc_method}}",
            },
          ],
        },
      ],
    },
    {
      title: "Process",
      panels: [
        {
          kind: "timeseries",
          title: "Event loop lag",
          description:
            "How late the thread that answers calls was, since the scrape before. No operation should block for more than 10 ms.",
          unit: "s",
          width: 8,
          queries: [
            { expression: ofInstance("nodejs_eventloop_lag_p99_seconds"), legend: "{{instance}} p99" },
            { expression: ofInstance("nodejs_eventloop_lag_mean_seconds"), legend: "{{instance}} mean" },
          ],
          thresholds: [{ at: 0.1, colour: "red" }],
        },
        {
          kind: "timeseries",
          title: "Memory",
          description: "What the process takes. Memories of devices are taken when they are first touched.",
          unit: "bytes",
          width: 8,
          queries: [
            { expression: ofInstance("process_resident_memory_bytes"), legend: "{{instance}} resident" },
            { expression: ofInstance("nodejs_heap_size_used_bytes"), legend: "{{instance}} heap" },
          ],
        },
        {
          kind: "timeseries",
          title: "Garbage collection",
          description: "Share of the time spent collecting, by kind.",
          unit: "percentunit",
          width: 8,
          queries: [
            {
              expression: `sum by (instance, kind) (${rate(ofInstance("nodejs_gc_duration_seconds_sum"))})`,
              legend: "{{instance}} {{kind}}",
            },
          ],
        },
        {
          kind: "timeseries",
          title: "Cost of a scrape",
          description: "How long Prometheus waited for /metrics.",
          unit: "s",
          width: 8,
          queries: [{ expression: ofInstance("scrape_duration_seconds"), legend: "{{instance}}" }],
        },
        {
          kind: "timeseries",
          title: "Samples in a scrape",
          description:
            "Grows with devices, engines and kinds of transitions that were seen, never with objects.",
          unit: "short",
          width: 8,
          queries: [{ expression: ofInstance("scrape_samples_scraped"), legend: "{{instance}}" }],
        },
        {
          kind: "timeseries",
          title: "CPU",
          description: "Cores in use, those of engine threads included.",
          unit: "short",
          width: 8,
          queries: [{ expression: rate(ofInstance("process_cpu_seconds_total")), legend: "{{instance}}" }],
        },
        {
          kind: "table",
          title: "Versions",
          description: "What each daemon was built from and runs on.",
          unit: "none",
          width: 24,
          height: 5,
          queries: [{ expression: ofInstance("torpor_build_info") }],
        },
      ],
    },
  ],
};
