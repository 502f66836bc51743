/** What operators do with containers of the daemon, and what happens to them, by the module for testcontainers. */
import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type StartedTorporContainer, TorporContainer } from "../../packages/testcontainers/src/mod.ts";
import { TEST_IMAGE } from "../../scripts/docker-image.ts";
import { runToEnd } from "../support/containers.ts";
import { RestClient, type RestDevice, type RestObject } from "../support/containers-rest.ts";

process.env.TESTCONTAINERS_RYUK_DISABLED ??= "true";
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** Of torpord: the configuration cannot be used. */
const EXIT_BAD_CONFIG = 2;
const OBJECT_BYTES = 4 * MIB;
const POLL_MS = 20;
/** For a transition to come to a failpoint. Unit: milliseconds. */
const PATIENCE_MS = 60_000;

describe("a configuration that cannot be used ends the container with 2 and a sentence:", () => {
  test.each([
    ["a size that is none", ["--lmem", "2 gigs"], "--lmem: lmem (2 gigs) is not a size"],
    ["a flag that there is not", ["--lmen", "1GiB"], "Unknown option '--lmen' (Did you mean --lmem?)"],
    ["a tokens file that is not there", ["--tokens", "/nowhere"], "/nowhere"],
    ["hibernation without a place for images", ["--on-shutdown", "hibernate"], "needs a data directory"],
  ])("%s", async (_, flags, sentence) => {
    const { exitCode, log } = await runToEnd(["--insecure-listen", ...flags]);
    expect(log).toContain(`torpord: `);
    expect(log).toContain(sentence);
    expect(exitCode, log).toBe(EXIT_BAD_CONFIG);
  });

  test("memories that are larger than the memory limit of the container", async () => {
    const flags = ["--insecure-listen", "--lmem", "256MiB", "--smem", "512MiB"];
    const { exitCode, log } = await runToEnd(flags, { memoryBytes: GIB / 2 });
    expect(log).toContain("(768MiB) are larger than the memory limit of this process (512MiB)");
    expect(exitCode, log).toBe(EXIT_BAD_CONFIG);
  });
});

describe("two daemons side by side", () => {
  let one: StartedTorporContainer;
  let other: StartedTorporContainer;

  beforeAll(async () => {
    const start = () =>
      new TorporContainer(TEST_IMAGE).withDevice({ lmem: "128MiB", smem: "256MiB" }).start();
    [one, other] = await Promise.all([start(), start()]);
  });

  afterAll(async () => {
    await Promise.all([one?.stop(), other?.stop()]);
  });

  test("have devices of their own: what one suspends, the other goes on with", async () => {
    const rest = new RestClient(other.getRestUrl());
    const { name } = await rest.post<RestObject>("devices/card0/objects", { size: String(MIB) });
    const content = randomBytes(MIB);
    await one.suspend();
    await rest.upload(name, content);
    expect(await rest.downloadSha256(name, MIB)).toBe(digestOf(content));
    const devices = [one, other].map((torpor) =>
      new RestClient(torpor.getRestUrl()).get<RestDevice>("devices/card0"),
    );
    expect((await Promise.all(devices)).map(({ powerState }) => powerState)).toEqual(["SUSPENDED", "ACTIVE"]);
    await one.resume();
  });
});

describe("a container that is killed from outside", () => {
  let torpor: StartedTorporContainer;

  beforeAll(async () => {
    torpor = await new TorporContainer(TEST_IMAGE)
      .withDevice({ lmem: "128MiB", smem: "256MiB" })
      .withFaults()
      .withImageStore()
      .start();
  });

  beforeEach(() => torpor.reset());

  afterAll(() => torpor?.stop());

  test.each([
    ["image.fsync", "nothing"],
    ["powerOff.before", "everything"],
  ] as const)("while it hibernates, at %s, comes back with %s", async (failpoint, left) => {
    const digests = await writeSome(torpor);
    await killAt(torpor, failpoint, () => torpor.suspend({ state: "S4" }));
    await expectLeft(torpor, digests, left);
  });

  test.each([
    ["restoreEarly.object", "everything"],
    ["image.consume", "everything"],
    ["image.consumed", "nothing"],
  ] as const)("while it comes back, at %s, comes back with %s", async (failpoint, left) => {
    const digests = await writeSome(torpor);
    await torpor.suspend({ state: "S4" });
    await killAt(torpor, failpoint, () => torpor.resume());
    await expectLeft(torpor, digests, left);
  });
});

/** Kills the container with SIGKILL while a transition waits at a failpoint, and starts it again. */
async function killAt(
  torpor: StartedTorporContainer,
  failpoint: string,
  transition: () => Promise<unknown>,
): Promise<void> {
  const armed = await torpor.failpoint(failpoint, { action: "DELAY", delayMs: 600_000, count: 1 });
  const answer = transition().then(
    () => "an answer",
    () => "no answer",
  );
  await expect.poll(() => armed.hits(), { interval: POLL_MS, timeout: PATIENCE_MS }).toBe(1);
  await torpor.crash();
  expect(await answer).toBe("no answer");
}

/** Writes a pinned object and one that is not. @returns the SHA-256 of each by its name. */
async function writeSome(torpor: StartedTorporContainer): Promise<Map<string, string>> {
  const rest = new RestClient(torpor.getRestUrl());
  const digests = new Map<string, string>();
  for (const pinned of [true, false]) {
    const content = randomBytes(OBJECT_BYTES);
    const size = String(OBJECT_BYTES);
    const { name } = await rest.post<RestObject>("devices/card0/objects", { size });
    await rest.upload(name, content);
    if (pinned) await rest.post(`${name}:pin`);
    digests.set(name, digestOf(content));
  }
  return digests;
}

/** Expects a daemon that has started anew to have all objects, byte for byte, or none. */
async function expectLeft(
  torpor: StartedTorporContainer,
  digests: ReadonlyMap<string, string>,
  left: "everything" | "nothing",
): Promise<void> {
  const rest = new RestClient(torpor.getRestUrl());
  const { powerState } = await rest.get<RestDevice>("devices/card0");
  expect(powerState).toBe("ACTIVE");
  const { objects } = await rest.get<{ readonly objects: readonly RestObject[] }>("devices/card0/objects");
  const found = new Map<string, string>();
  for (const { name } of objects) found.set(name, await rest.downloadSha256(name, OBJECT_BYTES));
  expect(found).toEqual(left === "everything" ? digests : new Map());
}

function digestOf(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
