/** What goes out: the version in every place that says it, and what npm would publish. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { PLACES, versionOfPackage, withVersion } from "../../scripts/version.ts";
import { type PackedPackage, pack, run } from "../support/npm-package.ts";

const MANIFEST = z.object({
  bin: z.record(z.string(), z.string()).default({}),
});
const manifest = MANIFEST.parse(JSON.parse(read("package.json")));

describe("the version of package.json", () => {
  const version = versionOfPackage();

  test("is that of the lock file", () => {
    const LOCK = z.object({
      version: z.string(),
      packages: z.object({ "": z.object({ version: z.string() }) }),
    });
    const lock = LOCK.parse(JSON.parse(read("package-lock.json")));
    expect([lock.version, lock.packages[""].version]).toEqual([version, version]);
  });

  test("every package of the lock file has an integrity, so that no other can come in its place", () => {
    const LOCK = z.object({ packages: z.record(z.string(), z.object({ integrity: z.string().optional() })) });
    const { packages } = LOCK.parse(JSON.parse(read("package-lock.json")));
    const bare = Object.entries(packages).filter(([path, { integrity }]) => path !== "" && !integrity);
    expect(bare.map(([path]) => path)).toEqual([]);
  });

  test.each(PLACES)("is that of $file", (place) => {
    const text = read(place.file);
    expect(text).toBe(withVersion(text, place, version));
  });

  test("is written everywhere else when it changes", () => {
    for (const place of PLACES) {
      const next = withVersion(read(place.file), place, "99.0.1-rc.2");
      expect(next, place.file).toContain("99.0.1-rc.2");
      expect(withVersion(next, place, version), place.file).toBe(read(place.file));
    }
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
    run(".", process.execPath, "scripts/build.ts");
    packed = pack(".");
  });

  test("is the compiled code, its programs, the contract, the manifest, the licence and the README, and nothing else", () => {
    const paths = packed.files.map(({ path }) => path);
    const protos = globSync("proto/torpor/v1/*.proto");
    expect(paths.filter((path) => path.endsWith(".proto")).toSorted()).toEqual(protos.toSorted());
    const others = paths.filter(
      (path) => !protos.includes(path) && !/^dist\/.*\.(js|d\.ts|json)$/.test(path),
    );
    expect(others.toSorted()).toEqual(
      ["LICENSE", "README.md", "bin/torporctl", "bin/torpord", "bin/with-node", "package.json"].toSorted(),
    );
  });

  test("has every program that the manifest names, which begins with the name of its interpreter", () => {
    expect(Object.keys(manifest.bin)).toContain("torpord");
    for (const file of Object.values(manifest.bin)) {
      const program = packed.files.find(({ path }) => path === file);
      expect((program?.mode ?? 0) & 0o111, file).toBe(0o111);
      expect(read(file).startsWith("#!/bin/sh\n"), file).toBe(true);
    }
  });
});

test.each([
  ["a signal that it gets", (npm: number) => process.kill(npm, "SIGTERM")],
  ["Ctrl-C, which the daemon gets too,", (npm: number) => process.kill(-npm, "SIGINT")],
])("npm start hands %s on to the daemon, which ends in good order", async (_, end) => {
  const memory = ["--lmem", "64MiB", "--smem", "64MiB"];
  const words = ["start", "--", ...memory, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"];
  // A process group of its own, as a shell makes for each command.
  const npm = spawn("npm", words, { detached: true, stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  for await (const text of npm.stdout.setEncoding("utf8")) {
    const wasReady = said.includes('"msg":"ready"');
    said += text;
    if (!wasReady && said.includes('"msg":"ready"')) end(z.number().parse(npm.pid));
  }
  expect(said).toContain('"msg":"stopped"');
});

describe.each(["src/cli/main.ts", "src/server/main.js"])("the program in %s", (file) => {
  test("says so in a sentence where Node is older than the manifest asks for", () => {
    const { engines } = z
      .object({ engines: z.object({ node: z.string() }) })
      .parse(JSON.parse(read("package.json")));
    const oldest = Number(engines.node.replace(">=", ""));
    const versions = JSON.stringify({ ...process.versions, node: `${oldest - 1}.9.0` });
    const pretend = `data:text/javascript,Object.defineProperty(process,"versions",{value:${versions}})`;
    const { status, stderr } = spawnSync(process.execPath, ["--import", pretend, file, "--version"], {
      encoding: "utf8",
    });
    expect({ status, stderr }).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`needs Node ${oldest} or newer`),
    });
  });

  test("loads nothing before it has looked: an older Node would fail there, with a stack trace", () => {
    expect(read(file)).not.toMatch(/^(import|export .* from)\b/m);
  });
});

test("each prebuilt package that the image needs is in the lock file for both architectures", () => {
  const NAMES = z
    .union([z.string(), z.array(z.string())])
    .default([])
    .transform((names) => [names].flat());
  const PACKAGE = z.object({ dev: z.boolean().default(false), os: NAMES, cpu: NAMES });
  const LOCK = z.object({ packages: z.record(z.string(), PACKAGE) });
  const { packages } = LOCK.parse(JSON.parse(read("package-lock.json")));
  const onLinux = (cpu: string) =>
    Object.entries(packages)
      .filter(([, { dev, os, cpu: cpus }]) => !dev && os.includes("linux") && cpus.includes(cpu))
      .map(([name]) => name.replace(cpu, "CPU"));
  expect(onLinux("x64")).toContain("node_modules/node-linux-CPU");
  expect(onLinux("arm64").toSorted()).toEqual(onLinux("x64").toSorted());
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
