import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { PhaseRecord, TransitionResource } from "../../../src/device/resource.ts";
import { Metrics } from "../../../src/server/metrics/metrics.ts";
import { parseMetrics } from "../../support/metrics-text.ts";
import { newStore } from "../../support/snapshots.ts";

const OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT = "text/plain; version=0.0.4; charset=utf-8";
/** What Prometheus 3 sends. */
const PROMETHEUS_ACCEPT =
  "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6," +
  "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4," +
  "text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

function buildMetrics() {
  const metrics = new Metrics({ version: "1.2.3", revision: "" });
  const sink = metrics.countDevice("card0", ["lmem0", "smem"]);
  const scrape = async () => parseMetrics((await metrics.scrape(undefined)).body);
  return { metrics, sink, scrape };
}

const transition: TransitionResource = {
  id: "7",
  kind: "SUSPEND",
  sleepState: "S3",
  dState: "D3COLD",
  state: "SUCCEEDED",
  alreadyInState: false,
  startTimeNs: 1_000_000_000n,
  endTimeNs: 1_250_000_000n,
  phases: [],
  evictedObjects: 0,
  evictedBytes: 0,
  backupObjects: 0,
  backupBytes: 0,
  restoredObjects: 0,
  restoredBytes: 0,
  wedged: false,
  recovered: false,
  error: undefined,
};

const phase: PhaseRecord = {
  phase: "evict_pinned",
  startTimeNs: 0n,
  durationNs: 30_000_000n,
  objects: 1,
  bytes: 1,
  blitterBytes: 1,
  memcpyBytes: 0,
  skippedVolatile: 0,
};

