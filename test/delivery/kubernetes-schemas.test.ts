/** The manifests of docker/kubernetes against the schemas of Kubernetes and of the Prometheus operator. */
import { readFileSync } from "node:fs";
import { PodMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor";
import { StatefulSet } from "kubernetes-models/apps/v1/StatefulSet";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
import { Service } from "kubernetes-models/v1/Service";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { compileManifests } from "../support/manifest-types.ts";

interface Kind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly module: string;
  /** @throws Error that names the field which is wrong. */
  validate(manifest: object): void;
}

/** A class of the schemas: made of a manifest, it checks it. Its own types are the compiler's business, below. */
interface Model {
  readonly apiVersion: string;
  readonly kind: string;
  new (data: never): { validate(): void };
}

const KINDS: readonly Kind[] = [
  kindOf(Service, "kubernetes-models/v1/Service"),
  kindOf(StatefulSet, "kubernetes-models/apps/v1/StatefulSet"),
  kindOf(NetworkPolicy, "kubernetes-models/networking.k8s.io/v1/NetworkPolicy"),
  kindOf(PodMonitor, "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor"),
];
const MANIFEST = z.looseObject({ apiVersion: z.string(), kind: z.string() });

const manifests = ["torpor.yaml", "pod-monitor.yaml"].flatMap((file) => {
  const text = readFileSync(new URL(`../../docker/kubernetes/${file}`, import.meta.url), "utf8");
  return parseAllDocuments(text).map((document) => typed(MANIFEST.parse(document.toJS())));
});

test("there is one manifest of each kind", () => {
  expect(manifests.map(({ kind }) => kind)).toEqual(KINDS.map(({ kind }) => kind));
});

test.each(manifests)("the $kind has what its schema wants", ({ of, manifest }) => {
  of.validate(manifest);
});

describe("the compiler", () => {
  test("finds no field in them that their kinds do not have", () => {
    compileManifests(manifests);
  });

  test.each([
    ["StatefulSet", '"terminationGracePeriodSeconds"', '"terminationGracePeriod"'],
    ["PodMonitor", '"podMetricsEndpoints"', '"podMetricsEndpoint"'],
  ])("would find a misspelt field of the %s", (kind, right, wrong) => {
    const one = manifests.filter((each) => each.kind === kind);
    const misspelt = one.map((each) => ({
      ...each,
      manifest: JSON.parse(JSON.stringify(each.manifest).replace(right, wrong)),
    }));
    expect(() => compileManifests(misspelt)).toThrow(`${wrong}' does not exist`);
  });
});

function kindOf(model: Model, module: string): Kind {
  const { apiVersion, kind } = model;
  return { apiVersion, kind, module, validate: (manifest) => new model(manifest as never).validate() };
}

function typed(manifest: z.infer<typeof MANIFEST>) {
  const { apiVersion, kind } = manifest;
  const of = KINDS.find((known) => known.apiVersion === apiVersion && known.kind === kind);
  if (of === undefined) throw new Error(`No schema for ${apiVersion} ${kind} is known here.`);
  return { kind, module: of.module, manifest, of };
}
