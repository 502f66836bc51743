/** What others may change is told at start: the tokens file and the data directory. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DaemonProcess } from "../../support/daemon-process.ts";

const SMALL = ["--lmem", "64MiB", "--smem", "128MiB", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "torpor-others-"));
  mkdirSync(join(folder, "data"), { mode: 0o700 });
  writeFileSync(join(folder, "tokens.yaml"), "tokens: []\nclients: []\n", { mode: 0o600 });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The warnings of a start with both. */
async function warnings(): Promise<string[]> {
  await using daemon = new DaemonProcess([
    ...SMALL,
    ...["--data-dir", join(folder, "data"), "--tokens", join(folder, "tokens.yaml")],
  ]);
  await daemon.ready();
  const warned = daemon.stdout.split("\n").filter((line) => line.includes('"level":"warn"'));
  return warned.map((line) => String(Object(JSON.parse(line)).msg));
}

describe("what others may change", () => {
  it("is told of neither when both are the daemon's own", async () => {
    expect(await warnings()).toEqual([]);
  });

  it("is told of a tokens file and of a data directory", async () => {
    chmodSync(join(folder, "tokens.yaml"), 0o666);
    chmodSync(join(folder, "data"), 0o777);
    expect(await warnings()).toEqual([
      expect.stringMatching(/^The tokens file .*tokens.yaml can be changed by every user/),
      expect.stringMatching(/^The data directory .*data can be changed by every user/),
    ]);
  });

  it("is told of a folder in which everybody may put another file in its place", async () => {
    chmodSync(folder, 0o777);
    expect(await warnings()).toEqual([
      expect.stringMatching(/^The tokens file .*can be replaced by every user/),
      expect.stringMatching(/^The data directory .*can be replaced by every user/),
    ]);
  });
});
