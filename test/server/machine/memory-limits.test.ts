/** What the kernel says of memory, in the files of both versions of control groups, and what is made of it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openMachineMemory } from "../../../src/server/machine/host-memory.ts";
import { readMemoryRoom } from "../../../src/server/machine/memory-limits.ts";

const MIB = 2 ** 20;
const MACHINE = "MemTotal:        8388608 kB\nMemFree: 1 kB\nMemAvailable:    4194304 kB\n";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "torpor-limits-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function room(files: Readonly<Record<string, string>>) {
  for (const [name, text] of Object.entries({ "proc/meminfo": MACHINE, ...files })) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  const { limitBytes, roomBytes } = readMemoryRoom({
    proc: join(root, "proc"),
    cgroup: join(root, "cgroup"),
  });
  return { limitMib: limitBytes / MIB, roomMib: roomBytes / MIB };
}

describe("the room of a process", () => {
  it("is what the machine has where no group has a limit", () => {
    expect(room({ "proc/self/cgroup": "0::/a\n", "cgroup/a/memory.max": "max\n" })).toEqual({
      limitMib: 8192,
      roomMib: 4096,
    });
  });

  it("is what its group of version 2 leaves, without what the kernel can drop", () => {
    const stat = `anon 1\ninactive_file ${100 * MIB}\nactive_file ${50 * MIB}\n`;
    expect(
      room({
        "proc/self/cgroup": "0::/a/b\n",
        "cgroup/a/b/memory.max": `${1024 * MIB}\n`,
        "cgroup/a/b/memory.current": `${600 * MIB}\n`,
        "cgroup/a/b/memory.stat": stat,
      }),
    ).toEqual({ limitMib: 1024, roomMib: 574 });
  });

  it("is bounded by the group's parents, and by memory.high, above which everybody stands still", () => {
    expect(
      room({
        "proc/self/cgroup": "0::/a/b\n",
        "cgroup/a/memory.max": `${700 * MIB}\n`,
        "cgroup/a/memory.current": `${500 * MIB}\n`,
        "cgroup/a/b/memory.max": `${1024 * MIB}\n`,
        "cgroup/a/b/memory.high": `${512 * MIB}\n`,
        "cgroup/a/b/memory.current": `${100 * MIB}\n`,
      }),
    ).toEqual({ limitMib: 512, roomMib: 200 });
  });

  it("is what its group of version 1 leaves, also where the path is that of the host and the root its own", () => {
    const group = {
      "memory.limit_in_bytes": `${512 * MIB}\n`,
      "memory.usage_in_bytes": `${300 * MIB}\n`,
      "memory.stat": `inactive_file 1\ntotal_inactive_file ${20 * MIB}\ntotal_active_file 0\n`,
    };
    const files = Object.entries(group).map(([name, text]) => [`cgroup/memory/${name}`, text]);
    const process = { "proc/self/cgroup": "9:cpu:/x\n4:memory:/docker/0123\n0::/\n" };
    expect(room({ ...process, ...Object.fromEntries(files) })).toEqual({ limitMib: 512, roomMib: 232 });
  });

  it("has no bound that nobody says", () => {
    const none = readMemoryRoom({ proc: join(root, "none"), cgroup: join(root, "none") });
    expect(none).toEqual({ limitBytes: Number.POSITIVE_INFINITY, roomBytes: Number.POSITIVE_INFINITY });
  });

  it("of version 1 without a limit is the machine's", () => {
    const files = { "cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n" };
    expect(room({ "proc/self/cgroup": "4:memory:/\n", ...files }).limitMib).toBe(8192);
  });
});

describe("the machine's memory for devices", () => {
  it("is what was left at the start, less what is kept, and less what was taken, though it is not touched", () => {
    const machine = openMachineMemory({ read: () => ({ limitBytes: 1024 * MIB, roomBytes: 900 * MIB }) });
    const before = machine.spareBytes();
    expect(before / MIB).toBe(900 - 96 - 64);
    machine.take(100 * MIB);
    expect(machine.spareBytes()).toBe(before - 100 * MIB);
  });

  it("is less when others take from the same machine, and is read again only now and then", () => {
    let nowMs = 0;
    let reads = 0;
    let roomBytes = 900 * MIB;
    const read = () => {
      reads++;
      return { limitBytes: 1024 * MIB, roomBytes };
    };
    const machine = openMachineMemory({ read, nowMs: () => nowMs });
    roomBytes = 100 * MIB;
    for (let at = 0; at < 100; at++) machine.spareBytes();
    expect(reads).toBe(1);
    nowMs += 1000;
    expect(machine.spareBytes() / MIB).toBe(100 - 64);
    machine.take(30 * MIB);
    expect(machine.spareBytes() / MIB).toBe(6);
    expect(reads).toBe(2);
  });
});
