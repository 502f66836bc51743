/** Two containers on one volume: both are process 1, and the kernel still knows which of them has the data directory. */
import { randomUUID } from "node:crypto";
import { getContainerRuntimeClient } from "testcontainers";
import { afterAll, expect, test } from "vitest";
import { TorporContainer } from "../../packages/testcontainers/src/mod.ts";
import { TEST_IMAGE } from "../../scripts/docker-image.ts";
import { runToEnd } from "../support/containers.ts";

const VOLUME = `torpor-lock-${randomUUID()}`;
const DATA = "/var/lib/torpor";

afterAll(async () => {
  const client = await getContainerRuntimeClient();
  await client.container.dockerode.getVolume(VOLUME).remove();
});

test("the second container is refused and names the first; another starts once that is killed", async () => {
  const small = { lmem: "64MiB", smem: "128MiB" };
  const start = () => new TorporContainer(TEST_IMAGE).withDevice(small).withImageStore(VOLUME).start();
  const first = await start();
  try {
    const flags = ["--insecure-listen", "--lmem", "64MiB", "--smem", "128MiB", "--data-dir", DATA];
    const { exitCode, log } = await runToEnd(flags, { volume: { source: VOLUME, target: DATA } });
    expect(log).toMatch(
      /Lock file \S+ cannot be taken: process 1 of host [0-9a-f]{12}, since \S+Z, holds it/,
    );
    expect(exitCode).toBe(1);
    await (await getContainerRuntimeClient()).container.getById(first.getId()).kill();
    await (await start()).stop();
  } finally {
    await first.stop();
  }
});
