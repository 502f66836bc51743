/**
 * Containers of the image that scripts/docker-image.ts builds, run as strictly as an operator may run them: read-only
 * root file system, no capabilities, no new privileges.
 */
import { text } from "node:stream/consumers";
import { GenericContainer, getContainerRuntimeClient, Wait } from "testcontainers";
import { type StartedTorporContainer, TorporContainer } from "../../packages/testcontainers/src/mod.ts";
import { TEST_IMAGE } from "../../scripts/docker-image.ts";

// The clean-up container of testcontainers is an image that not every machine can pull; `await using` cleans up here.
process.env.TESTCONTAINERS_RYUK_DISABLED ??= "true";

const GIB = 1024 ** 3;
/** Start of Node and of one device: about a second here, much longer on a busy machine. Unit: milliseconds. */
const STARTUP_TIMEOUT_MS = 120_000;

/** A daemon in the manner of the module, as strictly as an operator may run it. */
class StrictTorporContainer extends TorporContainer {
  constructor() {
    super(TEST_IMAGE);
    // There is no method for this one.
    this.hostConfig.ReadonlyRootfs = true;
    this.withDroppedCapabilities("ALL").withSecurityOpt("no-new-privileges");
  }
}

/** Starts a daemon that listens for everyone, and waits until it is ready or, if asked to, until it is healthy. */
export function startDaemon(until: "ready" | "healthy" = "ready"): Promise<StartedTorporContainer> {
  const container = new StrictTorporContainer();
  if (until === "healthy") container.withWaitStrategy(Wait.forHealthCheck());
  return container.start();
}

/** How a container ended. */
export interface Ending {
  readonly exitCode: number;
  readonly log: string;
}

/**
 * Runs the image with these words and nothing else until it ends by itself, which it has to do within the start-up timeout.
 * @param limits of the container.
 */
export async function runToEnd(
  args: readonly string[],
  limits: {
    readonly memoryBytes?: number;
    /** A named volume and where it is mounted. */
    readonly volume?: { readonly source: string; readonly target: string };
  } = {},
): Promise<Ending> {
  // Every line that the daemon may end with matches: what it says is for the test to judge.
  const definition = new GenericContainer(TEST_IMAGE)
    .withCommand([...args])
    .withStartupTimeout(STARTUP_TIMEOUT_MS)
    .withWaitStrategy(Wait.forLogMessage(/\S/));
  if (limits.memoryBytes !== undefined) {
    definition.withResourcesQuota({ memory: limits.memoryBytes / GIB });
  }
  if (limits.volume !== undefined) definition.withBindMounts([{ ...limits.volume, mode: "rw" }]);
  await using container = await definition.start();
  const client = await getContainerRuntimeClient();
  const result: unknown = await client.container.getById(container.getId()).wait();
  return { exitCode: exitCodeOf(result), log: await text(await container.logs()) };
}

/** Sends SIGTERM, and SIGKILL after the grace period. The container is still there afterwards. */
export async function terminate(daemon: StartedTorporContainer, graceMs: number): Promise<Ending> {
  const handle = (await getContainerRuntimeClient()).container.getById(daemon.getId());
  await handle.stop({ t: graceMs / 1000 });
  const { State } = await handle.inspect();
  return { exitCode: State.ExitCode, log: await text(await daemon.logs()) };
}

/** What the engine knows of the daemon's container. */
export async function inspect(daemon: StartedTorporContainer) {
  return (await getContainerRuntimeClient()).container.getById(daemon.getId()).inspect();
}

function exitCodeOf(result: unknown): number {
  if (typeof result === "object" && result !== null && "StatusCode" in result)
    return Number(result.StatusCode);
  throw new Error("The Docker engine did not say how the container ended.");
}
