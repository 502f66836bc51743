/**
 * What an operator would see: a real daemon that is worked, suspended and made to fail, a real Prometheus with the shipped
 * configuration that scrapes it, and every panel and rule asked over its API. Key numbers are the daemon's own.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { z } from "zod";
import { DeviceServiceClient } from "../../src/contract/gen/torpor/v1/device.ts";
import { DaemonProcess } from "../support/daemon-process.ts";
import {
  labelValuesOf,
  readDashboards,
  readPageQueries,
  readRules,
  substituted,
} from "../support/monitoring.ts";
import { PrometheusProcess } from "../support/prometheus-process.ts";
import { patternOf } from "../support/test-device.ts";

const MIB = 2 ** 20;
const DEVICE = "v1/devices/card0";

/** Alerts that the run must raise at once. */
const RAISED = ["TorporBlitterFallback", "TorporDataVerifyFailure", "TorporFaultsEnabled"];
/** Those that wait a while before they fire, because what they tell of may pass. Others would be false. */
const AWAITED = ["TorporDeviceLost", "TorporResumeFailed"];

const bytes = z.coerce.number().default(0);
const transitionPage = z.object({
  transitions: z.array(
    z.object({
      name: z.string(),
      kind: z.string(),
      state: z.string(),
      evictedBytes: bytes,
      backupBytes: bytes,
      restoredBytes: bytes,
      recovered: z.boolean().default(false),
      phases: z
        .array(
          z.object({
            phase: z.string(),
            duration: z.string().transform((text) => Number(text.replace(/s$/, ""))),
            blitterBytes: bytes,
            memcpyBytes: bytes,
          }),
        )
        .default([]),
    }),
  ),
});
type Transition = z.infer<typeof transitionPage>["transitions"][number];

let folder: string;
let daemon: DaemonProcess;
let prometheus: PrometheusProcess;
let url: string;
let transitions: readonly Transition[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "torpor-prometheus-"));
  daemon = new DaemonProcess([
    ...["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--device", "card0", "--device", "card1"],
    ...["--lmem", "16MiB", "--smem", "64MiB", "--swap", "16MiB", "--engines", "rcs0,bcs0"],
    ...["--data-dir", join(folder, "torpor"), "--enable-faults", "--log-level", "warn"],
    // So wide that it slows nothing.
    ...["--rate-limit", "blitter=64GiB"],
    // Nobody listens there: traces are lost, and everything else is as without them.
    ...["--otlp-endpoint", "http://127.0.0.1:9"],
  ]);
  const addresses = await daemon.ready();
  url = `http://${addresses.http}`;
  prometheus = await PrometheusProcess.start(join(folder, "prometheus"), addresses.http);
  // Two scrapes before anything happens: an increase needs a beginning.
  await prometheus.until("the daemon was scraped twice", async () => {
    const [series] = await prometheus.query("count_over_time(torpor_build_info[1m])");
    return (series?.value ?? 0) >= 2;
  });
  await listOverGrpc(addresses.grpc);
  await useMemory();
  await hangAnEngine();
  await sleepAndFail();
  // The histogram of phases has a series from the first phase on; that one is no increase yet, the next is.
  await prometheus.until("phases were scraped twice", async () => {
    const count =
      'count_over_time(torpor_phase_duration_seconds_count{kind="suspend", target="S3", phase="evict"}[1m])';
    const [series] = await prometheus.query(count);
    return (series?.value ?? 0) >= 2;
  });
  await listOverGrpc(addresses.grpc);
  await send("POST", `${DEVICE}:suspend`, '{"state":"S3"}');
  await refused("POST", `${DEVICE}:suspend`, '{"state":"S2IDLE"}');
  await send("POST", `${DEVICE}:resume`, "{}");
  transitions = transitionPage.parse(await send("GET", `${DEVICE}/transitions?pageSize=100`)).transitions;
  const ended = transitions.length;
  await prometheus.until("the last transition was scraped", async () => {
    return (await prometheus.value('sum(torpor_transitions_total{device="card0"})')) === ended;
  });
  // Rates need two scrapes, and rules one more turn.
  await prometheus.until("rules have seen it", async () => {
    const firing = (await prometheus.rules()).filter(({ state }) => state === "firing");
    return RAISED.every((name) => firing.some((rule) => rule.name === name));
  });
  // A quantile of what did not rise is no number, and compares with none.
  await prometheus.until("every recording rule has a number", async () => {
    const records = readRules("recording").map(({ record }) => prometheus.query(`${record} >= 0`));
    return (await Promise.all(records)).every((series) => series.length > 0);
  });
}, 60_000);

