/**
 * `npm run build`: compiles src to dist. Files of src that are neither code nor the sources of generated code are
 * copied beside what was compiled, because the compiler leaves them behind. Programs are made executable.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const SOURCE = join(ROOT, "src");
const TARGET = join(ROOT, "dist");

// A file that no longer has a source must not stay in dist.
rmSync(TARGET, { recursive: true, force: true });

const compiler = join(ROOT, "node_modules/.bin/tsc");
const compilation = spawnSync(compiler, ["-p", "tsconfig.build.json"], { cwd: ROOT, stdio: "inherit" });
if (compilation.status === 0) {
  cpSync(SOURCE, TARGET, {
    recursive: true,
    filter: (file) => statSync(file).isDirectory() || !/\.(ts|js|wat|md)$/.test(file),
  });
  // npm does this when it installs; a symbolic link to what was built has to work too.
  const manifest: { readonly bin: Record<string, string> } = JSON.parse(
    readFileSync(join(ROOT, "package.json"), "utf8"),
  );
  for (const file of Object.values(manifest.bin)) chmodSync(join(ROOT, file), 0o755);
} else {
  console.error("The build failed: the compiler's messages are above.");
  process.exitCode = 1;
}
