/**
 * Holds the proto to the contract that clients already have: `proto/landed.binpb`, an image that buf built at the last
 * release. buf finds what would break messages and generated code; it does not look at REST paths, so those are compared
 * here. With --land the present contract becomes the one that is held to. Needs no network.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { type Binding, readBindings } from "../src/contract/http-bindings.ts";
import { REGISTRY } from "../src/contract/registry.ts";
import { ProtoWorkspace } from "./proto-workspace.ts";

const ROOT = dirname(import.meta.dirname);
/** Our own files, with what they import; standard files are not ours to keep. */
const OURS = "proto/torpor";
const LANDED = "proto/landed.binpb";

using workspace = new ProtoWorkspace();
if (process.argv.includes("--land")) {
  // Comments would make it six times as large, and say nothing about compatibility.
  workspace.buf("build", "--path", OURS, "--exclude-source-info", "-o", join(ROOT, LANDED));
} else {
  breaksNothing();
  const lost = lostRoutes();
  if (lost.length > 0) fail(`The proto no longer serves what ${LANDED} does:\n${lost.join("\n")}`);
}

/** Routes of the landed contract that are gone, or serve another method now. */
function lostRoutes(): string[] {
  // An image of buf is a FileDescriptorSet with fields of its own.
  const landed = fromBinary(FileDescriptorSetSchema, readFileSync(join(ROOT, LANDED)));
  const present = new Set(readBindings(REGISTRY).map(routeOf));
  return readBindings(createFileRegistry(landed))
    .map(routeOf)
    .filter((route) => !present.has(route));
}

function routeOf({ rpc, httpMethod, template, body }: Binding): string {
  return `${httpMethod} ${template} (body: ${body || "none"}) for ${rpc}`;
}

function breaksNothing(): void {
  try {
    workspace.buf("breaking", "--exclude-imports", "--against", LANDED);
  } catch {
    fail("The proto breaks what clients have; the output of buf breaking is above.");
  }
}

function fail(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  workspace[Symbol.dispose]();
  process.exit(1);
}