describe("counters", () => {
  it("starts every label set of a device at 0", async () => {
    const { scrape } = buildMetrics();
    const text = await scrape();
    expect(
      text.value("torpor_backup_bytes_total", { device: "card0", path: "blitter", pinned: "true" }),
    ).toBe(0);
    expect(text.value("torpor_evictions_total", { cause: "pressure", path: "memcpy" })).toBe(0);
    expect(text.value("torpor_transitions_total", { kind: "resume", target: "S3" })).toBe(0);
    expect(text.value("torpor_phase_seconds_total", { kind: "suspend", phase: "evict_pinned" })).toBe(0);
    expect(text.value("torpor_verify_failures_total")).toBe(0);
    expect(text.sum("torpor_transition_failures_total", { kind: "resume" })).toBe(0);
  });

  it("counts copies by path in bytes and seconds", async () => {
    const { sink, scrape } = buildMetrics();
    sink({ type: "evicted", cause: "suspend", path: "blitter", objects: 3, bytes: 300 });
    sink({ type: "evicted", cause: "suspend", path: "blitter", objects: 1, bytes: 50 });
    sink({ type: "backedUp", path: "memcpy", objects: 2, bytes: 4096, durationNs: 1_500_000_000n });
    sink({ type: "restored", path: "memcpy", early: true, objects: 1, bytes: 512, durationNs: 500_000_000n });
    sink({ type: "skippedVolatile", objects: 1, bytes: 9 });
    sink({ type: "blitterFallback", reason: "COPY_FAILED", bytes: 10 });
    sink({ type: "verifyFailed", objects: ["1", "2"] });
    const text = await scrape();
    expect(text.value("torpor_evictions_total", { cause: "suspend", path: "blitter" })).toBe(4);
    expect(text.value("torpor_eviction_bytes_total", { cause: "suspend", path: "blitter" })).toBe(350);
    expect(text.value("torpor_backup_bytes_total", { path: "memcpy", pinned: "true" })).toBe(4096);
    expect(text.value("torpor_backup_seconds_total", { path: "memcpy" })).toBe(1.5);
    expect(text.value("torpor_restore_bytes_total", { path: "memcpy", early: "true" })).toBe(512);
    expect(text.value("torpor_restore_seconds_total", { path: "memcpy", early: "true" })).toBe(0.5);
    expect(text.value("torpor_skipped_volatile_bytes_total")).toBe(9);
    expect(text.value("torpor_blitter_fallbacks_total", { reason: "COPY_FAILED" })).toBe(1);
    expect(text.value("torpor_verify_failures_total", { where: "resume" })).toBe(2);
  });

  it("counts what is thrown away and swapped in bytes, and failures to swap apart", async () => {
    const { sink, scrape } = buildMetrics();
    for (const name of ["purged_bytes", "swap_out_bytes", "swap_in_bytes", "swap_failures"]) {
      expect((await scrape()).value(`torpor_${name}_total`, { device: "card0" })).toBe(0);
    }
    sink({ type: "purged", objects: 2, bytes: 8192 });
    sink({ type: "swappedOut", objects: 1, bytes: 4096 });
    sink({ type: "swappedOut", objects: 1, bytes: 1 });
    sink({ type: "swappedIn", objects: 1, bytes: 4096 });
    sink({ type: "swapFailed", reason: "The disk is full." });
    const text = await scrape();
    expect(text.value("torpor_purged_bytes_total")).toBe(8192);
    expect(text.value("torpor_swap_out_bytes_total")).toBe(4097);
    expect(text.value("torpor_swap_in_bytes_total")).toBe(4096);
    expect(text.value("torpor_swap_failures_total")).toBe(1);
  });

  it("counts allocations and their failures by memory", async () => {
    const { sink, scrape } = buildMetrics();
    sink({ type: "allocated", region: "lmem0", objects: 2 });
    sink({ type: "allocationFailed", region: "smem", reason: "SYSTEM_MEMORY_EXHAUSTED" });
    const text = await scrape();
    expect(text.value("torpor_allocations_total", { memory: "lmem0" })).toBe(2);
    const failures = { memory: "smem", reason: "SYSTEM_MEMORY_EXHAUSTED" };
    expect(text.value("torpor_allocation_failures_total", failures)).toBe(1);
  });

  it("counts a failed transition as one that ended and as a failure", async () => {
    const { sink, scrape } = buildMetrics();
    sink({ type: "transitionEnded", transition });
    const error = { reason: "IDLE_TIMEOUT", message: "The GT did not idle." } as const;
    sink({ type: "transitionEnded", transition: { ...transition, state: "FAILED", error } });
    sink({ type: "recovered", complete: true });
    const text = await scrape();
    expect(text.value("torpor_transitions_total", { kind: "suspend", target: "S3" })).toBe(2);
    expect(text.sum("torpor_transition_failures_total")).toBe(1);
    const failures = { kind: "suspend", target: "S3", reason: "IDLE_TIMEOUT" };
    expect(text.value("torpor_transition_failures_total", failures)).toBe(1);
    expect(text.value("torpor_recoveries_total")).toBe(1);
    expect(text.value("torpor_recovery_failures_total")).toBe(0);
  });

  it("puts durations into histograms without a device label, and phases also into a counter with one", async () => {
    const { sink, scrape } = buildMetrics();
    sink({ type: "phaseEnded", transition, phase });
    sink({ type: "transitionEnded", transition });
    const text = await scrape();
    const labels = { kind: "suspend", target: "S3" };
    expect(text.value("torpor_transition_duration_seconds_sum", labels)).toBe(0.25);
    expect(text.value("torpor_transition_duration_seconds_bucket", { ...labels, le: "0.25" })).toBe(1);
    expect(text.value("torpor_phase_duration_seconds_bucket", { phase: "evict_pinned", le: "0.025" })).toBe(
      0,
    );
    expect(text.value("torpor_phase_duration_seconds_bucket", { phase: "evict_pinned", le: "0.05" })).toBe(1);
    expect(text.value("torpor_phase_seconds_total", { kind: "suspend", phase: "evict_pinned" })).toBe(0.03);
    const histograms = text.samples.filter((sample) => sample.name.endsWith("_bucket"));
    expect(histograms.some((sample) => "device" in sample.labels)).toBe(false);
  });

  it("counts what goes to and from images, and shows their store at each scrape", async () => {
    const { metrics, scrape } = buildMetrics();
    const images = metrics.countImages();
    expect((await scrape()).value("torpor_image_errors_total", { reason: "IMAGE_STORE_FULL" })).toBe(0);
    let freeBytes: number | undefined = 70;
    images.watch(async () => ({ images: 2, bytes: 300, freeBytes }));
    images.observer.onWrite?.(300);
    images.observer.onRead?.(100);
    images.observer.onError?.("IMAGE_STORE_FULL");
    images.observer.onSeal?.(2 * 2 ** 20);
    const text = await scrape();
    const store = "directory";
    expect(text.value("torpor_images", { store })).toBe(2);
    expect(text.value("torpor_image_bytes", { store })).toBe(300);
    expect(text.value("torpor_image_store_free_bytes", { store })).toBe(70);
    expect(text.value("torpor_image_write_bytes_total", { store })).toBe(300);
    expect(text.value("torpor_image_read_bytes_total", { store })).toBe(100);
    expect(text.value("torpor_image_errors_total", { store, reason: "IMAGE_STORE_FULL" })).toBe(1);
    expect(text.value("torpor_image_size_bytes_bucket", { store, le: String(2 ** 20) })).toBe(0);
    expect(text.value("torpor_image_size_bytes_bucket", { store, le: String(2 ** 22) })).toBe(1);
    freeBytes = undefined;
    const silent = await scrape();
    expect(silent.samples.some(({ name }) => name === "torpor_image_store_free_bytes")).toBe(false);
    images.watch(() => Promise.reject(new Error("The disk is gone.")));
    expect((await scrape()).samples.some(({ name }) => name === "torpor_images")).toBe(false);
  });

  it("counts runtime PM as kinds of its own, by the power state on the bus", async () => {
    const { sink, scrape } = buildMetrics();
    const runtime = {
      ...transition,
      kind: "RUNTIME_SUSPEND",
      sleepState: undefined,
      dState: "D3HOT",
    } as const;
    sink({ type: "transitionEnded", transition: runtime });
    const text = await scrape();
    expect(text.value("torpor_transitions_total", { kind: "runtime_suspend", target: "D3HOT" })).toBe(1);
    expect(text.value("torpor_transitions_total", { kind: "runtime_suspend", target: "D3COLD" })).toBe(0);
    expect(text.value("torpor_transitions_total", { kind: "runtime_resume", target: "D0" })).toBe(0);
    expect(text.value("torpor_transitions_total", { kind: "suspend", target: "S4" })).toBe(0);
  });

  it("counts how long requests waited, but not those that never began", async () => {
    const { metrics, sink, scrape } = buildMetrics();
    const other = metrics.countDevice("card1", ["lmem0"], ["bcs0"]);
    expect((await scrape()).value("torpor_job_wait_seconds_count", { engine: "bcs0" })).toBe(0);
    sink({ type: "jobEnded", engine: "bcs0", completed: true, waitNs: 2_000_000n });
    metrics.countDevice("card2", ["lmem0"], ["bcs0"]);
    other({ type: "jobEnded", engine: "bcs0", completed: false, waitNs: undefined });
    const text = await scrape();
    expect(text.value("torpor_job_wait_seconds_count", { engine: "bcs0" })).toBe(1);
    expect(text.value("torpor_job_wait_seconds_bucket", { le: "0.001" })).toBe(0);
    expect(text.value("torpor_job_wait_seconds_bucket", { le: "0.003" })).toBe(1);
    expect(text.value("torpor_jobs_failed_total", { device: "card1", engine: "bcs0" })).toBe(1);
  });

  it("counts calls over both wires", async () => {
    const { metrics, scrape } = buildMetrics();
    metrics.calls.onCallEnd({
      service: "torpor.v1.PowerService",
      method: "Suspend",
      code: "OK",
      seconds: 0.2,
    });
    metrics.calls.onHttpEnd({ route: "/v1/devices", method: "GET", status: 200, seconds: 0.002 });
    const text = await scrape();
    const method = { grpc_service: "torpor.v1.PowerService", grpc_method: "Suspend" };
    expect(text.value("grpc_server_handled_total", { ...method, grpc_code: "OK" })).toBe(1);
    expect(text.value("grpc_server_handling_seconds_count", method)).toBe(1);
    const request = { route: "/v1/devices", method: "GET", code: "200" };
    expect(text.value("http_request_duration_seconds_sum", request)).toBe(0.002);
  });
});

