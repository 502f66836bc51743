/**
 * The metrics of one daemon, in a registry of their own. A test checks that docs/metrics.md lists every
 * metric.
 */
import { collectDefaultMetrics, Gauge, type OpenMetricsContentType, Registry } from "prom-client";
import type { DeviceEvent, EventSink } from "../../device/events.ts";
import type { RateLimits, SnapshotStore } from "../../device/mod.ts";
import type { BuildInfo } from "../machine/build-info.ts";
import type { SpanObserver } from "../tracing/span-queue.ts";
import { AllocationMetrics } from "./allocation-metrics.ts";
import { CallMetrics } from "./call-metrics.ts";
import { CopyMetrics } from "./copy-metrics.ts";
import { type DeviceProbe, DeviceState } from "./device-state.ts";
import { EngineMetrics } from "./engine-metrics.ts";
import { EventMetrics } from "./event-metrics.ts";
import { Exposition, type Scrape } from "./exposition.ts";
import { FaultMetrics } from "./fault-metrics.ts";
import { ImageMetrics } from "./image-metrics.ts";
import { PressureMetrics } from "./pressure-metrics.ts";
import { SnapshotMetrics } from "./snapshot-metrics.ts";
import { countSpans } from "./trace-metrics.ts";
import { TransitionMetrics } from "./transition-metrics.ts";

/** Gauges of prom-client whose names end like counters, and which repeat nodejs_active_resources. */
const MISNAMED_DEFAULTS = [
  "nodejs_active_handles_total",
  "nodejs_active_requests_total",
  "nodejs_active_resources_total",
];

export class Metrics {
  readonly calls: CallMetrics;
  readonly events: EventMetrics;
  readonly registry = new Registry<OpenMetricsContentType>();
  readonly #allocations;
  readonly #copies;
  readonly #engines;
  readonly #pressure;
  readonly #transitions;
  readonly #state;
  readonly #exposition;
  #images: ImageMetrics | undefined;
  #snapshots: SnapshotMetrics | undefined;
  /** How many lines the log has lost, and how many of those are already counted. */
  #linesLost: () => number = () => 0;
  #linesCounted = 0;

  constructor(build: BuildInfo) {
    const registry = this.registry;
    // Exemplars need this kind of registry from the start. Each scrape then sets the format that it needs.
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    showBuild(registry, build);
    this.#state = new DeviceState(registry);
    this.#allocations = new AllocationMetrics(registry);
    this.#copies = new CopyMetrics(registry);
    this.#engines = new EngineMetrics(registry);
    this.#pressure = new PressureMetrics(registry);
    this.#transitions = new TransitionMetrics(registry);
    this.calls = new CallMetrics(registry);
    this.events = new EventMetrics(registry);
    collectDefaultMetrics({ register: registry });
    for (const name of MISNAMED_DEFAULTS) registry.removeSingleMetric(name);
    this.#exposition = new Exposition(registry, async () => {
      this.#countLines();
      this.#snapshots?.refresh();
      await Promise.all([this.#state.refresh(), this.#images?.refresh()]);
    });
  }

  /**
   * Makes the sink that counts a device's events. Every label set starts at 0.
   * @param memories ids of its regions.
   * @param engines names of its engines.
   */
  countDevice(device: string, memories: readonly string[], engines: readonly string[] = []): EventSink {
    this.#engines.addDevice(device, engines);
    this.#allocations.addDevice(device, memories);
    this.#copies.addDevice(device);
    this.#pressure.addDevice(device);
    this.#transitions.addDevice(device);
    this.#images?.addDevice(device);
    this.#snapshots?.addDevice(device);
    return (event) => this.#count(device, event);
  }

  /** Shows the rate limits of copies. A path without a limit has no series. */
  showRateLimits(limits: RateLimits): void {
    const gauge = new Gauge({
      name: "torpor_rate_limit_bytes_per_second",
      help: "Brake on the copies of a path, of each device; absent where there is none.",
      labelNames: ["path"],
      registers: [this.registry],
    });
    for (const [path, bytesPerSecond] of Object.entries(limits)) gauge.set({ path }, bytesPerSecond);
  }

  /** Makes the observer that counts failpoint hits. Every failpoint starts at 0. */
  countFailpoints(names: readonly string[]): (failpoint: string) => void {
    const faults = new FaultMetrics(this.registry, names);
    return (failpoint) => faults.hit(failpoint);
  }

