/** The module for testcontainers, used as its README shows: what stands there is cut out of this file. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type StartedTorporContainer,
  TorporContainer,
  TorporError,
} from "../../packages/testcontainers/src/mod.ts";
import { TEST_IMAGE } from "../../scripts/docker-image.ts";
import { connect, Object_State, SleepState, Transition_State } from "../../src/client/mod.ts";
import { CERTIFICATE, KEY } from "../support/certificates.ts";

// The clean-up container of testcontainers is an image that not every machine can pull.
process.env.TESTCONTAINERS_RYUK_DISABLED ??= "true";
const IMAGE = TEST_IMAGE;

describe("a device that every test finds clean", () => {
  let torpor: StartedTorporContainer;

  beforeAll(async () => {
    torpor = await new TorporContainer(IMAGE)
      .withDevice({ lmem: "128MiB", smem: "512MiB", engines: ["rcs0", "bcs0"] })
      .withFaults()
      .start();
  });

  beforeEach(() => torpor.reset());

  afterAll(() => torpor?.stop());

  test("keeps what is in local memory while the power is off", async () => {
    const weights = randomBytes(1024 * 1024);
    const object = await create(torpor, weights.length);
    await fetch(`${torpor.getRestUrl()}/v1/${object}/content`, { method: "PUT", body: weights });

    const suspend = await torpor.suspend({ state: "S3" });
    expect(suspend.evictedBytes).toBe(weights.length);
    await torpor.resume();

    const content = await fetch(`${torpor.getRestUrl()}/v1/${object}/content`);
    expect(Buffer.from(await content.arrayBuffer()).equals(weights)).toBe(true);
  });

  test("fails the second object of an eviction, and undoes the suspend", async () => {
    for (let count = 0; count < 3; count += 1) await fill(torpor, await create(torpor, 65536));
    await using failpoint = await torpor.failpoint("evict.object", {
      reason: "COPY_FAILED",
      after: 1,
      count: 1,
    });

    await expect(torpor.suspend()).rejects.toMatchObject({ reason: "COPY_FAILED" });
    expect(await failpoint.hits()).toBe(1);

    // It fired once; now it lets everything pass.
    expect((await torpor.suspend()).state).toBe("SUCCEEDED");
  });

  test("counts what was evicted", async () => {
    const evicted = async () => (await torpor.metrics()).sum("torpor_evictions_total", { cause: "suspend" });
    const before = await evicted();
    await fill(torpor, await create(torpor, 65536));
    await torpor.suspend();
    expect((await evicted()) - before).toBe(1);
  });

  test("is clean again after a reset: no objects, no failpoints, ACTIVE", async () => {
    await create(torpor, 65536);
    await torpor.failpoint("powerOn.before");
    await torpor.suspend();
    await torpor.reset();
    expect(await get(torpor, "/v1/devices/card0")).toMatchObject({ powerState: "ACTIVE" });
    expect(await get(torpor, "/v1/devices/card0/objects")).toMatchObject({ objects: [] });
    expect(await get(torpor, "/v1/failpoints")).not.toMatchObject({
      failpoints: expect.arrayContaining([expect.objectContaining({ action: "ERROR" })]),
    });
  });

  test("says in the daemon's words what it refuses", async () => {
    const refused = torpor.suspend({ device: "card7" });
    await expect(refused).rejects.toBeInstanceOf(TorporError);
    await expect(refused).rejects.toMatchObject({ httpStatus: 404, reason: "DEVICE_NOT_FOUND" });
  });

  test("has a typed client of every method, over gRPC", async () => {
    const parent = "devices/card0";
    const { name } = await torpor.client.createObject({ parent, size: 65536, label: "weights" });
    await torpor.client.pinObject({ name });
    const { state } = await torpor.client.suspend({ name: parent, state: SleepState.S3 });
    expect(state).toBe(Transition_State.SUCCEEDED);

    using another = connect({ address: torpor.getGrpcTarget() });
    expect(await another.getObject({ name })).toMatchObject({ label: "weights", hasBackup: true });
  });
});

test("comes back from its image after a crash", async () => {
  await using torpor = await new TorporContainer(IMAGE)
    .withDevice({ lmem: "128MiB", smem: "512MiB" })
    .withImageStore()
    .start();
  const object = await create(torpor, 65536);
  await fill(torpor, object);

  await torpor.suspend({ state: "S4" });
  await torpor.crash();

  expect((await torpor.client.getObject({ name: object })).state).toBe(Object_State.RESIDENT);
  const content = await fetch(`${torpor.getRestUrl()}/v1/${object}/content`);
  expect(Buffer.from(await content.arrayBuffer())).toEqual(Buffer.alloc(65536, 7));
});

test("loses what has no image in a crash", async () => {
  await using torpor = await new TorporContainer(IMAGE).withDevice({ lmem: "128MiB" }).start();
  const object = await create(torpor, 65536);
  await torpor.crash();
  expect((await fetch(`${torpor.getRestUrl()}/v1/${object}`)).status).toBe(404);
});

test("asks for a token, and speaks TLS on both wires", async () => {
  await using torpor = await new TorporContainer(IMAGE)
    .withDevice({ lmem: "128MiB", smem: "512MiB" })
    .withToken({ role: "operator" })
    .withTls({ certificate: CERTIFICATE, key: KEY })
    .start();
  expect(torpor.getRestUrl()).toMatch(/^https:/);
  expect((await torpor.suspend()).state).toBe("SUCCEEDED");
  const resume = await torpor.client.resume({ name: "devices/card0" });
  expect(resume.state).toBe(Transition_State.SUCCEEDED);

  const tls = { ca: CERTIFICATE, serverName: "a.example" };
  using nobody = connect({ address: torpor.getGrpcTarget(), tls });
  await expect(nobody.listDevices()).rejects.toMatchObject({ reason: "UNAUTHENTICATED" });
});

test("ends at once, with the daemon's sentence, where the daemon refuses to start", async () => {
  const container = new TorporContainer(IMAGE).withDevice({ lmem: "2 gigs" });
  await expect(container.start()).rejects.toThrow("is not a size");
});

/** A new object of the device. */
async function create(torpor: StartedTorporContainer, sizeBytes: number): Promise<string> {
  const answer = await fetch(`${torpor.getRestUrl()}/v1/devices/card0/objects`, {
    method: "POST",
    body: JSON.stringify({ size: sizeBytes }),
  });
  const { name } = (await answer.json()) as { readonly name: string };
  return name;
}

/** Writes sevens, so that the object has a place in local memory. */
async function fill(torpor: StartedTorporContainer, object: string): Promise<void> {
  const body = Buffer.alloc(65536, 7);
  const answer = await fetch(`${torpor.getRestUrl()}/v1/${object}/content`, { method: "PUT", body });
  expect(answer.ok, await answer.text()).toBe(true);
}

async function get(torpor: StartedTorporContainer, path: string): Promise<unknown> {
  return (await fetch(`${torpor.getRestUrl()}${path}`)).json();
}
