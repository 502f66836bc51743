/**
 * The manifests of docker/kubernetes, as far as they have to agree with the daemon and with each other. That every field is one
 * that Kubernetes knows is the claim of kubernetes-schemas.test.ts.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { SHUTDOWN_DRAIN_MS, SHUTDOWN_HIBERNATE_MS } from "../../src/server/daemon-limits.ts";

const LABELS = z.record(z.string(), z.string());
const PORT = z.object({ name: z.string(), containerPort: z.number() });
const PROBE = z.object({ periodSeconds: z.number(), failureThreshold: z.number().default(3) });
const CONTAINER = z.object({
  args: z.array(z.string()),
  ports: z.array(PORT),
  startupProbe: PROBE,
  readinessProbe: PROBE.extend({ exec: z.object({ command: z.array(z.string()) }) }),
  livenessProbe: PROBE.extend({ httpGet: z.object({ path: z.string(), port: z.string() }) }),
  resources: z.object({ limits: z.object({ memory: z.string() }) }),
  securityContext: z.object({
    allowPrivilegeEscalation: z.boolean(),
    readOnlyRootFilesystem: z.boolean(),
    capabilities: z.object({ drop: z.array(z.string()) }),
  }),
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })),
});
const STATEFUL_SET = z.object({
  spec: z.object({
    serviceName: z.string(),
    selector: z.object({ matchLabels: LABELS }),
    template: z.object({
      metadata: z.object({ labels: LABELS }),
      spec: z.object({
        terminationGracePeriodSeconds: z.number(),
        securityContext: z.object({ runAsNonRoot: z.boolean(), runAsUser: z.number(), fsGroup: z.number() }),
        containers: z.tuple([CONTAINER]),
      }),
    }),
    volumeClaimTemplates: z.array(z.object({ metadata: z.object({ name: z.string() }) })),
  }),
});
const SERVICE = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    selector: LABELS,
    ports: z.array(z.object({ port: z.number(), targetPort: z.string() })),
  }),
});
const POD_MONITOR = z.object({
  spec: z.object({
    selector: z.object({ matchLabels: LABELS }),
    podMetricsEndpoints: z.array(z.object({ port: z.string(), path: z.string(), relabelings: z.unknown() })),
  }),
});

const documents = ["torpor.yaml", "pod-monitor.yaml"].flatMap((file) => {
  const text = readFileSync(new URL(`../../docker/kubernetes/${file}`, import.meta.url), "utf8");
  return parseAllDocuments(text).map((document) => {
    expect(document.errors, file).toEqual([]);
    return z.looseObject({ apiVersion: z.string(), kind: z.string() }).parse(document.toJS());
  });
});
const ofKind = (kind: string) => documents.find((document) => document.kind === kind);
const set = STATEFUL_SET.parse(ofKind("StatefulSet")).spec;
const pod = set.template.spec;
const [container] = pod.containers;

describe("the StatefulSet", () => {
  test("gives a daemon more time than it takes to end its calls and to hibernate", () => {
    const graceMs = 1000 * pod.terminationGracePeriodSeconds;
    expect(graceMs).toBeGreaterThan(SHUTDOWN_DRAIN_MS + SHUTDOWN_HIBERNATE_MS);
    expect(container.args).toContain("--on-shutdown=hibernate");
  });

  test("waits at the start as long as images may take, and then asks for readiness and for life apart", () => {
    const { periodSeconds, failureThreshold } = container.startupProbe;
    expect(1000 * periodSeconds * failureThreshold).toBeGreaterThan(SHUTDOWN_HIBERNATE_MS);
    expect(container.readinessProbe.exec.command).toEqual(["torpord", "healthcheck"]);
    expect(container.livenessProbe.httpGet).toMatchObject({ path: "/livez", port: "http" });
  });

  test("keeps the data directory on the volume that it claims", () => {
    const [mount] = container.volumeMounts;
    expect(container.args).toContain(`--data-dir=${mount?.mountPath}`);
    expect(set.volumeClaimTemplates.map(({ metadata }) => metadata.name)).toEqual([mount?.name]);
  });

  test("runs as the user of the image, without root, capabilities or a root file system to write to", () => {
    expect(pod.securityContext).toEqual({ runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000 });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
  });
});

test("Service and PodMonitor select the pods of the StatefulSet, and ports that they have", () => {
  const service = SERVICE.parse(ofKind("Service"));
  const monitor = POD_MONITOR.parse(ofKind("PodMonitor")).spec;
  expect(set.serviceName).toBe(service.metadata.name);
  const { labels } = set.template.metadata;
  for (const selector of [set.selector.matchLabels, service.spec.selector, monitor.selector.matchLabels]) {
    expect(labels).toMatchObject(selector);
  }
  const ports = new Map(container.ports.map(({ name, containerPort }) => [name, containerPort]));
  expect([...ports]).toEqual([
    ["http", 8585],
    ["grpc", 8586],
  ]);
  for (const { port, targetPort } of service.spec.ports) expect(ports.get(targetPort)).toBe(port);
  expect(monitor.podMetricsEndpoints).toMatchObject([
    { port: "http", path: "/metrics", relabelings: [{ targetLabel: "job", replacement: "torpor" }] },
  ]);
});

test("the NetworkPolicy is about the same pods", () => {
  expect(ofKind("NetworkPolicy")).toMatchObject({
    spec: { podSelector: { matchLabels: set.template.metadata.labels } },
  });
});
