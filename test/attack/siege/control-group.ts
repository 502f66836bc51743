/** A memory limit for one process: a control group of its own, v2 or v1, where we may make one. */
import { accessSync, constants, mkdirSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface MemoryLimit {
  /** What it is, or why there is none, as a sentence. */
  readonly told: string;
  /** Files into which a process writes its id to be bound; none without a limit. */
  readonly processFiles: readonly string[];
  /** Removes it. The processes in it must have ended. */
  remove(): void;
}

const ROOT = "/sys/fs/cgroup";

/** Makes one, if this machine lets us. */
export function limitMemory(limitBytes: number): MemoryLimit {
  const name = `torpor-attack-${process.pid}`;
  const tried: string[] = [];
  for (const [parent, file] of [
    [ROOT, "memory.max"],
    [join(ROOT, "memory"), "memory.limit_in_bytes"],
  ] as const) {
    try {
      return make(join(parent, name), file, limitBytes);
    } catch (error) {
      tried.push(error instanceof Error ? error.message : String(error));
    }
  }
  return {
    told: `No control group could be made (${tried.join("; ")}), so memory is measured and not limited.`,
    processFiles: [],
    remove: () => undefined,
  };
}

function make(path: string, file: string, limitBytes: number): MemoryLimit {
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
  return {
    told: `The daemon is in control group ${path} with ${file} = ${limitBytes}.`,
    processFiles: [join(path, "cgroup.procs")],
    remove: () => rmdirSync(path),
  };
}
