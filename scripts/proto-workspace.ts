/**
 * A folder in which buf works: our proto, and beside it the standard files that it imports, which come from packages. It is made
 * anew each time and taken away again, so no file of others stands in the repository.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const ROOT = dirname(import.meta.dirname);
const require = createRequire(import.meta.url);

/** Name of the second module of buf.yaml. */
const STANDARD = "proto-standard";

/** Where each standard file is: its path for an import, its package, and its path there. */
const FILES = [
  ...["api/annotations", "api/http", "api/httpbody", "rpc/code", "rpc/error_details", "rpc/status"].map(
    (name) => [`google/${name}.proto`, "google-proto-files", `google/${name}.proto`] as const,
  ),
  ["grpc/health/v1/health.proto", "grpc-health-check", "proto/health/v1/health.proto"],
  ...["v1", "v1alpha"].map(
    (version) =>
      [
        `grpc/reflection/${version}/reflection.proto`,
        "@grpc/reflection",
        `build/proto/grpc/reflection/${version}/reflection.proto`,
      ] as const,
  ),
] as const;

export class ProtoWorkspace implements Disposable {
  readonly directory: string;

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), "torpor-proto-"));
    for (const name of ["buf.yaml", "buf.gen.yaml", "proto"]) {
      cpSync(join(ROOT, name), join(this.directory, name), { recursive: true });
    }
    // The plugin is named by its path in it.
    symlinkSync(join(ROOT, "node_modules"), join(this.directory, "node_modules"));
    copyStandardProtos(join(this.directory, STANDARD));
  }

  /**
   * Runs buf in the folder. Its package finds the binary of the platform in an optional dependency, so no install script is
   * needed. @throws Error when buf finds something, or cannot be run; its output has been shown
   */
  buf(...args: string[]): void {
    const script = require.resolve("@bufbuild/buf/bin/buf");
    // The plugin is started as `node`: make that the Node that runs this script.
    const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ""}` };
    execFileSync(process.execPath, [script, ...args], { cwd: this.directory, env, stdio: "inherit" });
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Puts the standard files into `directory`, each where an import looks for it. */
export function copyStandardProtos(directory: string): void {
  for (const [name, packageName, path] of FILES) {
    const target = join(directory, name);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(dirname(require.resolve(`${packageName}/package.json`)), path), target);
  }
}
