import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { DaemonProcess, MAIN } from "../../support/daemon-process.ts";

const SMALL = ["--lmem", "64MiB", "--smem", "128MiB"];
const ANY_PORT = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"];

describe("torpord", () => {
  it("prints one ready line with both addresses, and exits 0 on SIGTERM", async () => {
    await using daemon = new DaemonProcess([...SMALL, ...ANY_PORT]);
    const { http, grpc } = await daemon.ready();
    expect(http).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
    expect(grpc).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
    const response = await fetch(`http://${http}/readyz`);
    expect(response.status).toBe(200);
    daemon.kill("SIGTERM");
    expect(await daemon.exit()).toEqual({ code: 0, signal: null });
    expect(daemon.stdout.match(/"msg":"ready"/g)).toHaveLength(1);
    expect(await daemon.line("stopped")).toMatchObject({ level: "info", drained: true });
  });

  it("exits 0 on SIGINT, and prints the ready line at any log level", async () => {
    await using daemon = new DaemonProcess([...SMALL, ...ANY_PORT, "--log-level", "silent"]);
    await daemon.ready();
    daemon.kill("SIGINT");
    expect(await daemon.exit()).toEqual({ code: 0, signal: null });
    expect(daemon.stdout.trim().split("\n")).toHaveLength(1);
  });

  it.each([
    ["a second one", 2200, "SIGTERM", 143],
    ["one of another kind", 0, "SIGINT", 130],
  ] as const)(
    "waits for a running call on the first signal and exits at once on %s",
    async (_, pauseMs, second, code) => {
      await using daemon = new DaemonProcess([...SMALL, ...ANY_PORT]);
      const { http } = await daemon.ready();
      const objects = `http://${http}/v1/devices/card0/objects`;
      await fetch(objects, { method: "POST", body: '{"size":"8192"}' });
      const upload = request(`${objects}/1/content`, {
        method: "PUT",
        headers: { "content-length": "8192" },
      });
      upload.on("error", () => {});
      upload.write(new Uint8Array(100));
      await pause(200);
      daemon.kill("SIGTERM");
      await daemon.line("stopping");
      await pause(pauseMs);
      expect(daemon.stdout).not.toContain('"msg":"stopped"');
      daemon.kill(second);
      expect(await daemon.exit()).toEqual({ code, signal: null });
    },
  );

  it("takes a signal that comes twice at once for one: npm and timeout hand on a Ctrl-C that it gets too", async () => {
    await using daemon = new DaemonProcess([...SMALL, ...ANY_PORT]);
    await daemon.ready();
    daemon.kill("SIGINT");
    await daemon.line("stopping");
    daemon.kill("SIGINT");
    expect(await daemon.exit()).toEqual({ code: 0, signal: null });
  });

  it("stops as soon as it can when the signal comes while it boots", async () => {
    await using daemon = new DaemonProcess([...SMALL, ...ANY_PORT, "--log-level", "trace"]);
    await pause(100);
    daemon.kill("SIGTERM");
    const exit = await daemon.exit();
    // Before it listens for signals, the signal ends it as it ends any process.
    expect(exit.code === 0 || exit.signal === "SIGTERM").toBe(true);
  });
});

