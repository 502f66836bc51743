/**
 * Containers of the image that scripts/docker-image.ts builds, run as strictly as an operator may run them: read-only
 * root file system, no capabilities, no new privileges.
 */
import { text } from "node:stream/consumers";
import type { WaitStrategy } from "testcontainers";
import { GenericContainer, getContainerRuntimeClient, type StartedTestContainer, Wait } from "testcontainers";
import { TEST_IMAGE } from "../../scripts/docker-image.ts";

// The clean-up container of testcontainers is an image that not every machine can pull; `await using` cleans up here.
process.env.TESTCONTAINERS_RYUK_DISABLED ??= "true";

const HTTP_PORT = 8585;
const GRPC_PORT = 8586;
/** Start of Node and of one device: about a second here, much longer on a busy machine. Unit: milliseconds. */
const STARTUP_TIMEOUT_MS = 120_000;

class StrictContainer extends GenericContainer {
  constructor(args: readonly string[], wait: WaitStrategy) {
    super(TEST_IMAGE);
    // There is no method for this one.
    this.hostConfig.ReadonlyRootfs = true;
    this.withDroppedCapabilities("ALL")
      .withSecurityOpt("no-new-privileges")
      .withCommand([...args])
      .withStartupTimeout(STARTUP_TIMEOUT_MS)
      .withWaitStrategy(wait);
  }
}

/** A daemon in a container, with its addresses as seen from outside. */
export interface DaemonContainer extends AsyncDisposable {
  readonly httpUrl: string;
  readonly grpcAddress: string;
  readonly container: StartedTestContainer;
}

/** Starts a daemon that listens for everyone, and waits until it is ready or, if asked to, until it is healthy. */
export async function startDaemon(
  args: readonly string[] = [],
  until: "ready" | "healthy" = "ready",
): Promise<DaemonContainer> {
  const { host } = (await getContainerRuntimeClient()).info.containerRuntime;
  // Where the tests run in a container themselves, the engine is not localhost, and the daemon has to be told that name.
  const names = host === "localhost" ? [] : ["--allowed-hosts", host];
  const wait = until === "healthy" ? Wait.forHealthCheck() : Wait.forHttp("/readyz", HTTP_PORT);
  const container = await new StrictContainer(["--insecure-listen", ...names, ...args], wait)
    .withExposedPorts(HTTP_PORT, GRPC_PORT)
    .start();
  return {
    container,
    httpUrl: `http://${host}:${container.getMappedPort(HTTP_PORT)}`,
    grpcAddress: `${host}:${container.getMappedPort(GRPC_PORT)}`,
    [Symbol.asyncDispose]: () => container[Symbol.asyncDispose](),
  };
}

/** How a container ended. */
export interface Ending {
  readonly exitCode: number;
  readonly log: string;
}

/** Runs the image until it ends by itself, which it has to do within the start-up timeout. */
export async function runToEnd(args: readonly string[]): Promise<Ending> {
  // Every line that the daemon may end with matches: what it says is for the test to judge.
  await using container = await new StrictContainer(args, Wait.forLogMessage(/\S/)).start();
  const client = await getContainerRuntimeClient();
  const result: unknown = await client.container.getById(container.getId()).wait();
  return { exitCode: exitCodeOf(result), log: await text(await container.logs()) };
}

/** Sends SIGTERM, and SIGKILL after the grace period. The container is still there afterwards. */
export async function terminate(daemon: DaemonContainer, graceMs: number): Promise<Ending> {
  const handle = (await getContainerRuntimeClient()).container.getById(daemon.container.getId());
  await handle.stop({ t: graceMs / 1000 });
  const { State } = await handle.inspect();
  return { exitCode: State.ExitCode, log: await text(await daemon.container.logs()) };
}

/** What the engine knows of the daemon's container. */
export async function inspect(daemon: DaemonContainer) {
  return (await getContainerRuntimeClient()).container.getById(daemon.container.getId()).inspect();
}

function exitCodeOf(result: unknown): number {
  if (typeof result === "object" && result !== null && "StatusCode" in result)
    return Number(result.StatusCode);
  throw new Error("The Docker engine did not say how the container ended.");
}
