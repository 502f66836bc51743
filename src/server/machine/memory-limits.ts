/**
 * What memory the process may have: the limits of its control groups, of version 1 and 2 and of their parents
 * as far as they can be seen, and what the machine has.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

export interface MemoryRoom {
  /** The lowest limit, or what the machine has. Stays what it is while nobody changes a limit. */
  readonly limitBytes: number;
  /** What is left of it, or of another limit, before the kernel acts. What it can drop at once is left. */
  readonly roomBytes: number;
}

/** Where the kernel tells it. */
export interface MemoryFiles {
  /** @default "/proc" */
  readonly proc?: string;
  /** @default "/sys/fs/cgroup" */
  readonly cgroup?: string;
}

/** Reads a dozen small files: some 0.2 ms. Where none can be read there is no limit. */
export function readMemoryRoom({ proc = "/proc", cgroup = "/sys/fs/cgroup" }: MemoryFiles = {}): MemoryRoom {
  const rooms = [machineRoom(proc), ...groupsOf(proc, cgroup).map(roomOfGroup)];
  return {
    limitBytes: Math.min(...rooms.map((room) => room.limitBytes)),
    roomBytes: Math.max(0, Math.min(...rooms.map((room) => room.roomBytes))),
  };
}

const NO_LIMIT: MemoryRoom = {
  limitBytes: Number.POSITIVE_INFINITY,
  roomBytes: Number.POSITIVE_INFINITY,
};

function machineRoom(proc: string): MemoryRoom {
  const text = readText(join(proc, "meminfo"));
  const total = /^MemTotal: +(\d+) kB$/m.exec(text ?? "");
  const available = /^MemAvailable: +(\d+) kB$/m.exec(text ?? "");
  if (total === null || available === null) return NO_LIMIT;
  return { limitBytes: Number(total[1]) * 1024, roomBytes: Number(available[1]) * 1024 };
}

/** A control group for memory, as files of one of the two versions. */
interface Group {
  readonly directory: string;
  readonly limits: readonly string[];
  readonly usage: string;
  /** What the kernel can drop at once, among the lines of memory.stat. */
  readonly droppable: readonly string[];
}

const VERSION_1 = {
  limits: ["memory.limit_in_bytes"],
  usage: "memory.usage_in_bytes",
  droppable: ["total_inactive_file", "total_active_file"],
};
// Above memory.high nobody is killed, but everybody is stopped until there is room.
const VERSION_2 = {
  limits: ["memory.max", "memory.high"],
  usage: "memory.current",
  droppable: ["inactive_file", "active_file"],
};

/** The group of the process and its parents. */
function groupsOf(proc: string, cgroup: string): Group[] {
  const groups: Group[] = [];
  for (const line of (readText(join(proc, "self/cgroup")) ?? "").split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    if (controllers === "") {
      // Beside version 1, version 2 is mounted below it.
      for (const root of [cgroup, join(cgroup, "unified")])
        groups.push(...upwards(root, path).map((directory) => ({ ...VERSION_2, directory })));
    } else if (controllers.split(",").includes("memory")) {
      const root = join(cgroup, "memory");
      groups.push(...upwards(root, path).map((directory) => ({ ...VERSION_1, directory })));
    }
  }
  return groups;
}

/**
 * The directories of a group and its parents. In a container its path may be that of the host while it sees
 * its own group as the root: what cannot be found is passed over.
 */
function upwards(root: string, path: string): string[] {
  const directories = [root];
  for (let at = join("/", path); at !== "/"; at = dirname(at)) directories.push(join(root, at));
  return directories;
}

function roomOfGroup({ directory, limits, usage, droppable }: Group): MemoryRoom {
  const limitBytes = Math.min(...limits.map((name) => readNumber(join(directory, name))));
  // Version 1 says "no limit" with a number that no machine has.
  if (limitBytes >= Number.MAX_SAFE_INTEGER) return NO_LIMIT;
  const usedBytes = readNumber(join(directory, usage));
  if (!Number.isFinite(usedBytes)) return { limitBytes, roomBytes: limitBytes };
  const stat = readText(join(directory, "memory.stat")) ?? "";
  let droppableBytes = 0;
  for (const name of droppable)
    droppableBytes += Number(new RegExp(`^${name} (\\d+)$`, "m").exec(stat)?.[1] ?? 0);
  return { limitBytes, roomBytes: limitBytes - usedBytes + droppableBytes };
}

/** Infinity for `max`, and for what is not there. */
function readNumber(file: string): number {
  const text = readText(file)?.trim() ?? "";
  return /^\d+$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return undefined;
  }
}