  /**
   * Makes the observer that counts the images of the daemon's store. Every label set starts at 0. Legal once.
   */
  countImages(store: "directory" | "s3" = "directory"): ImageMetrics {
    this.#images = new ImageMetrics(this.registry, store);
    return this.#images;
  }

  /** Counts snapshots, and shows the memory for them at each scrape. Legal once, before the first device. */
  watchSnapshots(store: SnapshotStore): void {
    this.#snapshots = new SnapshotMetrics(this.registry, store);
  }

  /** Counts the lines that the log loses from now on. @param linesLost the total so far */
  watchLog(linesLost: () => number): void {
    this.#linesLost = linesLost;
  }

  /** Makes the observer that counts spans sent to a collector. Legal once. */
  countSpans(): SpanObserver {
    return countSpans(this.registry);
  }

  /** Shows the state of a device at each scrape from now on. */
  watchDevice(probe: DeviceProbe): void {
    this.#state.addDevice(probe);
  }

  /** @param accept the Accept header of the request. */
  scrape(accept: string | undefined): Promise<Scrape> {
    return this.#exposition.scrape(accept);
  }

  #countLines(): void {
    const lost = this.#linesLost();
    this.calls.linesLost(lost - this.#linesCounted);
    this.#linesCounted = lost;
  }

  #count(device: string, event: DeviceEvent): void {
    switch (event.type) {
      case "phaseEnded":
        this.#transitions.phaseEnded(device, event.transition, event.phase);
        break;
      case "transitionEnded":
        this.#transitions.ended(device, event.transition);
        break;
      case "recovered":
        this.#transitions.recovered(device, event.complete);
        break;
      case "jobEnded":
        this.#engines.jobEnded(device, event);
        break;
      case "engineReset":
        this.#engines.engineReset(device, event.engine);
        break;
      case "allocated":
        this.#allocations.allocated(device, event.region, event.objects);
        break;
      case "allocationFailed":
        this.#allocations.failed(device, event.region, event.reason);
        break;
      case "ownershipInDoubt":
        this.#images?.inDoubt(device, event.write);
        break;
      // These go to the log. The image store itself counts images.
      case "phaseForgiven":
      case "imageSealed":
      case "imageConsumed":
      case "imageClaimed":
      case "imageGivenBack":
        break;
      case "snapshotTaken":
        this.#snapshots?.taken(device, event.copiedBytes);
        break;
      // These are state, and each scrape asks for them. Restores count as transitions.
      case "deviceRestored":
      case "powerState":
      case "transitionStarted":
      case "wedged":
      case "contextCreated":
      case "contextChanged":
      case "contextDeleted":
        break;
      default:
        this.#countBytes(device, event);
    }
  }

  #countBytes(device: string, event: BytesEvent): void {
    switch (event.type) {
      case "evicted":
        this.#copies.evicted(device, event);
        break;
      case "backedUp":
        this.#copies.backedUp(device, event);
        break;
      case "restored":
        this.#copies.restored(device, event);
        break;
      case "skippedVolatile":
        this.#copies.skippedVolatile(device, event);
        break;
      case "blitterFallback":
        this.#copies.blitterFallback(device, event);
        break;
      case "verifyFailed":
        this.#copies.verifyFailed(device, event);
        break;
      case "purged":
        this.#pressure.purged(device, event);
        break;
      case "swappedOut":
        this.#pressure.swappedOut(device, event);
        break;
      case "swappedIn":
        this.#pressure.swappedIn(device, event);
        break;
      case "swapFailed":
        this.#pressure.swapFailed(device);
        break;
      case "contentLost":
        this.#pressure.contentLost(device);
        break;
      default:
        event satisfies never;
    }
  }
}

/** Counts the copies of objects' bytes, and the effects of pressure on system memory. */
type BytesEvent = Extract<
  DeviceEvent,
  {
    readonly type:
      | "evicted"
      | "backedUp"
      | "restored"
      | "skippedVolatile"
      | "blitterFallback"
      | "verifyFailed"
      | "purged"
      | "swappedOut"
      | "swappedIn"
      | "swapFailed"
      | "contentLost";
  }
>;

function showBuild(registry: Registry<OpenMetricsContentType>, { version, revision }: BuildInfo): void {
  const gauge = new Gauge({
    name: "torpor_build_info",
    help: "Always 1; what this daemon was built from and runs on.",
    labelNames: ["version", "revision", "node_version"],
    registers: [registry],
  });
  gauge.set({ version, revision, node_version: process.version }, 1);
}
