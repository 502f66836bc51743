/**
 * Makes sure that a Docker engine answers: the one that runs, or, as root on a machine with apt-get, one that is
 * installed and started here. The engine keeps running afterwards, so that the next run finds it.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, openSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { aptKnows, installPackages, lastLines, onPath } from "./apt.ts";

/** The engine is there, or a whole sentence that says why not. */
export type EngineState =
  | { readonly available: true }
  | { readonly available: false; readonly reason: string };

/** dockerd answers after about two seconds here; a cold disk may take ten times that. Unit: milliseconds. */
const ENGINE_START_TIMEOUT_MS = 60_000;
/** A hung engine must not hang the tests. Unit: milliseconds. */
const ENGINE_ANSWER_TIMEOUT_MS = 15_000;

export async function ensureEngine(): Promise<EngineState> {
  if (engineAnswers()) return { available: true };
  if (process.env.DOCKER_HOST !== undefined) {
    return missing("DOCKER_HOST is set, but no Docker engine answers there.");
  }
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    return missing(
      `No Docker engine answers, and only root on Linux can install and start one: ${whatToDo()}.`,
    );
  }
  const obstacle = installEngine();
  return obstacle === undefined ? startEngine() : missing(obstacle);
}

function whatToDo(): string {
  if (onPath("docker")) return "start Docker, or join the group that may use it";
  return onPath("apt-get") ? "apt-get install docker.io" : "install Docker and start it";
}

function missing(reason: string): EngineState {
  return { available: false, reason };
}

/** Whether an engine runs already. */
export function engineAnswers(): boolean {
  // The client exits with 0 even when the engine is away unless a field of the server is asked for.
  const answer = spawnSync("docker", ["info", "--format", "{{.ServerVersion}}"], {
    encoding: "utf8",
    timeout: ENGINE_ANSWER_TIMEOUT_MS,
  });
  return answer.status === 0 && /^\d/.test(answer.stdout);
}

/** Installs what is missing of engine and client. Returns a sentence if it cannot. */
function installEngine(): string | undefined {
  const packages: string[] = [];
  if (!onPath("dockerd")) packages.push("docker.io");
  // From Debian 13 on the client is a package of its own; before, docker.io brings it.
  if (!onPath("docker") && aptKnows("docker-cli")) packages.push("docker-cli");
  if (packages.length === 0) return undefined;
  return installPackages(packages, "Docker engine");
}

async function startEngine(): Promise<EngineState> {
  const log = join(mkdtempSync(join(tmpdir(), "torpor-dockerd-")), "dockerd.log");
  const output = openSync(log, "a");
  const engine = spawn("dockerd", [], { detached: true, stdio: ["ignore", output, output] });
  let ended = false;
  engine.once("error", () => {
    ended = true;
  });
  engine.once("exit", () => {
    ended = true;
  });
  engine.unref();

  const deadline = Date.now() + ENGINE_START_TIMEOUT_MS;
  while (!ended && Date.now() < deadline) {
    await sleep(500);
    if (!engineAnswers()) continue;
    console.log(`Started dockerd as process ${engine.pid}; it keeps running, and its log is ${log}.`);
    return { available: true };
  }
  const what = ended
    ? "dockerd ended at once"
    : `dockerd did not answer within ${ENGINE_START_TIMEOUT_MS / 1000} s`;
  if (!ended) engine.kill();
  return missing(`${what}; the end of its log (${log}): ${lastLines(readFileSync(log, "utf8"))}`);
}
