/**
 * A memory limit for one process: a control group of its own, v2 or v1, where we may make one, and a Docker
 * container of its own where we may not.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, mkdirSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface MemoryLimit {
  /** What it is, or why there is none, as a sentence. */
  readonly told: string;
  /** The command that runs these words under the limit. */
  command(words: readonly string[]): readonly string[];
  /** The process under the limit. @param spawned the process of `command` */
  pidOf(spawned: number | undefined): number | undefined;
  /** Ends what still runs under it, and removes it. */
  remove(): void;
}

export interface LimitOptions {
  readonly limitBytes: number;
  /** A folder that the process writes. */
  readonly directory: string;
}

const GROUPS = "/sys/fs/cgroup";
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const IMAGE = process.env.TORPOR_TEST_IMAGE ?? "torpor:test";
const DOCKER_TIMEOUT_MS = 30_000;

/** Measures memory, and does not limit it. */
export function noLimit(told: string): MemoryLimit {
  return { told, command: (words) => words, pidOf: (spawned) => spawned, remove: () => undefined };
}

/** Makes one, if this machine lets us. */
export function limitMemory(options: LimitOptions): MemoryLimit {
  const name = `torpor-attack-${process.pid}`;
  const tried: string[] = [];
  for (const [parent, file] of [
    [GROUPS, "memory.max"],
    [join(GROUPS, "memory"), "memory.limit_in_bytes"],
  ] as const) {
    try {
      return controlGroup(join(parent, name), file, options.limitBytes);
    } catch (error) {
      tried.push(error instanceof Error ? error.message : String(error));
    }
  }
  if (docker("image", "inspect", IMAGE) !== undefined) return container(name, options);
  tried.push(`no Docker engine here has the image ${IMAGE}, which node scripts/docker-image.ts builds`);
  return noLimit(`Memory could not be limited (${tried.join("; ")}), so it is measured and not limited.`);
}

function controlGroup(path: string, file: string, limitBytes: number): MemoryLimit {
  mkdirSync(path);
  try {
    // In what is no control group, or without the controller, there is no such file, and none can be made.
    if (!statSync(join(path, file)).isFile()) throw new Error(`${file} is no file`);
    accessSync(join(path, "cgroup.procs"), constants.W_OK);
    writeFileSync(join(path, file), String(limitBytes));
  } catch (error) {
    rmdirSync(path);
    throw error;
  }
  const enter = `echo $$ > ${join(path, "cgroup.procs")}; exec "$@"`;
  return {
    told: `The daemon is in control group ${path} with ${file} = ${limitBytes}.`,
    command: (words) => ["sh", "-c", enter, "sh", ...words],
    pidOf: (spawned) => spawned,
    remove: () => rmdirSync(path),
  };
}

/** The daemon of this checkout, with its own Node, in the image's file system and the host's network. */
function container(name: string, { limitBytes, directory }: LimitOptions): MemoryLimit {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const flags = [
    ...["--rm", `--name=${name}`, "--network=host", "--read-only", `--user=${uid}:${gid}`],
    ...[`--memory=${limitBytes}`, `--memory-swap=${limitBytes}`],
    ...[`--volume=${ROOT}:${ROOT}:ro`, `--volume=${directory}:${directory}`, `--workdir=${directory}`],
  ];
  return {
    told: `The daemon is in Docker container ${name} with ${limitBytes} bytes of memory.`,
    command: ([program = "", ...words]) => [
      "docker",
      "run",
      ...flags,
      `--entrypoint=${program}`,
      IMAGE,
      ...words,
    ],
    pidOf: () => {
      const pid = Number(docker("inspect", "--format={{.State.Pid}}", name));
      return pid > 0 ? pid : undefined;
    },
    remove: () => void docker("rm", "--force", name),
  };
}

/** @returns what it printed; undefined if it failed */
function docker(...words: readonly string[]): string | undefined {
  const run = spawnSync("docker", words, { encoding: "utf8", timeout: DOCKER_TIMEOUT_MS });
  return run.status === 0 ? run.stdout.trim() : undefined;
}
