/**
 * Writes everything that is generated: TypeScript of the proto, the descriptor set, the OpenAPI document, the
 * microcode, the dashboards and the code map. With --check nothing is written; the exit code says whether what is committed is what
 * would be written.
 *
 * Needs nothing but node_modules: buf and ts-proto come as packages whose install scripts are not run.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { buildOpenApi } from "./openapi/document.ts";
import { ProtoWorkspace } from "./proto-workspace.ts";

const ROOT = dirname(import.meta.dirname);
const GEN = "src/contract/gen";
/** Each writes what it makes, or checks it, by the same rule as this one. */
const OTHER_SCRIPTS = ["scripts/build-microcode.ts", "scripts/build-dashboards.ts", "scripts/build-map.ts"];
const NOTICE = "// Written by scripts/generate.ts. DO NOT EDIT.\n";

/** ts-proto writes a file for every import; these are only annotations, which nothing reads as TypeScript. */
const UNUSED = ["google/api/annotations.ts", "google/api/http.ts", "google/protobuf/descriptor.ts"];

const check = process.argv.includes("--check");
const temporary = mkdtempSync(join(tmpdir(), "torpor-generate-"));
try {
  const fresh = generate(temporary);
  const stale = differences(fresh, join(ROOT, GEN));
  if (check && stale.length > 0)
    fail(`${GEN} is not what the proto says (${stale.join(", ")}): run npm run generate.`);
  if (!check && stale.length > 0) {
    rmSync(join(ROOT, GEN), { recursive: true, force: true });
    cpSync(fresh, join(ROOT, GEN), { recursive: true });
    process.stdout.write(`Wrote ${GEN} (${stale.length} files differed).\n`);
  }
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
for (const script of OTHER_SCRIPTS) {
  const path = join(ROOT, script);
  const result = spawnSync(process.execPath, [path, ...process.argv.slice(2)], { stdio: "inherit" });
  if (result.status !== 0) fail(`${script} failed; its output is above.`);
}

/** Generates into `directory` and answers the path of what corresponds to src/contract/gen. */
function generate(directory: string): string {
  using workspace = new ProtoWorkspace();
  workspace.buf("lint");
  workspace.buf("generate", "-o", directory);
  const gen = join(directory, GEN);
  for (const name of UNUSED) rmSync(join(gen, name));
  const set = readDescriptors(workspace, directory);
  const base64 = Buffer.from(toBinary(FileDescriptorSetSchema, set)).toString("base64");
  writeFileSync(
    join(gen, "descriptors.ts"),
    `${NOTICE}/** The google.protobuf.FileDescriptorSet of proto/, imports included, comments of torpor.v1 kept. */
export const DESCRIPTOR_SET_BASE64 =
${(base64.match(/.{1,120}/g) ?? []).map((line) => `  "${line}"`).join(" +\n")};\n`,
  );
  const openApi = JSON.stringify(buildOpenApi(createFileRegistry(set)), undefined, 2);
  writeFileSync(
    join(gen, "openapi.ts"),
    `${NOTICE}/** The OpenAPI 3.1 document of the REST API. */\nexport const OPENAPI = ${openApi};\n`,
  );
  return gen;
}

/** Builds the descriptor set. Only our own comments are kept: those of the standard files would be most of it. */
function readDescriptors(workspace: ProtoWorkspace, directory: string) {
  const path = join(directory, "descriptors.binpb");
  workspace.buf("build", "--as-file-descriptor-set", "-o", path);
  const set = fromBinary(FileDescriptorSetSchema, readFileSync(path));
  for (const file of set.file) {
    if (!file.name.startsWith("torpor/")) delete file.sourceCodeInfo;
    for (const location of file.sourceCodeInfo?.location ?? []) location.span = [0, 0, 0];
  }
  return set;
}

/** Paths, relative to either, of files that are in one only or differ. */
function differences(a: string, b: string): string[] {
  const names = new Set([...listFiles(a), ...listFiles(b)]);
  return [...names].filter((name) => read(join(a, name)) !== read(join(b, name))).sort();
}

function listFiles(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)));
}

function read(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

function fail(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  rmSync(temporary, { recursive: true, force: true });
  process.exit(1);
}
