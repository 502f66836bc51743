/** The dashboard of calls: rates, errors and latencies on both wires. */
import type { Frame } from "./frame.ts";
import { drawn, steps, table, timeSeries } from "./panels.ts";
import { line, lines, most, ofInstance, quantile, rate } from "./queries.ts";

const HTTP = ofInstance("http_request_duration_seconds_count");
const HTTP_ERRORS = ofInstance("http_request_duration_seconds_count", 'code=~"[45].."');
const GRPC = ofInstance("grpc_server_handled_total");
/** Those of TorporEventLoopLag and TorporApiErrors. */
const LAG_S = 0.1;
const ERRORS_SHARE = 0.0144;

/** A gauge or rate of each daemon, of the ten with most. */
function ofDaemons(shown: string, ranked: string, kind: "counter" | "gauge"): string {
  return most(shown, "instance", ranked, kind);
}

/** Calls over both wires, and the process that answers them. */
export const api: Frame = {
  id: "api",
  title: "API and daemon",
  description:
    "Rate, errors and duration of calls; event loop, memory and garbage collection of the process.",
  devices: "none",
  marks: ["Alerts"],
  rows: [
    {
      title: "Calls",
      panels: [
        timeSeries(
          {
            title: "Calls that the daemon failed",
            description:
              "Share of calls over both wires that ended with the daemon's or a device's own failure (500, INTERNAL, UNKNOWN, DATA_LOSS), over an hour and over five minutes. When both are above the line, TorporApiErrors fires.",
            unit: "percentunit",
            empty: "no calls",
            width: 8,
          },
          line(
            `max(${ofInstance("instance:torpor_call_errors_per_call:ratio_rate1h")})`,
            "1 h, worst daemon",
          ),
          line(
            `max(${ofInstance("instance:torpor_call_errors_per_call:ratio_rate5m")})`,
            "5 min, worst daemon",
          ),
        )
          .thresholds(steps([ERRORS_SHARE, "red"]))
          .thresholdsStyle(drawn()),
        timeSeries(
          {
            title: "HTTP requests",
            description: "Requests for each second, by route and method: the ten most frequent.",
            unit: "reqps",
            empty: "no requests",
            width: 8,
          },
          line(most(`sum by (route, method) (${rate(HTTP)})`, "route, method", HTTP), "{{method}} {{route}}"),
        ),
        timeSeries(
          {
            title: "HTTP errors",
            description:
              "Answers of 400 and above, the ten most frequent. 5xx is the daemon's fault or a device's; 4xx the client's.",
            unit: "reqps",
            empty: "no errors",
            width: 8,
          },
          line(
            most(`sum by (code, route) (${rate(HTTP_ERRORS)})`, "code, route", HTTP_ERRORS),
            "{{code}} {{route}}",
          ),
        ),
        timeSeries(
          {
            title: "HTTP duration, 95th percentile",
            description:
              "Of the ten most frequent. Suspends that are waited for are calls too, and take as long as they take.",
            unit: "s",
            empty: "no requests",
            width: 8,
          },
          line(
            most(
              quantile(0.95, ofInstance("http_request_duration_seconds_bucket"), "route, method"),
              "route, method",
              HTTP,
            ),
            "{{method}} {{route}}",
          ),
        ),
        timeSeries(
          {
            title: "gRPC calls by code",
            description: "Calls that ended, for each second: the ten most frequent pairs of method and code.",
            unit: "reqps",
            empty: "no calls",
            width: 8,
          },
          line(
            most(`sum by (grpc_method, grpc_code) (${rate(GRPC)})`, "grpc_method, grpc_code", GRPC),
            "{{grpc_method}} {{grpc_code}}",
          ),
        ),
        timeSeries(
          {
            title: "gRPC duration, 95th percentile",
            description: "By method, of the ten most frequent.",
            unit: "s",
            empty: "no calls",
            width: 8,
          },
          line(
            most(
              quantile(0.95, ofInstance("grpc_server_handling_seconds_bucket"), "grpc_method"),
              "grpc_method",
              GRPC,
            ),
            "{{grpc_method}}",
          ),
        ),
      ],
    },
    {
      title: "Process",
      panels: [
        timeSeries(
          {
            title: "Event loop lag",
            description:
              "How late the thread that answers calls was, since the scrape before: the ten worst daemons. No operation should block for more than 10 ms.",
            unit: "s",
            empty: "no daemon",
            width: 8,
          },
          line(
            ofDaemons(
              ofInstance("nodejs_eventloop_lag_p99_seconds"),
              ofInstance("nodejs_eventloop_lag_p99_seconds"),
              "gauge",
            ),
            "{{instance}} p99",
          ),
        )
          .thresholds(steps([LAG_S, "red"]))
          .thresholdsStyle(drawn()),
        timeSeries(
          {
            title: "Memory",
            description:
              "What the ten largest processes take. Memories of devices are taken when they are first touched.",
            unit: "bytes",
            empty: "no daemon",
            width: 8,
          },
          line(
            ofDaemons(
              ofInstance("process_resident_memory_bytes"),
              ofInstance("process_resident_memory_bytes"),
              "gauge",
            ),
            "{{instance}} resident",
          ),
          line(
            ofDaemons(
              ofInstance("nodejs_heap_size_used_bytes"),
              ofInstance("process_resident_memory_bytes"),
              "gauge",
            ),
            "{{instance}} heap",
          ),
        ),
        timeSeries(
          {
            title: "Garbage collection",
            description:
              "Share of the time spent collecting, of the ten daemons with most. More than a tenth means too little heap.",
            unit: "percentunit",
            empty: "no daemon",
            width: 8,
          },
          line(
            ofDaemons(
              `sum by (instance) (${rate(ofInstance("nodejs_gc_duration_seconds_sum"))})`,
              ofInstance("nodejs_gc_duration_seconds_sum"),
              "counter",
            ),
            "{{instance}}",
          ),
        )
          .thresholds(steps([0.1, "orange"]))
          .thresholdsStyle(drawn()),
        timeSeries(
          {
            title: "CPU",
            description: "Cores in use, those of engine threads included, of the ten busiest daemons.",
            unit: "short",
            empty: "no daemon",
            width: 8,
          },
          line(
            ofDaemons(
              rate(ofInstance("process_cpu_seconds_total")),
              ofInstance("process_cpu_seconds_total"),
              "counter",
            ),
            "{{instance}}",
          ),
        ),
        timeSeries(
          {
            title: "Cost of a scrape",
            description: "How long Prometheus waited for /metrics of the ten slowest daemons.",
            unit: "s",
            empty: "no daemon",
            width: 8,
          },
          line(
            ofDaemons(ofInstance("scrape_duration_seconds"), ofInstance("scrape_duration_seconds"), "gauge"),
            "{{instance}}",
          ),
        ),
        timeSeries(
          {
            title: "Samples in a scrape",
            description:
              "Grows with devices, engines and kinds of transitions that were seen, never with objects.",
            unit: "short",
            empty: "no daemon",
            width: 8,
          },
          line(
            ofDaemons(ofInstance("scrape_samples_scraped"), ofInstance("scrape_samples_scraped"), "gauge"),
            "{{instance}}",
          ),
        ),
        timeSeries(
          {
            title: "Streams",
            description:
              "Streams of events and of content that are open over all daemons, and streams of events that ended because their client was too slow, for each second.",
            unit: "short",
            empty: "no daemon",
            width: 8,
          },
          line(`sum(${ofInstance("torpor_event_watchers")})`, "events"),
          line(`sum by (direction) (${ofInstance("torpor_content_streams")})`, "content, {{direction}}"),
          line(
            `sum(${rate(ofInstance("torpor_event_streams_dropped_total"))})`,
            "events, dropped each second",
          ),
        ),
        timeSeries(
          {
            title: "Spans of traces",
            description:
              "Spans that a collector took, and those that were lost because the queue was full or nobody took them, over all daemons. Nothing where no collector is named.",
            unit: "ops",
            empty: "no collector",
            width: 8,
          },
          line(`sum(${rate(ofInstance("torpor_trace_spans_sent_total"))})`, "sent"),
          line(`sum(${rate(ofInstance("torpor_trace_spans_lost_total"))})`, "lost"),
        ),
        table(
          {
            title: "Versions",
            description:
              "What each daemon was built from and runs on. Several versions at once: an update is under way, or was forgotten.",
            unit: "none",
            empty: "no daemon",
            width: 8,
          },
          lines(`max by (instance, version, revision, node_version) (${ofInstance("torpor_build_info")})`),
          ["instance", "version", "revision", "node_version", "1"],
        ),
      ],
    },
  ],
};
