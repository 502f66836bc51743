import { describe, expect, it } from "vitest";
import type {
  DeviceResource,
  EngineResource,
  RegionResource,
  RuntimePmResource,
} from "../../../src/device/resource.ts";
import { Metrics } from "../../../src/server/metrics/metrics.ts";
import { parseMetrics } from "../../support/metrics-text.ts";

function buildMetrics() {
  const metrics = new Metrics({ version: "1.2.3", revision: "" });
  metrics.countDevice("card0", ["lmem0", "smem"]);
  const scrape = async () => parseMetrics((await metrics.scrape(undefined)).body);
  return { metrics, scrape };
}

describe("gauges of state", () => {
  const device: DeviceResource = {
    name: "card0",
    uid: "a-b-c",
    generation: 1,
    resumedFrom: "",
    pausedAt: "",
    ownership: { state: "OWNED", owner: undefined },
    model: "Torpor",
    powerState: "SUSPENDING",
    sleepState: "S3",
    dState: "D0",
    stateSinceNs: 1_700_000_000_500_000_000n,
    wedged: false,
    suspendCount: 0,
    transition: "1",
    regions: ["lmem0", "smem"],
    swap: undefined,
    engines: [],
    image: "",
    error: undefined,
    etag: "1",
  };
  const lmem: RegionResource = {
    id: "lmem0",
    kind: "LOCAL",
    sizeBytes: 1000,
    usedBytes: 600,
    heldBytes: 600,
    availableBytes: 400,
    pinnedBytes: 200,
    visibleBytes: 500,
    visibleAvailableBytes: 100,
    largestFreeBytes: 300,
    backupBytes: 0,
    pinnedObjectCount: 2,
    objectCount: 5,
    minPageBytes: 4,
  };

  const engine: EngineResource = {
    name: "bcs0",
    kind: "COPY",
    state: "IDLE",
    busyNs: 0n,
    queueDepth: 0,
    resets: 0,
    submittedJobs: 0,
    completedJobs: 0,
    failedJobs: 0,
    lastHang: undefined,
  };

  it("are asked of the device at each scrape", async () => {
    const { metrics, scrape } = buildMetrics();
    let powerState: DeviceResource["powerState"] = "SUSPENDING";
    const smem: RegionResource = {
      ...lmem,
      id: "smem",
      kind: "SYSTEM",
      backupBytes: 70,
      pinnedObjectCount: 0,
    };
    metrics.watchDevice(async () => ({ device: { ...device, powerState }, regions: [lmem, smem] }));
    const first = await scrape();
    expect(first.value("torpor_device_power_state", { state: "SUSPENDING" })).toBe(1);
    expect(first.sum("torpor_device_power_state")).toBe(1);
    expect(first.value("torpor_transitions_in_progress", { kind: "suspend" })).toBe(1);
    expect(first.value("torpor_device_power_target", { target: "S3" })).toBe(1);
    expect(first.value("torpor_device_info", { uuid: "a-b-c", model: "Torpor" })).toBe(1);
    expect(first.value("torpor_device_state_since_timestamp_seconds")).toBeCloseTo(1_700_000_000.5, 3);
    expect(first.value("torpor_memory_size_bytes", { device: "card0", memory: "lmem0" })).toBe(1000);
    const memory = "lmem0";
    expect(first.value("torpor_memory_used_bytes", { memory })).toBe(600);
    expect(first.value("torpor_memory_pinned_bytes", { memory })).toBe(200);
    expect(first.value("torpor_memory_largest_free_bytes", { memory })).toBe(300);
    expect(first.value("torpor_memory_visible_bytes", { memory })).toBe(500);
    expect(first.value("torpor_memory_visible_available_bytes", { memory })).toBe(100);
    expect(first.value("torpor_objects", { memory, pinned: "true" })).toBe(2);
    expect(first.value("torpor_objects", { memory, pinned: "false" })).toBe(3);
    expect(first.value("torpor_objects", { memory: "smem", pinned: "true" })).toBe(0);
    expect(first.value("torpor_backup_held_bytes", { device: "card0" })).toBe(70);
    powerState = "SUSPENDED";
    const second = await scrape();
    expect(second.value("torpor_device_power_state", { state: "SUSPENDED" })).toBe(1);
    expect(second.sum("torpor_transitions_in_progress")).toBe(0);
  });

  it("say the worst of a device's health: lost before wedged before degraded", async () => {
    const { metrics, scrape } = buildMetrics();
    let shown: DeviceResource = { ...device, powerState: "ACTIVE" };
    let engines: readonly EngineResource[] = [];
    metrics.watchDevice(async () => ({ device: shown, regions: [lmem], engines }));
    const health = async () => {
      const series = (await scrape()).samples.filter(({ name }) => name === "torpor_device_health");
      expect(series.map(({ labels }) => labels.health)).toEqual(["ok", "degraded", "wedged", "lost"]);
      return series.filter(({ value }) => value === 1).map(({ labels }) => labels.health);
    };
    expect(await health()).toEqual(["ok"]);
    engines = [{ ...engine, state: "FAULTED" }];
    expect(await health()).toEqual(["degraded"]);
    shown = { ...shown, wedged: true };
    expect(await health()).toEqual(["wedged"]);
    shown = { ...shown, powerState: "FAILED" };
    expect(await health()).toEqual(["lost"]);
  });

  it("show swap where there is some, and the time runtime-suspended", async () => {
    const { metrics, scrape } = buildMetrics();
    const runtimePm: RuntimePmResource = {
      enabled: true,
      autosuspendDelayMs: 1000,
      d3coldThresholdBytes: 0,
      verify: false,
      status: "ACTIVE",
      usageCount: 0,
      suspendedNs: 2_500_000_000n,
      suspends: 1,
    };
    let shown = device;
    metrics.watchDevice(async () => ({ device: shown, regions: [lmem], runtimePm }));
    const without = await scrape();
    expect(
      without.samples.some(({ name }) => name.startsWith("torpor_swap_") && name.endsWith("d_bytes")),
    ).toBe(false);
    expect(without.value("torpor_runtime_suspended_seconds_total", { device: "card0" })).toBe(2.5);
    shown = { ...device, swap: { sizeBytes: 4096, usedBytes: 64 } };
    const text = await scrape();
    expect(text.value("torpor_swap_size_bytes", { device: "card0" })).toBe(4096);
    expect(text.value("torpor_swap_used_bytes", { device: "card0" })).toBe(64);
  });

  it("show a brake where there is one, and nothing for a path without", async () => {
    const { metrics, scrape } = buildMetrics();
    metrics.showRateLimits({ blitter: 200 });
    const brakes = (await scrape()).samples.filter(
      ({ name }) => name === "torpor_rate_limit_bytes_per_second",
    );
    expect(brakes.map(({ labels, value }) => ({ labels, value }))).toEqual([
      { labels: { path: "blitter" }, value: 200 },
    ]);
  });

  it("are absent, not zero, for a device that does not answer", async () => {
    const { metrics, scrape } = buildMetrics();
    metrics.watchDevice(() => Promise.reject(new Error("The device is closed.")));
    const text = await scrape();
    expect(text.samples.filter((sample) => sample.name === "torpor_device_power_state")).toEqual([]);
    expect(text.value("torpor_evictions_total", { cause: "pressure", path: "blitter" })).toBe(0);
  });
});