afterAll(async () => {
  await prometheus?.[Symbol.asyncDispose]();
  await daemon?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function attempt(
  method: string,
  path: string,
  body?: string | Uint8Array<ArrayBuffer>,
): Promise<Response> {
  const json = typeof body === "string" ? { headers: { "content-type": "application/json" } } : {};
  return fetch(`${url}/${path}`, { method, ...json, ...(body === undefined ? {} : { body }) });
}

async function send(method: string, path: string, body?: string | Uint8Array<ArrayBuffer>): Promise<unknown> {
  const response = await attempt(method, path, body);
  const text = await response.text();
  assert.equal(response.status, 200, `${method} ${path}: ${text}`);
  return JSON.parse(text);
}

async function refused(method: string, path: string, body: string): Promise<void> {
  const response = await attempt(method, path, body);
  const text = await response.text();
  assert.notEqual(response.status, 200, `${method} ${path} is refused, but answered ${text}`);
}

function arm(failpoint: string): Promise<unknown> {
  return send("PUT", `v1/failpoints/${failpoint}`, '{"action":"ERROR","count":1}');
}

async function listOverGrpc(address: string): Promise<void> {
  const client = new DeviceServiceClient(address, credentials.createInsecure());
  await new Promise<void>((resolve, reject) => {
    client.listDevices({}, (error) => (error === null ? resolve() : reject(error)));
  });
  client.close();
}

/** More than local memory holds, so that something is evicted, and two objects that are pinned. */
async function useMemory(): Promise<void> {
  for (let index = 1; index <= 20; index++) {
    await send("POST", `${DEVICE}/objects`, `{"size":"${MIB}"}`);
    const content = Uint8Array.from(patternOf(index, MIB));
    await send("PUT", `${DEVICE}/objects/${index}/content`, content);
  }
  for (const index of [19, 20]) await send("POST", `${DEVICE}/objects/${index}:pin`, "{}");
}

/** One request that ends, and one that never does: heartbeats find it, and the engine is reset. */
async function hangAnEngine(): Promise<void> {
  await send("POST", `${DEVICE}/contexts`, '{"engine":"rcs0"}');
  const fill =
    '{"commands":[{"fill":{"object":"20","offset":"0","length":"4096","pattern":7}}],"wait":"10s"}';
  await send("POST", `${DEVICE}/contexts/1:submit`, fill);
  const { state } = z
    .object({ state: z.string() })
    .parse(await send("POST", `${DEVICE}/contexts/1:submit`, '{"commands":[{"hang":{}}],"wait":"20s"}'));
  assert.equal(state, "FAILED", "the request that hangs fails");
}

/** Each way in which a transition ends. */
async function sleepAndFail(): Promise<void> {
  const suspend = (body: string) => send("POST", `${DEVICE}:suspend`, body);
  const resume = () => send("POST", `${DEVICE}:resume`, "{}");
  await suspend('{"state":"S3","verify":true}');
  await resume();
  await arm("evict.object");
  for (let index = 1; index <= 4; index++) {
    await send("POST", `${DEVICE}/objects/${index}:move`, '{"region":"lmem0"}');
  }
  await refused("POST", `${DEVICE}:suspend`, '{"state":"S3"}');
  await arm("copy.blit");
  await suspend('{"state":"S2IDLE"}');
  await resume();
  await suspend('{"state":"S3","verify":true}');
  await arm("verify.mismatch");
  await refused("POST", `${DEVICE}:resume`, "{}");
  await attempt("POST", `${DEVICE}:resume`, "{}");
  await suspend('{"state":"S4"}');
  await resume();
  await send("POST", "v1/devices/card1:suspend", '{"state":"S3"}');
  await arm("firmware.load");
  await refused("POST", "v1/devices/card1:resume", "{}");
}

describe.each(readDashboards())("$title", ({ panels, annotations, templating }) => {
  const drawn = panels.filter(({ type }) => type !== "row");

  it.each(drawn)("$title shows something", async ({ targets }) => {
    for (const { expr, instant } of targets) {
      const query = substituted(expr);
      const series = await (instant ? prometheus.query(query) : prometheus.range(query));
      expect(series, expr).not.toEqual([]);
      expect(
        series.some(({ value }) => !Number.isNaN(value)),
        `${expr} has a number`,
      ).toBe(true);
    }
  });

  const choices = templating.list.filter(({ type }) => type === "query");

  it.each(choices)("$name can be chosen", async ({ name, definition }) => {
    const { selector, label } = labelValuesOf(definition);
    const values = await prometheus.labelValues(substituted(selector), label);
    expect(values).not.toEqual([]);
    if (name === "device") expect(values).toEqual(["card0", "card1"]);
  });

  it.each(annotations.list)("$name are marked", async ({ expr }) => {
    expect(await prometheus.range(substituted(expr)), expr).not.toEqual([]);
  });

  const states = annotations.list.filter(({ name }) => name === "Power states");

  it.each(states)("$name are marked at the time that the daemon says", async ({ expr }) => {
    const marks = await prometheus.query(substituted(expr));
    expect(marks.map(({ labels }) => `${labels.device} ${labels.state}`).toSorted()).toEqual([
      "card0 ACTIVE",
      "card1 FAILED",
    ]);
    for (const { value } of marks) expect(Math.abs(Date.now() - value)).toBeLessThan(300_000);
  });
});

/** Those that end in a comparison are empty when all is well. */
test.each(readPageQueries())("docs/observability.md asks what Prometheus understands: %s", async (query) => {
  const series = await prometheus.query(query);
  if (!/[=>] \d+$/.test(query)) expect(series).not.toEqual([]);
});

describe("rules", () => {
  test("every rule is evaluated without an error", async () => {
    const rules = await prometheus.rules();
    const shipped = [...readRules("alerts"), ...readRules("recording")];
    expect(rules.map(({ name }) => name).toSorted()).toEqual(
      shipped.map(({ alert, record }) => alert ?? record).toSorted(),
    );
    expect(rules.filter(({ health }) => health !== "ok")).toEqual([]);
  });

  test.each(readRules("recording"))("$record has series", async ({ record = "" }) => {
    expect(await prometheus.query(record)).not.toEqual([]);
  });

  test("the alerts that the run deserves fire, and no others", async () => {
    const alerts = (await prometheus.rules()).filter(({ type }) => type === "alerting");
    const names = (...states: readonly string[]) =>
      alerts.filter(({ state = "" }) => states.includes(state)).map(({ name }) => name);
    expect(names("firing")).toEqual(expect.arrayContaining(RAISED));
    expect(names("firing", "pending").toSorted()).toEqual([...RAISED, ...AWAITED].toSorted());
  });
});

describe("panels of one device", () => {
  const { panels = [] } = readDashboards().find(({ uid }) => uid === "torpor-device") ?? {};
  const drawn = (title: string, device: string) => {
    const { targets = [] } = panels.find((panel) => panel.title === title) ?? {};
    return Promise.all(targets.map(({ expr }) => prometheus.value(substituted(expr, { device }))));
  };

  test("local memory is pinned, evictable and free as the daemon says", async () => {
    const region = z.object({ size: bytes, used: bytes, pinned: bytes });
    const { size, used, pinned } = region.parse(await send("GET", `${DEVICE}/regions/lmem0`));
    expect(pinned).toBeGreaterThanOrEqual(2 * MIB);
    const parts = [pinned, used - pinned, size - used];
    expect(await drawn("Local memory: pinned and evictable", "card0")).toEqual(parts);
  });

  test.each([
    ["card0", "ACTIVE"],
    ["card1", "FAILED"],
  ])("the state of %s has the text %s", async (device, text) => {
    const { powerState } = z
      .object({ powerState: z.string() })
      .parse(await send("GET", `v1/devices/${device}`));
    expect(powerState).toBe(text);
    for (const title of ["Power state", "Power state over time"]) {
      const { mappings = [] } = panels.find((panel) => panel.title === title)?.fieldConfig.defaults ?? {};
      const [code] = await drawn(title, device);
      expect(mappings.map(({ options }) => options[String(code)]?.text)).toEqual([text]);
    }
  });
});

describe("numbers", () => {
  const sum = (pick: (transition: Transition) => number) =>
    transitions.reduce((total, each) => total + pick(each), 0);
  const ofCard = (metric: string, labels = "") =>
    prometheus.value(`sum(${metric}{device="card0"${labels === "" ? "" : `, ${labels}`}})`);

  test("bytes are those of the daemon's transitions, in all and by path", async () => {
    expect(await ofCard("torpor_eviction_bytes_total", 'cause="suspend"')).toBe(
      sum((each) => each.evictedBytes),
    );
    expect(await ofCard("torpor_backup_bytes_total")).toBe(sum((each) => each.backupBytes));
    expect(await ofCard("torpor_restore_bytes_total")).toBe(sum((each) => each.restoredBytes));
    expect(sum((each) => each.backupBytes)).toBeGreaterThan(0);
    for (const [path, key] of [
      ["blitter", "blitterBytes"],
      ["memcpy", "memcpyBytes"],
    ] as const) {
      const moved = transitions
        .filter(({ kind }) => kind === "SUSPEND")
        .flatMap(({ phases }) => phases.filter(({ phase }) => phase !== "image"))
        .reduce((total, phase) => total + phase[key], 0);
      const evicted = await ofCard("torpor_eviction_bytes_total", `cause="suspend", path="${path}"`);
      expect(evicted + (await ofCard("torpor_backup_bytes_total", `path="${path}"`)), path).toBe(moved);
    }
  });

  test("transitions and failures are as many as the daemon lists", async () => {
    const notSucceeded = transitions.filter(({ state }) => state !== "SUCCEEDED").length;
    expect(notSucceeded).toBeGreaterThanOrEqual(2);
    expect(await ofCard("torpor_transitions_total")).toBe(transitions.length);
    expect(await ofCard("torpor_transition_failures_total")).toBe(notSucceeded);
    expect(await ofCard("torpor_recoveries_total")).toBe(transitions.filter((each) => each.recovered).length);
  });

  test("seconds in phases are those of the daemon's phases", async () => {
    const phases = transitions.flatMap((each) => each.phases);
    for (const name of new Set(phases.map(({ phase }) => phase))) {
      const seconds = phases
        .filter(({ phase }) => phase === name)
        .reduce((total, each) => total + each.duration, 0);
      expect(await ofCard("torpor_phase_seconds_total", `phase="${name}"`), name).toBeCloseTo(seconds, 6);
    }
  });

  test("the hang, the image and the wait of both requests were counted", async () => {
    expect(await ofCard("torpor_engine_resets_total", 'engine="rcs0"')).toBe(1);
    expect(await ofCard("torpor_jobs_completed_total", 'engine="rcs0"')).toBe(1);
    expect(await ofCard("torpor_jobs_failed_total", 'engine="rcs0"')).toBe(1);
    expect(await prometheus.value('torpor_job_wait_seconds_count{engine="rcs0"}')).toBe(2);
    expect(await prometheus.value("torpor_image_size_bytes_count")).toBe(1);
    expect(await prometheus.value("torpor_image_write_bytes_total")).toBe(
      await prometheus.value("torpor_image_size_bytes_sum"),
    );
  });

  test("the histograms that heatmaps draw have each transition and each phase", async () => {
    const others = transitionPage.parse(await send("GET", "v1/devices/card1/transitions")).transitions;
    const all = [...transitions, ...others];
    expect(await prometheus.value("sum(torpor_transition_duration_seconds_count)")).toBe(all.length);
    expect(await prometheus.value("sum(torpor_phase_duration_seconds_count)")).toBe(
      all.reduce((total, each) => total + each.phases.length, 0),
    );
  });

  test("the brake is the one that was set", async () => {
    expect(await prometheus.value('torpor_rate_limit_bytes_per_second{path="blitter"}')).toBe(64 * 2 ** 30);
  });

  test("an exemplar of a phase names a transition, whose trace is where the data source leads", async () => {
    const exemplars = await prometheus.exemplars("torpor_phase_duration_seconds_bucket");
    const names = new Set(exemplars.map(({ transition }) => transition));
    expect(names.size).toBeGreaterThan(0);
    // As a browser follows the link of the provisioned data source from a Grafana on the same machine.
    const headers = {
      "sec-fetch-site": "same-site",
      "sec-fetch-mode": "navigate",
      "sec-fetch-dest": "document",
    };
    for (const name of names) {
      // Not by fetch, which writes such headers itself.
      const [trace] = await once(get(`${url}/v1/${name}/trace`, { headers }), "response");
      expect(trace.statusCode, name).toBe(200);
      expect(await text(trace), name).toContain("traceEvents");
    }
  });
});
