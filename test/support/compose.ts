/** A project of docker/compose.yaml as an operator would start it, on ports of its own, removed at the end with its volumes. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import { ensureCompose } from "../../scripts/docker-compose.ts";
import { TEST_IMAGE } from "../../scripts/docker-image.ts";

const DOCKER = join(import.meta.dirname, "../../docker");
/** Start, hibernation of a small device, and Docker's own time for both. Unit: milliseconds. */
const COMPOSE_TIMEOUT_MS = 240_000;
/** Unit: milliseconds. */
const HEALTHY_TIMEOUT_MS = 180_000;
const HEALTH_POLL_MS = 500;

/** Files of docker/ that make a project, in the order in which compose merges them. */
export type ComposeFiles = readonly [string, ...string[]];
export const PLAIN: ComposeFiles = ["compose.yaml"];
export const SECURE: ComposeFiles = ["compose.yaml", "compose.secure.yaml"];

/** Runs compose. @throws Error with what it said, when it fails or cannot be had. */
export function compose(files: ComposeFiles, project: string, args: readonly string[], env = {}): string {
  const found = ensureCompose();
  if (!found.available) throw new Error(found.reason);
  const [program, ...words] = found.command;
  const named = files.flatMap((file) => ["-f", join(DOCKER, file)]);
  const run = spawnSync(program, [...words, "-p", project, ...named, ...args], {
    encoding: "utf8",
    timeout: COMPOSE_TIMEOUT_MS,
    env: { ...process.env, ...env },
  });
  if (run.status === 0) return run.stdout;
  throw new Error(`compose ${args.join(" ")} ended with ${run.status ?? run.signal}: ${run.stderr}`);
}

/** The files as compose understands them, with all variables at their defaults. */
export function mergedConfig(files: ComposeFiles): unknown {
  return parse(compose(files, "torpor-merged", ["config"]));
}

/** Whether the engine has an image, or can pull it. */
export function canHave(image: string): boolean {
  return (
    spawnSync("docker", ["image", "inspect", image], { stdio: "ignore" }).status === 0 ||
    spawnSync("docker", ["pull", "--quiet", image], { stdio: "ignore", timeout: COMPOSE_TIMEOUT_MS })
      .status === 0
  );
}

/** A project with some of its services, as seen from outside. */
export class ComposeProject implements AsyncDisposable {
  readonly #name: string;
  readonly #env: Readonly<Record<string, string>>;

  /** Starts services, with small devices and on ports that the system chooses; waits until torpord is healthy. */
  static async up(services: readonly string[]): Promise<ComposeProject> {
    const project = new ComposeProject();
    try {
      project.#run("up", "-d", "--no-build", ...services);
      await project.healthy("torpord");
      return project;
    } catch (error) {
      await project[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor() {
    this.#name = `torpor-test-${process.pid}`;
    this.#env = {
      TORPOR_IMAGE: TEST_IMAGE,
      TORPOR_LMEM: "128MiB",
      TORPOR_SMEM: "256MiB",
      TORPOR_SWAP: "64MiB",
      TORPOR_MEMORY: "1g",
      TORPOR_CPUS: "1",
      TORPOR_HTTP_PORT: "0",
      TORPOR_GRPC_PORT: "0",
      PROMETHEUS_PORT: "0",
      GRAFANA_PORT: "0",
    };
  }

  /** Address of a port of a service on this machine, `127.0.0.1:32768`; another one after each start. */
  address(service: string, port: number): string {
    return this.#run("port", service, String(port)).trim();
  }

  /** Ends the containers as an operator would, with the grace period of the file. */
  stop(): void {
    this.#run("stop");
  }

  async start(): Promise<void> {
    this.#run("start");
    await this.healthy("torpord");
  }

  /** Waits until the health check of a service says so. @throws Error with the log of the service when it does not. */
  async healthy(service: string): Promise<void> {
    const deadline = Date.now() + HEALTHY_TIMEOUT_MS;
    while (Date.now() < deadline) {
      if (this.inspect(service, "{{.State.Health.Status}}") === "healthy") return;
      await sleep(HEALTH_POLL_MS);
    }
    throw new Error(`${service} is not healthy in time; its log: ${this.log(service)}`);
  }

  /** What the engine knows of the container of a service, by a template of `docker inspect`. */
  inspect(service: string, format: string): string {
    const id = this.#run("ps", "-a", "-q", service).trim();
    return spawnSync("docker", ["inspect", "--format", format, id], { encoding: "utf8" }).stdout.trim();
  }

  log(service: string): string {
    return this.#run("logs", "--no-color", service);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#run("down", "--volumes", "--timeout", "1");
  }

  #run(...args: readonly string[]): string {
    return compose(PLAIN, this.#name, args, this.#env);
  }
}
