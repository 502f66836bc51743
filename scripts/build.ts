/**
 * `npm run build`: compiles src to dist. Files of src that are neither code nor the sources of generated code are
 * copied beside what was compiled, because the compiler leaves them behind.
 */
import { spawnSync } from "node:child_process";
import { cpSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const SOURCE = join(ROOT, "src");
const TARGET = join(ROOT, "dist");
const LAUNCHER = join(ROOT, "bin/with-node");

// A file that no longer has a source must not stay in dist.
rmSync(TARGET, { recursive: true, force: true });

const compilation = spawnSync("sh", [LAUNCHER, "tsc", "-p", "tsconfig.build.json"], {
  cwd: ROOT,
  stdio: "inherit",
});
if (compilation.status === 0) {
  cpSync(SOURCE, TARGET, {
    recursive: true,
    filter: (file) => statSync(file).isDirectory() || !/\.(ts|js|wat|md)$/.test(file),
  });
} else {
  console.error("The build failed: the compiler's messages are above.");
  process.exitCode = 1;
}
