/**
 * docker/compose.yaml started for real, and what compose.secure.yaml makes of it. A service whose image can neither be found
 * nor pulled is left out, and the output says so; what the files say of it is checked all the same.
 */
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { SHUTDOWN_DRAIN_MS, SHUTDOWN_HIBERNATE_MS } from "../../src/server/daemon-limits.ts";
import { ComposeProject, canHave, mergedConfig, PLAIN, SECURE } from "../support/compose.ts";
import {
  RestClient,
  type RestDevice,
  type RestObject,
  type RestTransition,
} from "../support/containers-rest.ts";

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
  test("puts tokens and TLS in place of --insecure-listen", () => {
    const before = MERGED.parse(mergedConfig(PLAIN)).services.torpord;
    const after = MERGED.parse(mergedConfig(SECURE)).services.torpord;
    expect(before?.command).toEqual(["--insecure-listen"]);
    expect(after?.command).toEqual([
      "--tokens=/run/torpor/tokens.yaml",
      "--tls-cert=/run/torpor/server.pem",
      "--tls-key=/run/torpor/server.key",
    ]);
    expect(after?.environment).toMatchObject({ TORPOR_ON_SHUTDOWN: "hibernate" });
  });

  test("lets nobody into Grafana without a password", () => {
    const { environment } = MERGED.parse(mergedConfig(SECURE)).services.grafana ?? {};
    expect(environment).toMatchObject({ GF_AUTH_ANONYMOUS_ENABLED: "false" });
  });
});

describe("the project that is started", () => {
  let project: ComposeProject;
  let started: readonly string[];

  beforeAll(async () => {
    const { services } = MERGED.parse(mergedConfig(PLAIN));
    const missing = ["prometheus", "grafana"].filter((name) => !canHave(services[name]?.image ?? ""));
    for (const name of missing) {
      console.log(
        `Left out of the compose project: ${name}, because ${services[name]?.image} cannot be had here.`,
      );
    }
    // Grafana waits for Prometheus.
    const left = missing.includes("prometheus") ? SERVICES.slice(1) : missing;
    started = SERVICES.filter((name) => !left.includes(name));
    project = await ComposeProject.up(started);
  });

  afterAll(async () => {
    await project?.[Symbol.asyncDispose]();
  });

  const rest = () => new RestClient(`http://${project.address("torpord", 8585)}`);

  test("is healthy, each service of it", async () => {
    for (const service of started) await project.healthy(service);
  });

  test("is published on loopback only", () => {
    for (const port of [8585, 8586]) expect(project.address("torpord", port)).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  test("suspends and resumes through the published port", async () => {
    const suspend = await rest().post<RestTransition>("devices/card0:suspend", { state: "S3" });
    expect(suspend.state).toBe("SUCCEEDED");
    const resume = await rest().post<RestTransition>("devices/card0:resume");
    expect(resume.state).toBe("SUCCEEDED");
  });

  test("keeps every byte over stop and start, because the device hibernates", async () => {
    const before = rest();
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

    project.stop();
    expect(project.inspect("torpord", "{{.State.Running}} {{.State.ExitCode}}"), project.log("torpord")).toBe(
      "false 0",
    );
    await project.start();

    const after = rest();
    expect(await after.get<RestDevice>("devices/card0")).toMatchObject({
      powerState: "ACTIVE",
      wedged: false,
    });
    for (const [name, digest] of digests) {
      const { size } = await after.get<RestObject>(name);
      expect(await after.downloadSha256(name, Number(size)), name).toBe(digest);
    }
  });
});
