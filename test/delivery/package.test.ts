/** What goes out: the version in every place that says it, and what npm would publish. */
import { existsSync, readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { z } from "zod";
import { type PackedPackage, pack, run } from "../support/npm-package.ts";

const MANIFEST = z.object({
  name: z.string(),
  version: z.string(),
  bin: z.record(z.string(), z.string()).default({}),
});
const manifest = MANIFEST.parse(JSON.parse(read("package.json")));

describe("the version of package.json", () => {
  const { version } = manifest;

  test("is that of the lock file", () => {
    const LOCK = z.object({
      version: z.string(),
      packages: z.object({ "": z.object({ version: z.string() }) }),
    });
    const lock = LOCK.parse(JSON.parse(read("package-lock.json")));
    expect([lock.version, lock.packages[""].version]).toEqual([version, version]);
  });

  test("is that of the image's label", () => {
    expect(read("Dockerfile")).toContain(`org.opencontainers.image.version="${version}"`);
  });

  test("is that of the module for testcontainers", () => {
    expect(MANIFEST.parse(JSON.parse(read("packages/testcontainers/package.json"))).version).toBe(version);
  });

  test("is that of the image that Kubernetes runs", () => {
    const images = parseAllDocuments(read("docker/kubernetes/torpor.yaml")).flatMap((document) =>
      [...JSON.stringify(document.toJS()).matchAll(/"image":"([^"]+)"/g)].map(([, image]) => image),
    );
    expect(images).toEqual([`torpor:${version}`]);
  });

  test("has a section in the changelog, or is the one that is being made", () => {
    const changelog = read("CHANGELOG.md");
    expect(
      [`## [${version}]`, `What ${version} will have.`].some((line) => changelog.includes(`\n${line}`)),
    ).toBe(true);
  });
});

describe("what npm publishes of the daemon", () => {
  let packed: PackedPackage;

  beforeAll(() => {
    run(".", "node", "scripts/build.ts");
    packed = pack(".");
  });

  test("is the compiled code, the manifest, the licence and the README, and nothing else", () => {
    const others = packed.files
      .map(({ path }) => path)
      .filter((path) => !/^dist\/.*\.(js|d\.ts|proto|json)$/.test(path));
    expect(others.toSorted()).toEqual(["LICENSE", "README.md", "package.json"]);
  });

  test("has every program that the manifest names, which begins with the name of its interpreter", () => {
    expect(Object.keys(manifest.bin)).toContain("torpord");
    for (const file of Object.values(manifest.bin)) {
      expect(packed.files.map(({ path }) => path)).toContain(file);
      expect(read(file).startsWith("#!/usr/bin/env node\n"), file).toBe(true);
    }
  });
});

test("the steps of a release name only files and scripts that are there", () => {
  const text = read("RELEASING.md");
  const { scripts } = z
    .object({ scripts: z.record(z.string(), z.string()) })
    .parse(parse(read("package.json")));
  for (const [, script = ""] of text.matchAll(/npm run ([\w:]+)/g)) expect(scripts).toHaveProperty(script);
  const files = [...text.matchAll(/`([\w./-]+\.(?:ts|md|json|yaml|test\.ts))`/g)].map(
    ([, file = ""]) => file,
  );
  expect(files.filter((file) => !existsSync(new URL(`../../${file}`, import.meta.url)))).toEqual([]);
});

function read(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
}
