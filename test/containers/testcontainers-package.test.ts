/** The tarball of @torpor/testcontainers, installed in a project elsewhere and used there, types included. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TEST_IMAGE } from "../../scripts/docker-image.ts";
import { type PackedPackage, pack, run, TSC } from "../support/npm-package.ts";

const MODULES = join(import.meta.dirname, "../../node_modules");
/** The module, the client that it stands on, and the contract; nothing of the daemon. */
const COMPILED =
  /^build\/(packages\/testcontainers\/src|src\/client|src\/contract(\/gen\/[a-z0-9/]+)?)\/[a-z_-]+\.(js|d\.ts)$/;
const PROGRAM = `
import { TorporContainer, type Transition } from "@torpor/testcontainers";
import { Device_PowerState } from "@torpor/testcontainers/client";

await using torpor = await new TorporContainer(process.argv[2] ?? "").withDevice({ lmem: "128MiB" }).start();
const suspend: Transition = await torpor.suspend();
const resume: Transition = await torpor.resume();
const { powerState } = await torpor.client.getDevice({ name: "devices/card0" });
console.log(suspend.state, resume.state, powerState === Device_PowerState.ACTIVE);
`;

let folder: string;
let packed: PackedPackage;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "torpor-package-"));
  rmSync(join(import.meta.dirname, "../../packages/testcontainers/build"), { recursive: true, force: true });
  run("packages/testcontainers", TSC, "-p", "tsconfig.json");
  packed = pack("packages/testcontainers", folder);

  // What the package depends on is taken from here, so that npm needs no registry; built it is already.
  const dependencies = Object.fromEntries(
    ["@bufbuild/protobuf", "@grpc/grpc-js"].map((name) => [name, `file:${join(MODULES, name)}`]),
  );
  const overrides = Object.fromEntries(Object.keys(dependencies).map((name) => [name, `$${name}`]));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", dependencies, overrides }));
  run(
    folder,
    "npm",
    "install",
    "--offline",
    "--ignore-scripts",
    "--no-audit",
    "--legacy-peer-deps",
    join(folder, packed.filename),
  );
  // What its user has installed beside it: testcontainers and the types of Node.
  mkdirSync(join(folder, "node_modules/@types"));
  for (const name of ["testcontainers", "@types/node"]) {
    symlinkSync(join(MODULES, name), join(folder, "node_modules", name));
  }
  writeFileSync(join(folder, "use.ts"), PROGRAM);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("holds compiled code with types, the manifest, the licence and the README, and nothing else", () => {
  const others = packed.files.map(({ path }) => path).filter((path) => !COMPILED.test(path));
  expect(others.toSorted()).toEqual(["LICENSE", "README.md", "package.json"]);
});

test("has types that a strict compiler accepts", () => {
  const options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2024", "--module", "nodenext"];
  run(folder, TSC, ...options, "--lib", "es2024,esnext.disposable", "--types", "node", "use.ts");
});

test("starts a container, suspends and resumes", () => {
  process.env.TESTCONTAINERS_RYUK_DISABLED ??= "true";
  expect(run(folder, process.execPath, "use.ts", TEST_IMAGE).trim()).toBe("SUCCEEDED SUCCEEDED true");
});