describe("formats", () => {
  it.each([
    [undefined, TEXT],
    ["*/*", TEXT],
    ["text/plain", TEXT],
    [PROMETHEUS_ACCEPT, OPEN_METRICS],
    ["application/openmetrics-text", OPEN_METRICS],
    ["application/openmetrics-text; version=0.0.1", TEXT],
    ["application/openmetrics-text;version=1.0.0;q=0", TEXT],
    ["application/openmetrics-text;q=0.3, text/plain;q=0.5", TEXT],
    ["nonsense;;q=x,,", TEXT],
  ])("answers Accept %j in %s", async (accept, contentType) => {
    const { metrics } = buildMetrics();
    expect((await metrics.scrape(accept)).contentType).toBe(contentType);
  });

  it("keeps its names and types whatever was asked before or at the same time", async () => {
    const { metrics, sink } = buildMetrics();
    sink({ type: "phaseEnded", transition, phase });
    const accepts = [PROMETHEUS_ACCEPT, "text/plain", PROMETHEUS_ACCEPT, undefined, "text/plain"];
    const scrapes = await Promise.all(accepts.map((accept) => metrics.scrape(accept)));
    for (const { contentType, body } of [...scrapes, await metrics.scrape("text/plain")]) {
      const text = parseMetrics(body);
      const isOpenMetrics = contentType === OPEN_METRICS;
      expect(body.endsWith("\n# EOF\n")).toBe(isOpenMetrics);
      expect(text.value("torpor_recoveries_total")).toBe(0);
      expect(text.types.get(isOpenMetrics ? "torpor_recoveries" : "torpor_recoveries_total")).toBe("counter");
      expect(body.includes(' # {transition="devices/card0/transitions/7"} 0.03 ')).toBe(isOpenMetrics);
    }
  });

  it("renders once for scrapers that ask for the same while one is running", async () => {
    const { metrics } = buildMetrics();
    const scrapes = await Promise.all(Array.from({ length: 50 }, () => metrics.scrape(undefined)));
    expect(new Set(scrapes).size).toBe(1);
  });

  it("keeps the number of series whatever transitions, objects and times there have been", async () => {
    const { metrics, sink } = buildMetrics();
    const images = metrics.countImages();
    const happen = (id: number) => {
      const each = { ...transition, id: String(id) };
      sink({ type: "phaseEnded", transition: each, phase: { ...phase, durationNs: BigInt(id) } });
      sink({ type: "transitionEnded", transition: each });
      sink({ type: "verifyFailed", objects: [String(id)] });
      sink({ type: "contentLost", object: String(id), bytes: id });
      sink({ type: "jobEnded", engine: "bcs0", completed: true, waitNs: BigInt(id) });
      sink({ type: "engineReset", engine: "bcs0", why: `hang ${id}`, context: String(id) });
      sink({ type: "swapFailed", reason: `why ${id}` });
      images.observer.onSeal?.(id);
    };
    happen(1);
    const first = parseMetrics((await metrics.scrape(undefined)).body).samples.map(seriesOf);
    for (let id = 2; id < 1000; id++) happen(id);
    const last = parseMetrics((await metrics.scrape(undefined)).body).samples.map(seriesOf);
    const own = (series: readonly string[]) => series.filter((each) => !each.startsWith("nodejs_"));
    expect(own(last)).toEqual(own(first));
  });

  it("has at most 250 series for each device, and only labels that are few", async () => {
    const { metrics } = buildMetrics();
    const before = parseMetrics((await metrics.scrape(undefined)).body).samples.length;
    for (let index = 1; index <= 10; index++) {
      metrics.countDevice(`card${index}`, ["lmem0", "smem"], ["rcs0", "bcs0"]);
    }
    const { samples } = parseMetrics((await metrics.scrape(undefined)).body);
    expect((samples.length - before) / 10).toBeLessThan(250);
    const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)));
    for (const unbounded of ["object", "transition", "context", "fence", "image"]) {
      expect(labels).not.toContain(unbounded);
    }
  });
});

/** What identifies a series. */
function seriesOf({ name, labels }: { name: string; labels: Readonly<Record<string, string>> }): string {
  return `${name}${JSON.stringify(labels)}`;
}

describe("docs/metrics.md", () => {
  it("lists every metric with its kind and labels, and no other", () => {
    const { metrics } = buildMetrics();
    metrics.countFailpoints(["evict.object"]);
    metrics.countImages();
    metrics.watchSnapshots(newStore());
    metrics.showRateLimits({});
    metrics.countSpans();
    const page = readFileSync(new URL("../../../docs/metrics.md", import.meta.url), "utf8");
    const rows = [...page.matchAll(/^\| `(\w+)` +\| (\w+) +\| ([^|]*)\|/gm)];
    const documented = rows.map(([, name, kind, labels = ""]) => `${name} ${kind} ${labels.trim()}`.trim());
    const existing = metrics.registry.getMetricsAsArray().map((metric) => {
      const labels = "labelNames" in metric && Array.isArray(metric.labelNames) ? metric.labelNames : [];
      return `${metric.name} ${metric.type} ${labels.join(", ")}`.trim();
    });
    expect(documented.toSorted()).toEqual(existing.toSorted());
  });
});
