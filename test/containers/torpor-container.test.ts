/** The module for testcontainers, used as its README shows: what stands there is cut out of this file. */
import { randomBytes, randomUUID } from "node:crypto";
import { get as getRest } from "node:http";
import { getContainerRuntimeClient } from "testcontainers";
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
    await expect(refused).rejects.toMatchObject({ code: "NOT_FOUND", reason: "DEVICE_NOT_FOUND" });
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

describe("a state that every test begins with", () => {
  let torpor: StartedTorporContainer;
  let weights: string;

  beforeAll(async () => {
    torpor = await new TorporContainer(IMAGE).withDevice({ lmem: "128MiB", smem: "512MiB" }).start();
    weights = await create(torpor, 1024 * 1024);
    await fill(torpor, weights);
    await torpor.snapshot("seeded");
  });

  beforeEach(async () => {
    await torpor.restore("seeded");
  });

  afterAll(() => torpor?.stop());

  test.each(["one test", "another"])("is there for %s, whatever the one before did", async () => {
    const list = await get(torpor, "/v1/devices/card0/objects");
    expect(list).toMatchObject({ objects: [{ name: weights, state: "RESIDENT" }] });
    await torpor.client.deleteObject({ name: weights });
    expect(await create(torpor, 65536)).toBe("devices/card0/objects/2");
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

describe("what is random or owned", () => {
  const define = () => new TorporContainer(IMAGE).withDevice({ lmem: "64MiB", smem: "128MiB" });

  test("is made by each start: two of one definition have a token and a volume each", async () => {
    const definition = define().withToken().withImageStore();
    await using one = await definition.start();
    await using other = await definition.start();
    expect(one.getToken()).not.toBe(other.getToken());
    const [volume, another] = [await volumeOf(one.getId()), await volumeOf(other.getId())];
    expect(volume).not.toBe(another);
    for (const torpor of [one, other]) expect((await torpor.suspend()).state).toBe("SUCCEEDED");
  });

  test("is gone after a start that failed: container and volume", async () => {
    let volume = "";
    let created = "";
    class Watched extends TorporContainer {
      protected override async containerCreated(id: string): Promise<void> {
        await super.containerCreated(id);
        created = id;
        volume = await volumeOf(id);
      }
    }
    const container = new Watched(IMAGE).withDevice({ lmem: "2 gigs" }).withImageStore();
    await expect(container.start()).rejects.toThrow();
    const { dockerode } = (await getContainerRuntimeClient()).container;
    expect(volume).toMatch(/^torpor-/);
    await expect(dockerode.getContainer(created).inspect()).rejects.toMatchObject({ statusCode: 404 });
    await expect(dockerode.getVolume(volume).inspect()).rejects.toMatchObject({ statusCode: 404 });
  });

  test("is the same in a container that is reused", async () => {
    const volume = `torpor-reuse-${randomUUID()}`;
    const token = `torpor_${randomUUID()}`;
    const reused = () => define().withToken({ token }).withImageStore(volume).withReuse();
    const first = await reused().start();
    try {
      const again = await reused().start();
      expect(again.getId()).toBe(first.getId());
      expect((await again.suspend()).state).toBe("SUCCEEDED");
    } finally {
      await first.stop();
      await (await getContainerRuntimeClient()).container.dockerode.getVolume(volume).remove();
    }
  });
});

test("answers to every name that it has: its own, its host name and its short id", async () => {
  const name = `torpor-name-${randomUUID()}`;
  const define = () => new TorporContainer(IMAGE).withDevice({ lmem: "64MiB", smem: "128MiB" });
  await using torpor = await define().withName(name).withHostname("gpu-host").start();
  await using plain = await define().start();
  const { port } = new URL(torpor.getRestUrl());
  for (const host of [name, "gpu-host", "localhost"]) expect(await statusFor(port, host), host).toBe(200);
  const { port: plainPort } = new URL(plain.getRestUrl());
  expect(await statusFor(plainPort, plain.getId().slice(0, 12))).toBe(200);
  expect(await statusFor(plainPort, "gpu-host")).toBe(421);
});

test("knows the device however it got its name", async () => {
  await using torpor = await new TorporContainer(IMAGE)
    .withCommand(["--device", "gpu7", "--lmem", "64MiB", "--smem", "128MiB"])
    .start();
  expect((await torpor.suspend()).name).toBe("devices/gpu7/transitions/1");
  await torpor.resume();
  await torpor.reset();
});

/** The volume that a container keeps its images on. */
async function volumeOf(id: string): Promise<string> {
  const { Mounts } = await (await getContainerRuntimeClient()).container.getById(id).inspect();
  return Mounts.find(({ Destination }) => Destination === "/var/lib/torpor")?.Name ?? "";
}

/** What a call to this machine is answered that names the daemon so. */
function statusFor(port: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    getRest(`http://127.0.0.1:${port}/v1/devices`, { headers: { host } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    }).on("error", reject);
  });
}

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
