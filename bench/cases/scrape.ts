/** What a scrape costs with sixteen devices, after every kind of transition and phase was seen, so that no histogram is empty. */
import {
  type DeviceEvent,
  PHASES,
  type RegionResource,
  type TransitionResource,
} from "../../src/device/mod.ts";
import { Metrics } from "../../src/server/metrics/metrics.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import type { Row } from "../harness/row.ts";
import { median, quantile } from "../harness/statistics.ts";

const DEVICES = 16;
const SCRAPES = 200;
const AIM_MS = 10;
const MEMORIES = ["lmem0", "smem"];
const ENGINES = ["rcs0", "ccs0", "bcs0", "vcs0", "vcs1"];
const FIRST_OF_RESUME = PHASES.indexOf("power_on");
const SUSPEND_PHASES = [...PHASES.slice(0, FIRST_OF_RESUME), "recover"] as const;
const RESUME_PHASES = PHASES.slice(FIRST_OF_RESUME, PHASES.indexOf("recover"));
const OPEN_METRICS = "application/openmetrics-text; version=1.0.0";

export const benchmark: Benchmark = {
  title: "A scrape of sixteen devices, each with two memories and five engines.",
  async run(report) {
    const metrics = new Metrics({ version: "0.0.0", revision: "" });
    metrics.countImages();
    for (let index = 0; index < DEVICES; index++) addDevice(metrics, `card${index}`);
    for (const row of await measure(metrics, "text", undefined)) report(row);
    for (const row of await measure(metrics, "OpenMetrics", OPEN_METRICS)) report(row);
  },
};

function addDevice(metrics: Metrics, name: string): void {
  const sink = metrics.countDevice(name, MEMORIES, ENGINES);
  for (const event of everyTransition()) sink(event);
  for (const engine of ENGINES) sink({ type: "jobEnded", engine, completed: true, waitNs: 1_000_000n });
  metrics.watchDevice(async () => ({
    device: {
      name,
      uid: `uid-${name}`,
      generation: 1,
      resumedFrom: "",
      pausedAt: "",
      ownership: { state: "OWNED", owner: undefined },
      model: "Torpor",
      powerState: "ACTIVE",
      sleepState: undefined,
      dState: "D0",
      stateSinceNs: 1n,
      wedged: false,
      suspendCount: 0,
      transition: "",
      regions: MEMORIES,
      swap: undefined,
      engines: ENGINES,
      image: "",
      error: undefined,
      etag: "",
    },
    regions: MEMORIES.map(region),
  }));
}

function* everyTransition(): Generator<DeviceEvent> {
  for (const kind of ["SUSPEND", "RESUME"] as const) {
    for (const sleepState of ["S2IDLE", "S3", "S4"] as const) {
      const transition: TransitionResource = {
        id: "1",
        kind,
        sleepState,
        dState: "D3COLD",
        state: "SUCCEEDED",
        alreadyInState: false,
        startTimeNs: 0n,
        endTimeNs: 1_000_000n,
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
      for (const phase of kind === "SUSPEND" ? SUSPEND_PHASES : RESUME_PHASES) {
        const counts = { objects: 0, bytes: 0, blitterBytes: 0, memcpyBytes: 0, skippedVolatile: 0 };
        yield {
          type: "phaseEnded",
          transition,
          phase: { phase, startTimeNs: 0n, durationNs: 1_000_000n, ...counts },
        };
      }
      yield { type: "transitionEnded", transition };
    }
  }
}

function region(id: string): RegionResource {
  return {
    id,
    kind: id === "smem" ? "SYSTEM" : "LOCAL",
    sizeBytes: 1,
    usedBytes: 1,
    heldBytes: 1,
    availableBytes: 0,
    pinnedBytes: 0,
    visibleBytes: 1,
    visibleAvailableBytes: 0,
    largestFreeBytes: 0,
    backupBytes: 0,
    pinnedObjectCount: 0,
    objectCount: 1,
    minPageBytes: 1,
  };
}

async function measure(metrics: Metrics, name: string, accept: string | undefined): Promise<Row[]> {
  const timesMs: number[] = [];
  for (let scrape = 0; scrape < SCRAPES; scrape++) {
    const start = performance.now();
    await metrics.scrape(accept);
    timesMs.push(performance.now() - start);
  }
  const label = `scrape of ${DEVICES} devices, ${name}`;
  const aim = { of: "figure", atMost: AIM_MS } as const;
  return [
    { name: `${label}, median`, figure: median(timesMs), unit: "ms", aim },
    { name: `${label}, 99th percentile`, figure: quantile(timesMs, 0.99), unit: "ms" },
  ];
}