describe("torpord in trouble", () => {
  it("takes over the unix sockets that a killed daemon left", async () => {
    const directory = mkdtempSync(join(tmpdir(), "torpor-unix-"));
    const http = `unix:${join(directory, "http.sock")}`;
    const addresses = ["--http", http, "--grpc", `unix:${join(directory, "grpc.sock")}`];
    await using first = new DaemonProcess([...SMALL, ...addresses]);
    await first.ready();
    first.kill("SIGKILL");
    await first.exit();
    await using second = new DaemonProcess([...SMALL, ...addresses]);
    expect((await second.ready()).http).toBe(http);
    await using check = new DaemonProcess(["healthcheck", "--http", http]);
    expect(await check.exit()).toEqual({ code: 0, signal: null });
    rmSync(directory, { recursive: true });
  });

  it("keeps a second daemon off its data directory, also the one that comes after it was killed", async () => {
    const directory = mkdtempSync(join(tmpdir(), "torpor-data-"));
    const words = [...SMALL, ...ANY_PORT, "--swap", "1GiB", "--data-dir", directory];
    await using first = new DaemonProcess(words);
    await first.ready();
    const files = ["devices.json", "images", "swap-card0", "torpord.lock", "torpord.lock.holder"];
    expect(readdirSync(directory)).toEqual(files);
    const lock = join(directory, "torpord.lock");
    const { host, pid, since } = JSON.parse(readFileSync(`${lock}.holder`, "utf8"));
    const refusal = `Lock file ${lock} cannot be taken: process ${pid} of host ${host}, since ${since}, holds it.`;
    await using second = new DaemonProcess(words);
    expect(await second.exit()).toEqual({ code: 1, signal: null });
    // A sentence, and no stack trace: nothing is wrong with the daemon.
    expect(await second.line(refusal)).toEqual({ level: "fatal", time: expect.any(String), msg: refusal });
    first.kill("SIGKILL");
    await first.exit();
    expect(readdirSync(directory)).toEqual(files);
    await using third = new DaemonProcess(words);
    await third.ready();
    third.kill("SIGTERM");
    expect(await third.exit()).toEqual({ code: 0, signal: null });
    expect(readdirSync(directory)).toEqual(["devices.json", "images", "torpord.lock"]);
    rmSync(directory, { recursive: true });
  });

  it("logs an error that nobody handled and exits 1", async () => {
    const bug = "if (isMainThread) setTimeout(() => Promise.reject(new Error('a bug')), 2000)";
    const script = `import{isMainThread}from'node:worker_threads';${bug}`;
    const environment = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` };
    await using daemon = new DaemonProcess([...SMALL, ...ANY_PORT], environment);
    expect(await daemon.line("an error was not handled")).toMatchObject({
      level: "fatal",
      err: { message: "a bug" },
    });
    expect(await daemon.exit()).toEqual({ code: 1, signal: null });
  });
});

describe("torpord and its configuration", () => {
  it("exits 2 with a whole sentence, before anything starts, when others could reach it", async () => {
    await using daemon = new DaemonProcess(["--http", "0.0.0.0:0"]);
    expect(await daemon.exit()).toEqual({ code: 2, signal: null });
    expect(daemon.stdout).toBe("");
    expect(daemon.stderr).toMatch(
      /^torpord: Address 0\.0\.0\.0:0 of http is not a loopback address, .*\.\n$/,
    );
  });

  it("listens for others when it is told to by the environment", async () => {
    const environment = { TORPOR_HTTP: "0.0.0.0:0", TORPOR_GRPC: "[::]:0", TORPOR_INSECURE_LISTEN: "true" };
    await using daemon = new DaemonProcess(SMALL, environment);
    const { http } = await daemon.ready();
    expect(http).toMatch(/^0\.0\.0\.0:[1-9]\d*$/);
  });

  it("exits 2 and names flag and value when a value makes no sense", async () => {
    await using daemon = new DaemonProcess(["--smem", "lots", "--min-page", "3"]);
    expect(await daemon.exit()).toEqual({ code: 2, signal: null });
    expect(daemon.stdout).toBe("");
    expect(daemon.stderr).toBe("torpord: --smem: smem (lots) is not a size, such as 256MiB or 268435456.\n");
  });

  it("exits 2 when swap has no directory for its file", async () => {
    await using daemon = new DaemonProcess(["--swap", "1GiB"]);
    expect(await daemon.exit()).toEqual({ code: 2, signal: null });
    expect(daemon.stderr).toMatch(/^torpord: --swap: swap \(1GiB\) needs a data directory .*\.\n$/);
  });

  it("exits 1 and says so in the log when an address is taken", async () => {
    await using first = new DaemonProcess([...SMALL, ...ANY_PORT]);
    const { http } = await first.ready();
    await using second = new DaemonProcess([...SMALL, ...ANY_PORT, "--http", http]);
    expect(await second.exit()).toEqual({ code: 1, signal: null });
    expect(second.stdout).toMatch(
      /"level":"fatal".*"msg":"Address .* cannot be listened on for REST: .*EADDRINUSE/,
    );
  });

  it("says what to do in a sentence where the system refuses it the memory", async () => {
    // As vm.overcommit_memory=2 does, and a limit of the shell.
    const limited = spawnSync(
      "sh",
      ["-c", 'ulimit -v 4000000 && exec "$0" "$@"', process.execPath, MAIN, ...ANY_PORT],
      {
        encoding: "utf8",
        timeout: 30_000,
      },
    );
    expect(limited.status).toBe(1);
    const fatal = limited.stdout.split("\n").find((line) => line.includes('"level":"fatal"'));
    expect(fatal).toContain(
      '"msg":"The system does not give device card0 its memory, lmem (1GiB) and smem (4GiB): name',
    );
    expect(fatal).not.toContain('"stack"');
  });

  it("says what to do where the machine has no such address", async () => {
    // TEST-NET-1, which no machine has.
    await using daemon = new DaemonProcess([
      ...SMALL,
      ...ANY_PORT,
      "--http",
      "192.0.2.1:0",
      "--insecure-listen",
    ]);
    expect(await daemon.exit()).toEqual({ code: 1, signal: null });
    expect(daemon.stdout).toContain("This machine has no such address: name one that it has with --http");
  });

  it.each([
    [["--help"], /^Usage: torpord /],
    [["--version"], /^\d+\.\d+\.\d+\n$/],
    [["--print-config", "--lmem", "2GiB"], /^lmem: \[ 2GiB \] # --lmem$/m],
  ])("answers %j and starts nothing", async (words, answer) => {
    await using daemon = new DaemonProcess(words);
    expect(await daemon.exit()).toEqual({ code: 0, signal: null });
    expect(daemon.stdout).toMatch(answer);
    expect(daemon.stderr).toBe("");
  });

  it("tells whoever has the configuration printed of a variable that nobody knows", async () => {
    await using daemon = new DaemonProcess(["--print-config"], { TORPOR_LMEN: "1GiB" });
    expect(await daemon.exit()).toEqual({ code: 0, signal: null });
    expect(daemon.stdout).toContain("lmem:");
    expect(daemon.stderr).toMatch(
      /^torpord: The environment variable TORPOR_LMEN looks like a setting[^\n]*\n$/,
    );
  });
});

describe("torpord healthcheck", () => {
  it("exits 0 while the daemon is ready and 1 when it is gone", async () => {
    await using daemon = new DaemonProcess([...SMALL, ...ANY_PORT]);
    const { http } = await daemon.ready();
    await using healthy = new DaemonProcess(["healthcheck"], { TORPOR_HTTP: http });
    expect(await healthy.exit()).toEqual({ code: 0, signal: null });
    expect(healthy.stdout + healthy.stderr).toBe("");
    daemon.kill("SIGTERM");
    await daemon.exit();
    await using sick = new DaemonProcess(["healthcheck", "--http", http]);
    expect(await sick.exit()).toEqual({ code: 1, signal: null });
    expect(sick.stderr).toMatch(/^torpord: The daemon at .* cannot be asked: .*\.\n$/);
  });

  it("cannot know a port that the system chose", async () => {
    await using check = new DaemonProcess(["healthcheck", "--http", "127.0.0.1:0"]);
    expect(await check.exit()).toEqual({ code: 1, signal: null });
    expect(check.stderr).toContain("The port of http is 0");
  });
});
