/**
 * The compiler as a judge of manifests. The validators of kubernetes-models know types and required fields, but let fields
 * pass that Kubernetes does not have; TypeScript finds those in an object literal of the same package's types.
 */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, TSC } from "./npm-package.ts";

const MODULES = join(import.meta.dirname, "../../node_modules");
const OPTIONS = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2024"];

export interface TypedManifest {
  readonly kind: string;
  /** The module that exports the type of this kind, `I` before its name. */
  readonly module: string;
  readonly manifest: unknown;
}

/** @throws Error with what the compiler said, when a manifest is not of its type. */
export function compileManifests(manifests: readonly TypedManifest[]): void {
  const folder = mkdtempSync(join(tmpdir(), "torpor-manifests-"));
  try {
    symlinkSync(MODULES, join(folder, "node_modules"));
    const lines = manifests.flatMap(({ kind, module, manifest }, index) => [
      `import type { I${kind} as Type${index} } from ${JSON.stringify(module)};`,
      `export const manifest${index}: Type${index} = ${JSON.stringify(manifest)};`,
    ]);
    writeFileSync(join(folder, "manifests.mts"), lines.join("\n"));
    run(folder, TSC, ...OPTIONS, "--types", "", "manifests.mts");
  } finally {
    rmSync(folder, { recursive: true });
  }
}
