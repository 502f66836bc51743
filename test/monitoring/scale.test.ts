/** The dashboards where they are tried: a hundred devices of two daemons, and a third that nobody has ever asked for anything. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DaemonProcess } from "../support/daemon-process.ts";
import { labelValuesOf, readDashboards, readRules, substituted } from "../support/monitoring.ts";
import { PrometheusProcess } from "../support/prometheus-process.ts";

/** Of each of the two busy daemons: a daemon has 64 devices at most. */
const DEVICES = Array.from({ length: 50 }, (_, index) => `card${index}`);
/** Lines of one query that a reader can still tell apart: ten, where a query picks the most. */
const LINES_MAX = 10;
/** A stack or a table may have more: phases, states, kinds. None may have as many as devices times anything. */
const PARTS_MAX = 15;

let folder: string;
let daemons: readonly DaemonProcess[] = [];
let prometheus: PrometheusProcess;
/** Where the daemons listen. */
let busy: readonly string[] = [];
let idle: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "torpor-scale-"));
  const common = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--log-level", "warn"];
  const memories = ["--lmem", "4MiB", "--smem", "16MiB", "--engines", "bcs0"];
  const start = async (...devices: readonly string[]) => {
    const words = [...common, ...memories, ...devices.flatMap((name) => ["--device", name])];
    const daemon = new DaemonProcess(words);
    daemons = [...daemons, daemon];
    return (await daemon.ready()).http;
  };
  // One after the other: each starts a thread for each of its engines.
  busy = [await start(...DEVICES), await start(...DEVICES)];
  idle = await start();
  prometheus = await PrometheusProcess.start(join(folder, "prometheus"), ...busy, idle);
  await prometheus.until("all daemons were scraped twice", async () => {
    const series = await prometheus.query("count_over_time(torpor_build_info[1m])");
    return series.length === daemons.length && series.every(({ value }) => value >= 2);
  });
  for (const address of busy) for (const name of DEVICES) await sleepAndWake(address, name);
  await prometheus.until("the transitions were scraped and recorded", async () => {
    const limits = "count by (instance, device) (device_path:torpor_backup_bytes_per_second:max1d)";
    return (await prometheus.query(limits)).length === busy.length * DEVICES.length;
  });
}, 120_000);

afterAll(async () => {
  await prometheus?.[Symbol.asyncDispose]();
  for (const daemon of daemons) await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function sleepAndWake(address: string, device: string): Promise<void> {
  for (const verb of ["suspend", "resume"]) {
    const url = `http://${address}/v1/devices/${device}:${verb}`;
    const response = await fetch(url, { method: "POST", body: "{}" });
    expect(response.status, await response.text()).toBe(200);
  }
}

describe.each(readDashboards())("$title", ({ uid, panels, templating, annotations }) => {
  const drawn = panels.filter(({ type }) => type !== "row");
  const oneDevice = uid === "torpor-device";

  it.each(drawn)("$title has few lines with a hundred devices", async ({ type, targets }) => {
    const chosen = oneDevice ? { instance: busy[1] ?? "", device: "card7" } : {};
    for (const { expr, instant } of targets) {
      const query = substituted(expr, chosen);
      const series = await (instant ? prometheus.query(query) : prometheus.range(query));
      // A timeline has pages, a heatmap one band for each bucket.
      if (type === "state-timeline" || type === "heatmap") continue;
      const most = /\b(topk|bottomk)\(/.test(expr) ? LINES_MAX : PARTS_MAX;
      expect(series.length, expr).toBeLessThanOrEqual(most);
    }
  });

  it.each(drawn)(
    "$title asks an idle daemon, and one that there is not, without an error",
    async ({ targets }) => {
      for (const instance of [idle, "nobody:1"]) {
        for (const { expr } of targets) await prometheus.range(substituted(expr, { instance }));
        for (const { expr } of targets) await prometheus.query(substituted(expr, { instance }));
      }
    },
  );

  it("has variables and marks for an idle daemon too", async () => {
    const choices = templating.list.filter(({ type }) => type === "query");
    for (const { name, definition } of choices) {
      const { selector, label } = labelValuesOf(definition);
      const values = await prometheus.labelValues(substituted(selector, { instance: idle }), label);
      expect(values, name).not.toEqual([]);
    }
    for (const { expr } of annotations.list) await prometheus.range(substituted(expr, { instance: idle }));
  });
});

it("shows every device of every daemon in the fleet's timeline", async () => {
  const fleet = readDashboards().find(({ uid }) => uid === "torpor-fleet");
  const timeline = fleet?.panels.find(({ type }) => type === "state-timeline");
  const [target] = timeline?.targets ?? [];
  const series = await prometheus.query(substituted(target?.expr ?? ""));
  expect(series.length).toBe(busy.length * DEVICES.length + 1);
});

it("evaluates every rule without an error, and raises no alert where nothing is wrong", async () => {
  const rules = await prometheus.rules();
  expect(rules.length).toBe(readRules("alerts").length + readRules("recording").length);
  expect(rules.filter(({ health }) => health !== "ok")).toEqual([]);
  expect(rules.filter(({ state = "inactive" }) => state !== "inactive")).toEqual([]);
});
