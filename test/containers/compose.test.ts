/**
 * docker/compose.yaml started for real, alone and with compose.secure.yaml over it. Where the image of Prometheus cannot be had, a
 * stand-in of Debian's package takes its place; Grafana is left out then. The output says both.
 */
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { canHave } from "../../scripts/docker-pull.ts";
import { ensurePrometheusImage } from "../../scripts/prometheus-image.ts";
import { connect, SleepState, Transition_State } from "../../src/client/mod.ts";
import { SHUTDOWN_DRAIN_MS, SHUTDOWN_HIBERNATE_MS } from "../../src/server/daemon-limits.ts";
import { TORPORD_CERTIFICATE } from "../support/certificates.ts";
import { type ComposeFiles, ComposeProject, mergedConfig, PLAIN, SECURE } from "../support/compose.ts";
import { ComposeSecrets } from "../support/compose-secrets.ts";
import {
  RestClient,
  type RestDevice,
  type RestObject,
  type RestTransition,
} from "../support/containers-rest.ts";
import { settledValue } from "../support/prometheus-api.ts";

const MIB = 1024 * 1024;
const SERVICES = ["torpord", "prometheus", "grafana"] as const;

/** Of a compose file, what the tests look at. */
const FILE = z.object({
  services: z.record(
    z.string(),
    z.object({
      ports: z.array(z.string()).min(1),
      healthcheck: z.object({ test: z.array(z.string()).min(2) }),
      depends_on: z.record(z.string(), z.object({ condition: z.literal("service_healthy") })).optional(),
      mem_limit: z.string(),
      cpus: z.union([z.string(), z.number()]),
      pids_limit: z.number(),
      stop_grace_period: z
        .string()
        .regex(/^\d+s$/)
        .optional(),
    }),
  ),
  volumes: z.record(z.string(), z.unknown()),
});
/** Of what compose makes of several files, in the form of either version of it. */
const MERGED = z.object({
  services: z.record(
    z.string(),
    z.object({
      image: z.string(),
      command: z.array(z.string()).nullish(),
      environment: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
});

describe("docker/compose.yaml", () => {
  const file = FILE.parse(parse(readFileSync(new URL("../../docker/compose.yaml", import.meta.url), "utf8")));

  test("gives every service a health check, limits, and ports on loopback only", () => {
    expect(Object.keys(file.services)).toEqual(SERVICES);
    for (const { ports } of Object.values(file.services)) {
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    }
  });

  test("starts Prometheus when torpord is healthy, and Grafana when Prometheus is", () => {
    expect(Object.keys(file.services.prometheus?.depends_on ?? {})).toEqual(["torpord"]);
    expect(Object.keys(file.services.grafana?.depends_on ?? {})).toEqual(["prometheus"]);
  });

  test("leaves a daemon more time than it takes to end its calls and to hibernate", () => {
    const graceMs = 1000 * Number.parseInt(file.services.torpord?.stop_grace_period ?? "0", 10);
    expect(graceMs).toBeGreaterThan(SHUTDOWN_DRAIN_MS + SHUTDOWN_HIBERNATE_MS);
  });

  test("keeps images and swap on volumes of their own", () => {
    expect(Object.keys(file.volumes)).toEqual(["images", "swap", "prometheus", "grafana"]);
  });
});

describe("docker/compose.secure.yaml over it", () => {
  test("puts tokens and TLS in place of --insecure-listen", async () => {
    const before = MERGED.parse(await mergedConfig(PLAIN)).services.torpord;
    const after = MERGED.parse(await mergedConfig(SECURE)).services.torpord;
    expect(before?.command).toEqual(["--insecure-listen"]);
    expect(after?.command).toEqual([
      "--tokens=/run/torpor/tokens.yaml",
      "--tls-cert=/run/torpor/server.pem",
      "--tls-key=/run/torpor/server.key",
    ]);
    expect(after?.environment).toMatchObject({ TORPOR_ON_SHUTDOWN: "hibernate" });
  });

  test("lets nobody into Grafana without a password", async () => {
    const { environment } = MERGED.parse(await mergedConfig(SECURE)).services.grafana ?? {};
    expect(environment).toMatchObject({ GF_AUTH_ANONYMOUS_ENABLED: "false" });
  });
});

describe("the projects that are started", () => {
  const secrets = new ComposeSecrets();
  let plain: ComposeProject;
  let secure: ComposeProject;

  beforeAll(async () => {
    const { services } = MERGED.parse(await mergedConfig(PLAIN));
    const prometheus = ensurePrometheusImage(services.prometheus?.image ?? "");
    if (!prometheus.available) throw new Error(prometheus.reason);
    if (prometheus.isStandIn) {
      console.log(`${services.prometheus?.image} cannot be had here: Debian's Prometheus stands in for it.`);
    }
    const grafana = services.grafana?.image ?? "";
    const withGrafana = canHave(grafana);
    if (!withGrafana)
      console.log(`Left out of the compose projects: grafana, because ${grafana} cannot be had here.`);
    const names = SERVICES.filter((name) => name !== "grafana" || withGrafana);
    const variables = { PROMETHEUS_IMAGE: prometheus.image, TORPOR_SECRETS: secrets.folder };
    const up = (files: ComposeFiles) => ComposeProject.up({ files, services: names, variables });
    // Each waits for health checks more than it works.
    const [plainUp, secureUp] = await Promise.allSettled([up(PLAIN), up(SECURE)]);
    // One that is up is taken down in the end, even if the other is not.
    if (plainUp.status === "fulfilled") plain = plainUp.value;
    if (secureUp.status === "fulfilled") secure = secureUp.value;
    for (const each of [plainUp, secureUp]) if (each.status === "rejected") throw each.reason;
  });

  afterAll(async () => {
    await Promise.all([plain?.[Symbol.asyncDispose](), secure?.[Symbol.asyncDispose]()]);
    secrets[Symbol.dispose]();
  });

  const rest = async () => new RestClient(`http://${await plain.address("torpord", 8585)}`);

  test("are published on loopback only", async () => {
    for (const port of [8585, 8586])
      expect(await plain.address("torpord", port)).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(await plain.address("prometheus", 9090)).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  test("suspend and resume through the published port, and Prometheus has the counters", async () => {
    const client = await rest();
    const { name } = await client.post<RestObject>("devices/card0/objects", { size: String(MIB) });
    await client.upload(name, randomBytes(MIB));
    const suspend = await client.post<RestTransition>("devices/card0:suspend", { state: "S3" });
    const resume = await client.post<RestTransition>("devices/card0:resume");
    expect([suspend.state, resume.state]).toEqual(["SUCCEEDED", "SUCCEEDED"]);
    expect(suspend.evictedBytes).toBe(String(MIB));

    const prometheus = `http://${await plain.address("prometheus", 9090)}`;
    const evicted = 'torpor_eviction_bytes_total{job="torpor", cause="suspend", path="blitter"}';
    expect(await settledValue(prometheus, evicted, MIB)).toBe(MIB);
    const restored = 'sum(torpor_restore_bytes_total{job="torpor"})';
    expect(await settledValue(prometheus, restored, Number(resume.restoredBytes))).toBe(
      Number(resume.restoredBytes),
    );
    await client.post("devices/card0:reset", { scope: "FACTORY" });
  });

  test("keep every byte over stop and start, because the device hibernates", async () => {
    const before = await rest();
    const digests = new Map<string, string>();
    // In LMEM pinned, in LMEM unpinned, and more than LMEM holds.
    for (const [sizeBytes, pin] of [
      [16 * MIB, true],
      [48 * MIB, false],
      [40 * MIB, false],
      [40 * MIB, false],
    ] as const) {
      const bytes = randomBytes(sizeBytes);
      const { name } = await before.post<RestObject>("devices/card0/objects", { size: String(sizeBytes) });
      await before.upload(name, bytes);
      if (pin) await before.post(`${name}:pin`);
      digests.set(name, createHash("sha256").update(bytes).digest("hex"));
    }

    await plain.stop("torpord");
    const ended = await plain.inspect("torpord", "{{.State.Running}} {{.State.ExitCode}}");
    expect(ended, await plain.log("torpord")).toBe("false 0");
    await plain.start("torpord");

    const after = await rest();
    expect(await after.get<RestDevice>("devices/card0")).toMatchObject({
      powerState: "ACTIVE",
      wedged: false,
    });
    for (const [name, digest] of digests) {
      const { size } = await after.get<RestObject>(name);
      expect(await after.downloadSha256(name, Number(size)), name).toBe(digest);
    }
  });

  describe("with TLS and tokens", () => {
    const connectAs = async (token?: string) =>
      connect({ address: await secure.address("torpord", 8586), tls: { ca: TORPORD_CERTIFICATE }, token });

    test("suspend and resume for an admin", async () => {
      using client = await connectAs(secrets.adminToken);
      const name = "devices/card0";
      expect((await client.suspend({ name, state: SleepState.S3 })).state).toBe(Transition_State.SUCCEEDED);
      expect((await client.resume({ name })).state).toBe(Transition_State.SUCCEEDED);
    });

    test("refuse who has no token, and a viewer who would suspend", async () => {
      using nobody = await connectAs();
      await expect(nobody.listDevices()).rejects.toMatchObject({ reason: "UNAUTHENTICATED" });
      using viewer = await connectAs(secrets.viewerToken);
      expect((await viewer.listDevices()).devices).toHaveLength(1);
      const suspend = viewer.suspend({ name: "devices/card0" });
      await expect(suspend).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
    });

    test("answer nobody who does not speak TLS", async () => {
      const address = await secure.address("torpord", 8585);
      await expect(fetch(`http://${address}/v1/devices`)).rejects.toThrow("fetch failed");
    });

    test("are scraped over TLS with the token of a viewer", async () => {
      const prometheus = `http://${await secure.address("prometheus", 9090)}`;
      expect(await settledValue(prometheus, 'up{job="torpor"}', 1)).toBe(1);
      const suspends = 'sum(torpor_transitions_total{job="torpor", kind="suspend"})';
      expect(await settledValue(prometheus, suspends, 1)).toBe(1);
    });
  });
});
