/**
 * Starts the object store of Ceph for the tests of a run: one node with its data in memory, on ports of its own, which
 * ends with the run. Tests find it in variables of the environment.
 */
import { spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const POLL_MS = 200;
const ANSWER_TIMEOUT_MS = 5_000;
const STARTING_MS = 40_000;
const COMMAND_TIMEOUT_MS = 60_000;
/** For the monitor, the gateway, and what the daemons say to each other. */
const PORTS = 20;
const ATTEMPTS_MAX = 3;

let stop: () => Promise<void> = async () => {};

/** Called by vitest before and after the tests. */
export async function setup(): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      stop = await startRgw();
      return;
    } catch (error) {
      // Another program may have taken one of the ports.
      if (attempt === ATTEMPTS_MAX) throw error;
      console.warn(`Ceph is started again: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

export async function teardown(): Promise<void> {
  await stop();
}

async function startRgw(): Promise<() => Promise<void>> {
  const root = mkdtempSync(join(tmpdir(), "torpor-ceph-"));
  for (const folder of ["mon", "osd", "run"]) mkdirSync(join(root, folder));
  const first = await freePorts();
  const [mon, http] = [first, first + 1];
  const [fsid, osd] = [randomUUID(), randomUUID()];
  const config = join(root, "ceph.conf");
  writeFileSync(config, configOf({ root, fsid, mon, http, first: first + 2 }));
  const children: ReturnType<typeof spawn>[] = [];
  const run = (program: string, ...words: string[]): string => {
    const done = spawnSync(program, ["-c", config, ...words], {
      encoding: "utf8",
      timeout: COMMAND_TIMEOUT_MS,
    });
    if (done.status === 0) return done.stdout;
    throw new Error(`${program} ${words.join(" ")} failed: ${done.stderr}${done.error?.message ?? ""}`);
  };
  let lastAnswer = "";
  /** Undefined while there is no answer: a monitor that has just begun refuses some, and leaves others waiting. */
  const ask = (...words: string[]): string | undefined => {
    const done = spawnSync("ceph", ["-c", config, ...words], {
      encoding: "utf8",
      timeout: ANSWER_TIMEOUT_MS,
    });
    lastAnswer = `${done.stderr}${done.error?.message ?? ""}`;
    return done.status === 0 ? done.stdout : undefined;
  };
  const start = (program: string, ...words: string[]): void => {
    children.push(spawn(program, ["-c", config, "-f", ...words], { stdio: "ignore" }));
  };
  const end = async (): Promise<void> => {
    const living = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    const ended = living.map((child) => new Promise((resolve) => child.once("exit", resolve)));
    for (const child of living) child.kill("SIGKILL");
    await Promise.all(ended);
    rmSync(root, { recursive: true, force: true });
  };
  try {
    const map = join(root, "monmap");
    const address = `[v1:127.0.0.1:${mon}]`;
    run("monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", address, map);
    run("ceph-mon", "-i", "a", "--mkfs", "--monmap", map);
    start("ceph-mon", "-i", "a");
    await until(
      "the monitor",
      () => spawnSync("ceph", ["-c", config, "-s"], { timeout: 5_000 }).status === 0,
    );
    run("ceph", "osd", "new", osd, "0");
    run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd);
    start("ceph-osd", "-i", "0");
    await until("the disk", () => ask("osd", "stat")?.includes("1 up") === true);
    start("radosgw", "-n", "client.rgw");
    await until("the gateway", () =>
      fetch(`http://127.0.0.1:${http}/`, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) }).then(
        () => true,
        () => false,
      ),
    );
    const user = [
      "user",
      "create",
      "--uid=t",
      "--display-name=t",
      "--access-key=AKTEST",
      "--secret-key=SKTEST",
    ];
    run("radosgw-admin", ...user);
  } catch (error) {
    const ended = children.map(({ spawnargs, exitCode }) => `${spawnargs[0]}: ${exitCode}`).join(", ");
    await end();
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${why} The last answer was: ${lastAnswer.trim()} Exit codes: ${ended}.`, {
      cause: error,
    });
  }
  process.env.TORPOR_TEST_S3 = `http://127.0.0.1:${http}`;
  process.env.AWS_ACCESS_KEY_ID = "AKTEST";
  process.env.AWS_SECRET_ACCESS_KEY = "SKTEST";
  return end;
}

async function until(what: string, isUp: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + STARTING_MS;
  while (!(await isUp())) {
    if (performance.now() > deadline) throw new Error(`${what} does not answer.`);
    await pause(POLL_MS);
  }
}

/** The first of some ports in a row, below those that the system gives to connections. */
async function freePorts(): Promise<number> {
  const ports = (first: number) => Array.from({ length: PORTS }, (_, index) => first + index);
  for (;;) {
    const first = 20_000 + PORTS * Math.floor(Math.random() * 600);
    const free = await Promise.all(ports(first).map(isFree));
    if (free.every(Boolean)) return first;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

interface Node {
  readonly root: string;
  readonly fsid: string;
  readonly mon: number;
  readonly http: number;
  readonly first: number;
}

function configOf({ root, fsid, mon, http, first }: Node): string {
  const run = join(root, "run");
  return `[global]
fsid = ${fsid}
mon host = v1:127.0.0.1:${mon}
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
ms bind port min = ${first}
ms bind port max = ${first + PORTS - 3}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
osd crush chooseleaf type = 0
osd crush update on start = true
osd objectstore = memstore
memstore device bytes = 6442450944
run dir = ${run}
pid file = ${run}/$name.pid
admin socket = ${run}/$name.asok
log file = ${run}/$name.log
mon data = ${root}/mon
osd data = ${root}/osd
mon cluster log file = ${run}/cluster.log
crash dir = ${run}
rgw frontends = beast endpoint=127.0.0.1:${http}
rgw data = ${run}
rgw enable usage log = false
rgw gc obj min wait = 30
rgw gc processor period = 30
rgw thread pool size = 64
keyring = /dev/null
`;
}
