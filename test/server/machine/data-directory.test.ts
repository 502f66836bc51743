import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { DataDirectory } from "../../../src/server/machine/data-directory.ts";

const root = mkdtempSync(join(tmpdir(), "torpor-data-"));
afterAll(() => rmSync(root, { recursive: true }));

/** What is in a directory while a daemon has it, and when it has given it up. */
const LOCKED = ["torpord.lock", "torpord.lock.holder"];
const FREE = ["torpord.lock"];

let count = 0;
/** A path at which there is nothing yet. */
function freshPath(): string {
  return join(root, String(count++));
}

describe("a data directory", () => {
  it("is made for its owner alone, parents included, and keeps nothing but its lock file when it is given up", async () => {
    const path = join(freshPath(), "deep");
    const directory = await DataDirectory.open(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(readdirSync(path)).toEqual(LOCKED);
    await directory.close();
    expect(readdirSync(path)).toEqual(FREE);
  });

  it("is not made where nothing can be made, and that is said at once", async () => {
    const path = "/proc/torpor/data";
    await expect(DataDirectory.open(path)).rejects.toThrow(
      new RegExp(`^Data directory ${path} cannot be made: [A-Z]+: .*\\.$`),
    );
  });

  it("is not made where there is a file", async () => {
    const path = freshPath();
    writeFileSync(path, "precious");
    await expect(DataDirectory.open(path)).rejects.toThrow(
      new RegExp(`^Data directory ${path} cannot be made: EEXIST: .*\\.$`),
    );
  });
});

describe("the lock of a data directory", () => {
  it("names the process that holds it, and refuses a second daemon until it is released", async () => {
    const path = freshPath();
    const directory = await DataDirectory.open(path);
    const held = `Lock file ${join(path, "torpord.lock")} cannot be taken: process ${process.pid} of host ${hostname()}`;
    await expect(DataDirectory.open(path)).rejects.toThrow(held);
    await expect(DataDirectory.open(path)).rejects.toThrow(/, since \S+Z, holds it\.$/);
    await directory.close();
    await (await DataDirectory.open(path)).close();
  });

  it("holds although nobody knows who has it", async () => {
    const path = freshPath();
    const directory = await DataDirectory.open(path);
    for (const text of ["", "{}", "not JSON"]) {
      writeFileSync(join(path, "torpord.lock.holder"), text);
      await expect(DataDirectory.open(path)).rejects.toThrow("cannot be taken: another process holds it.");
    }
    await directory.close();
  });

  it("is free although a killed daemon has left the name of its holder", async () => {
    const path = freshPath();
    await (await DataDirectory.open(path)).close();
    writeFileSync(join(path, "torpord.lock.holder"), JSON.stringify({ host: "h", pid: 1, since: "then" }));
    await (await DataDirectory.open(path)).close();
  });

  it("goes to one of many that start at once", async () => {
    const path = freshPath();
    const results = await Promise.allSettled(Array.from({ length: 16 }, () => DataDirectory.open(path)));
    const opened = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(opened).toHaveLength(1);
    await opened[0]?.close();
  });

  it("is refused in doubt: a file of an earlier version may be held by a daemon of it", async () => {
    const path = freshPath();
    await (await DataDirectory.open(path)).close();
    writeFileSync(join(path, "torpord.lock"), "8760\nboot 1\n");
    await expect(DataDirectory.open(path)).rejects.toThrow(
      /cannot be taken: it is of an earlier version of torpord; if no daemon of that version runs here, remove it\.$/,
    );
  });

  it("says which file is in the way when there is no lock to be had", async () => {
    const path = freshPath();
    await (await DataDirectory.open(path)).close();
    rmSync(join(path, "torpord.lock"));
    symlinkSync(join(path, "absent", "file"), join(path, "torpord.lock"));
    await expect(DataDirectory.open(path)).rejects.toThrow(
      /^Lock file .*torpord\.lock cannot be taken: the file system gives no lock there \(SQLite: .*\)\.$/,
    );
  });
});

describe("swap files", () => {
  it("have their size, are for their owner alone, take no space, and are gone in the end", async () => {
    const path = freshPath();
    const directory = await DataDirectory.open(path);
    const stores = await directory.openSwap(["card0", "gpu-1"], 2 ** 30);
    expect(stores.map((store) => store.path)).toEqual([join(path, "swap-card0"), join(path, "swap-gpu-1")]);
    for (const store of stores) {
      const { size, blocks, mode } = statSync(store.path);
      expect({ size, blocks, mode: mode & 0o777 }).toEqual({ size: 2 ** 30, blocks: 0, mode: 0o600 });
    }
    await directory.close();
    expect(readdirSync(path)).toEqual(FREE);
  });

  it("are emptied of what a killed daemon left in them", async () => {
    const path = freshPath();
    const directory = await DataDirectory.open(path);
    const left = join(path, "swap-card0");
    writeFileSync(left, "secret");
    truncateSync(left, 2 ** 20);
    const [store] = await directory.openSwap(["card0"], 2 ** 17);
    const bytes = new Uint8Array(64).fill(1);
    await store?.read(0, bytes);
    expect(bytes).toEqual(new Uint8Array(64));
    expect(statSync(left).size).toBe(2 ** 17);
    await directory.close();
  });

  it("are refused when the file system has no room for all of them, and none is left behind", async () => {
    const path = freshPath();
    const directory = await DataDirectory.open(path);
    const sizeBytes = 2 ** 52;
    await expect(directory.openSwap(["card0", "card1"], sizeBytes)).rejects.toThrow(
      new RegExp(
        `^Directory ${path} has [0-9.]+ \\w+ free, which is less than the 8192 TiB that the swap files of all devices need, 4096 TiB each\\.$`,
      ),
    );
    expect(readdirSync(path)).toEqual(LOCKED);
    await directory.close();
  });

  it("are never made through a link, nor out of something else than a file", async () => {
    const path = freshPath();
    const directory = await DataDirectory.open(path);
    const precious = freshPath();
    writeFileSync(precious, "precious");
    symlinkSync(precious, join(path, "swap-card1"));
    await expect(directory.openSwap(["card0", "card1"], 65536)).rejects.toThrow(
      new RegExp(`^Swap file ${join(path, "swap-card1")} cannot be made: ELOOP: .*\\.$`),
    );
    expect(readFileSync(precious, "utf8")).toBe("precious");
    expect(existsSync(join(path, "swap-card0"))).toBe(false);
    spawnSync("sh", ["-c", 'mkfifo "$0"', join(path, "swap-card2")]);
    await expect(directory.openSwap(["card2"], 65536)).rejects.toThrow(
      `Swap file ${join(path, "swap-card2")} cannot be made: it is not a regular file.`,
    );
    await directory.close();
  });

  it("may be removed by others before their end", async () => {
    const path = freshPath();
    const directory = await DataDirectory.open(path);
    const [store] = await directory.openSwap(["card0"], 65536);
    if (store !== undefined) rmSync(store.path);
    await directory.close();
    expect(readdirSync(path)).toEqual(FREE);
  });
});
