/** The tarball of @torpor/testcontainers, installed in a project elsewhere and used there, types included. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TEST_IMAGE } from "../../scripts/docker-image.ts";
import { type PackedPackage, pack, run, TSC } from "../support/npm-package.ts";

const MODULES = join(import.meta.dirname, "../../node_modules");
const PROGRAM = `
import { TorporContainer, type Transition } from "@torpor/testcontainers";

await using torpor = await new TorporContainer(process.argv[2] ?? "").withDevice({ lmem: "128MiB" }).start();
const suspend: Transition = await torpor.suspend();
const resume: Transition = await torpor.resume();
console.log(suspend.state, resume.state);
`;

let folder: string;
let packed: PackedPackage;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "torpor-package-"));
  rmSync(join(import.meta.dirname, "../../packages/testcontainers/build"), { recursive: true, force: true });
  run("packages/testcontainers", TSC, "-p", "tsconfig.json");
  packed = pack("packages/testcontainers", folder);

  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  run(
    folder,
    "npm",
    "install",
    "--offline",
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
  const others = packed.files
    .map(({ path }) => path)
    .filter((path) => !/^build\/[a-z-]+\.(js|d\.ts)$/.test(path));
  expect(others.toSorted()).toEqual(["LICENSE", "README.md", "package.json"]);
});

test("has types that a strict compiler accepts", () => {
  const options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2024", "--module", "nodenext"];
  run(folder, TSC, ...options, "--lib", "es2024,esnext.disposable", "--types", "node", "use.ts");
});

test("starts a container, suspends and resumes", () => {
  process.env.TESTCONTAINERS_RYUK_DISABLED ??= "true";
  expect(run(folder, process.execPath, "use.ts", TEST_IMAGE).trim()).toBe("SUCCEEDED SUCCEEDED");
});
