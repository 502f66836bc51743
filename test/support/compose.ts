/** A project of docker/compose.yaml as an operator would start it, on ports of its own, removed at the end with its volumes. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
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

type Variables = Readonly<Record<string, string>>;

const execute = promisify(execFile);

/** Runs compose. @throws Error with what it said, when it fails or cannot be had. */
async function compose(
  files: ComposeFiles,
  project: string,
  args: readonly string[],
  env: Variables,
): Promise<string> {
  const found = ensureCompose();
  if (!found.available) throw new Error(found.reason);
  const [program, ...words] = found.command;
  const named = files.flatMap((file) => ["-f", join(DOCKER, file)]);
  const { stdout } = await execute(program, [...words, "-p", project, ...named, ...args], {
    timeout: COMPOSE_TIMEOUT_MS,
    env: { ...process.env, ...env },
  });
  return stdout;
}

/** The files as compose understands them, with all variables at their defaults. */
export async function mergedConfig(files: ComposeFiles): Promise<unknown> {
  return parse(await compose(files, "torpor-merged", ["config"], {}));
}

/** What a project is made of. */
export interface ComposeSettings {
  readonly files: ComposeFiles;
  /** Those that are started, and what they depend on. */
  readonly services: readonly string[];
  /** Variables of the files, beside those of memories, image and ports. */
  readonly variables: Variables;
}

/** A project with some of its services, as seen from outside. */
export class ComposeProject implements AsyncDisposable {
  static #count = 0;
  readonly #name: string;
  readonly #files: ComposeFiles;
  readonly #env: Variables;

  /** Starts services, with small devices and on ports that the system chooses; waits until each is healthy. */
  static async up(settings: ComposeSettings): Promise<ComposeProject> {
    const project = new ComposeProject(settings);
    try {
      await project.#run("up", "-d", "--no-build", ...settings.services);
      for (const service of settings.services) await project.healthy(service);
      return project;
    } catch (error) {
      // Compose says that a container is unhealthy, and not why.
      const log = await project.log().catch(() => "none");
      await project[Symbol.asyncDispose]();
      throw new Error(`The project did not come up; its log: ${log}`, { cause: error });
    }
  }

  private constructor({ files, variables }: ComposeSettings) {
    ComposeProject.#count += 1;
    this.#name = `torpor-test-${process.pid}-${ComposeProject.#count}`;
    this.#files = files;
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
      ...variables,
    };
  }

  /** Address of a port of a service on this machine, `127.0.0.1:32768`; another one after each start. */
  async address(service: string, port: number): Promise<string> {
    return (await this.#run("port", service, String(port))).trim();
  }

  /** Ends the containers of services as an operator would, with the grace period of the file. */
  async stop(...services: readonly string[]): Promise<void> {
    await this.#run("stop", ...services);
  }

  /** Starts them again; waits until they are healthy. */
  async start(...services: readonly string[]): Promise<void> {
    await this.#run("start", ...services);
    for (const service of services) await this.healthy(service);
  }

  /** Waits until the health check of a service says so. @throws Error with the log of the service when it does not. */
  async healthy(service: string): Promise<void> {
    const id = await this.#container(service);
    const deadline = Date.now() + HEALTHY_TIMEOUT_MS;
    while (Date.now() < deadline) {
      if ((await inspect(id, "{{.State.Health.Status}}")) === "healthy") return;
      await sleep(HEALTH_POLL_MS);
    }
    throw new Error(`${service} is not healthy in time; its log: ${await this.log(service)}`);
  }

  /** What the engine knows of the container of a service, by a template of `docker inspect`. */
  async inspect(service: string, format: string): Promise<string> {
    return inspect(await this.#container(service), format);
  }

  /** What services have said; all of them, if none is named. */
  log(...services: readonly string[]): Promise<string> {
    return this.#run("logs", "--no-color", ...services);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#run("down", "--volumes", "--timeout", "1");
  }

  async #container(service: string): Promise<string> {
    return (await this.#run("ps", "-a", "-q", service)).trim();
  }

  #run(...args: readonly string[]): Promise<string> {
    return compose(this.#files, this.#name, args, this.#env);
  }
}

async function inspect(container: string, format: string): Promise<string> {
  return (await execute("docker", ["inspect", "--format", format, container])).stdout.trim();
}
