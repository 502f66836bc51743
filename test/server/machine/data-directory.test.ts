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
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { DataDirectory } from "../../../src/server/machine/data-directory.ts";

const root = mkdtempSync(join(tmpdir(), "torpor-data-"));
afterAll(() => rmSync(root, { recursive: true }));

let count = 0;
/** A path at which there is nothing yet. */
function freshPath(): string {
  return join(root, String(count++));
}

/** A data directory whose lock file is as another process left it. */
async function leftBehind(lock: string): Promise<{ path: string; lockPath: string }> {
  const path = freshPath();
  const directory = await DataDirectory.open(path);
  await directory.close();
  const lockPath = join(path, "torpord.lock");
  writeFileSync(lockPath, lock);
  return { path, lockPath };
}

describe("a data directory", () => {
  it("is made for its owner alone, parents included, and is empty again when it is given up", async () => {
    const path = join(freshPath(), "deep");
    const directory = await DataDirectory.open(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(readdirSync(path)).toEqual(["torpord.lock"]);
    await directory.close();
    expect(readdirSync(path)).toEqual([]);
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
  it("names the process, and refuses a second daemon with its id and the path", async () => {
    const path = freshPath();
    const directory = await DataDirectory.open(path);
    const lockPath = join(path, "torpord.lock");
    expect(readFileSync(lockPath, "utf8").split("\n")[0]).toBe(String(process.pid));
    await expect(DataDirectory.open(path)).rejects.toThrow(
      `Lock file ${lockPath} cannot be taken: the process with id ${process.pid} holds it.`,
    );
    await directory.close();
    await (await DataDirectory.open(path)).close();
  });

  it("is respected when another process holds it, whether or not it tells its start", async () => {
    const { path } = await leftBehind(`${process.ppid}\n`);
    await expect(DataDirectory.open(path)).rejects.toThrow(`the process with id ${process.ppid} holds it`);
  });

  it.each([
    ["a dead process", `${spawnSync("true").pid}\n`],
    ["an earlier process with the same id, as in a new container", `${process.pid}\nboot 1\n`],
    ["a process that died before it wrote its id", ""],
    ["somebody else altogether", "not a number\n99999999999999999999\n"],
  ])("is taken over from %s", async (_, text) => {
    const { path, lockPath } = await leftBehind(text);
    const directory = await DataDirectory.open(path);
    expect(readFileSync(lockPath, "utf8").split("\n")[0]).toBe(String(process.pid));
    await expect(DataDirectory.open(path)).rejects.toThrow("holds it");
    await directory.close();
    expect(readdirSync(path)).toEqual([]);
  });

  it.each([0, 1, 2, 3])("goes to one of many that start at once over a stale one", async () => {
    const { path } = await leftBehind(`${spawnSync("true").pid}\n`);
    const results = await Promise.allSettled(Array.from({ length: 16 }, () => DataDirectory.open(path)));
    const opened = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(opened).toHaveLength(1);
    expect(readdirSync(path)).toEqual(["torpord.lock"]);
    await opened[0]?.close();
  });

  it("is taken over although somebody died while taking it over", async () => {
    const dead = `${spawnSync("true").pid}\n`;
    const { path, lockPath } = await leftBehind(dead);
    writeFileSync(`${lockPath}.takeover`, dead);
    await (await DataDirectory.open(path)).close();
    expect(readdirSync(path)).toEqual([]);
  });

  it("stays when it is somebody else's by the time it is released", async () => {
    const path = freshPath();
    const directory = await DataDirectory.open(path);
    const lockPath = join(path, "torpord.lock");
    writeFileSync(lockPath, "1\nof another\n");
    await directory.close();
    expect(readFileSync(lockPath, "utf8")).toBe("1\nof another\n");
  });

  it("says which file is in the way when it cannot be made", async () => {
    const { path, lockPath } = await leftBehind("");
    rmSync(lockPath);
    symlinkSync(join(path, "absent", "file"), lockPath);
    await expect(DataDirectory.open(path)).rejects.toThrow(
      new RegExp(`^Lock file ${lockPath} cannot be taken: .*\\.$`),
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
    expect(readdirSync(path)).toEqual([]);
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
    expect(readdirSync(path)).toEqual(["torpord.lock"]);
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
    expect(readdirSync(path)).toEqual([]);
  });
});
