/** Snapshots over both wires, of a whole daemon: taken, listed, gone back to, deleted and refused; told in events and metrics. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connect, type Event, type TorporClient, TorporError } from "../../../src/client/mod.ts";
import { startTestDaemon, type TestDaemon } from "../../support/daemon.ts";

const DEVICE = "devices/card0";
const MIB = 1024 * 1024;

let daemon: TestDaemon;
let client: TorporClient;

beforeAll(async () => {
  daemon = await startTestDaemon({ devices: ["card0", "card1"], snapshotMemoryBytes: 64 * MIB });
  client = connect({ address: daemon.grpc });
});
afterAll(async () => {
  client.close();
  await daemon[Symbol.asyncDispose]();
});
beforeEach(async () => {
  for (const { name } of (await client.listSnapshots({})).snapshots) await client.deleteSnapshot({ name });
  for (const card of ["card0", "card1"]) await client.resetDevice({ name: `devices/${card}`, scope: 2 });
});

async function rest(path: string, body?: object, method = body === undefined ? "GET" : "POST") {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(`${daemon.url}/v1/${path}`, { method, ...sent });
  const answer: unknown = await response.json();
  return { status: response.status, body: answer };
}

/** An object with content. Answers its name. */
async function upload(byte: number): Promise<string> {
  const { name } = await client.createObject({ parent: DEVICE, size: MIB, label: "seed" });
  await client.upload(name, filled(byte));
  return name;
}

async function* filled(byte: number): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(MIB, byte);
}

async function download(name: string): Promise<number> {
  for await (const chunk of client.download(name)) return chunk[0];
  return -1;
}

async function reasonOf(call: Promise<unknown>): Promise<string> {
  const error = await call.catch((thrown: unknown) => thrown);
  return error instanceof TorporError ? error.reason : "none";
}

describe("snapshots", () => {
  it("are taken and gone back to over gRPC", async () => {
    const object = await upload(7);
    const labels = new Map([["suite", "ci"]]);
    const snapshot = await client.snapshotDevice({ name: DEVICE, snapshotId: "seeded", labels });
    expect(snapshot).toMatchObject({ name: "snapshots/seeded", device: DEVICE, objectCount: 1, labels });
    await client.upload(object, filled(9));
    const transition = await client.restoreDevice({ name: DEVICE, snapshot: "seeded" });
    expect(transition).toMatchObject({ kind: 5, state: 2, restoredBytes: BigInt(MIB) });
    expect(transition.phases.map(({ phase }) => phase)).toEqual(
      ["prepare", "idle", "discard", "rebuild", "content", "release"], //
    );
    expect(await download(object)).toBe(7);
  });

  it("are taken and gone back to over REST", async () => {
    const object = await upload(1);
    const taken = await rest(`${DEVICE}:snapshot`, { snapshotId: "a", labels: { suite: "ci" } });
    expect(taken).toMatchObject({ status: 200, body: { name: "snapshots/a", labels: { suite: "ci" } } });
    expect((await rest("snapshots/a")).body).toEqual(taken.body);
    await client.deleteObject({ name: object });
    const begun = await rest(`${DEVICE}:restore`, { snapshot: "snapshots/a", wait: "10s" });
    expect(begun).toMatchObject({ status: 200, body: { kind: "RESTORE", state: "SUCCEEDED" } });
    expect(await download(object)).toBe(1);
    expect(await rest("snapshots/a", undefined, "DELETE")).toEqual({ status: 200, body: {} });
    expect(await rest("snapshots/a")).toMatchObject({ status: 404 });
  });

  it("are listed by pages and filter", async () => {
    for (const [id, card, suite] of [
      ["a", "card0", "one"],
      ["b", "card0", "two"],
      ["c", "card1", "one"],
    ]) {
      await rest(`devices/${card}:snapshot`, { snapshotId: id, labels: { suite } });
    }
    const list = async (query: Parameters<TorporClient["listSnapshots"]>[0]) => {
      const { snapshots, nextPageToken } = await client.listSnapshots(query);
      return { ids: snapshots.map(({ name }) => name.slice("snapshots/".length)), nextPageToken };
    };
    expect((await list({})).ids).toEqual(["a", "b", "c"]);
    expect((await list({ filter: "device=card0" })).ids).toEqual(["a", "b"]);
    const both = 'labels.suite = "one" AND device = devices/card1';
    expect((await list({ filter: both })).ids).toEqual(["c"]);
    const { ids, nextPageToken } = await list({ pageSize: 2 });
    expect(ids).toEqual(["a", "b"]);
    expect((await list({ pageSize: 2, pageToken: nextPageToken })).ids).toEqual(["c"]);
    expect(await rest("snapshots?filter=labels.suite=two")).toMatchObject({
      body: { snapshots: [{ name: "snapshots/b" }] },
    });
    expect(await rest("snapshots?filter=size=1")).toMatchObject({ status: 400 });
  });

  it("are refused with their reasons, and nothing is kept", async () => {
    await upload(1);
    const take = (snapshotId: string) => client.snapshotDevice({ name: DEVICE, snapshotId });
    await take("a");
    expect(await reasonOf(take("a"))).toBe("SNAPSHOT_EXISTS");
    expect(await reasonOf(take("Not a name"))).toBe("INVALID_REQUEST");
    expect(await reasonOf(client.restoreDevice({ name: DEVICE, snapshot: "b" }))).toBe("SNAPSHOT_NOT_FOUND");
    expect(await reasonOf(client.deleteSnapshot({ name: "snapshots/b" }))).toBe("SNAPSHOT_NOT_FOUND");
    await client.createObject({ parent: "devices/card1", size: MIB });
    const other = client.restoreDevice({ name: "devices/card1", snapshot: "a" });
    expect(await reasonOf(other)).toBe("DEVICE_NOT_EMPTY");
    await client.suspend({ name: DEVICE });
    expect(await reasonOf(take("c"))).toBe("DEVICE_SUSPENDED");
    expect(await reasonOf(client.restoreDevice({ name: DEVICE, snapshot: "a" }))).toBe("DEVICE_SUSPENDED");
    await client.resume({ name: DEVICE });
    expect((await client.listSnapshots({})).snapshots).toHaveLength(1);
  });

  it("are repeated with a request id as one call", async () => {
    const requestId = crypto.randomUUID();
    const take = () => client.snapshotDevice({ name: DEVICE, snapshotId: "once", requestId });
    expect(await take()).toEqual(await take());
  });

  it("are told in one event, and in metrics", async () => {
    const object = await upload(3);
    await client.snapshotDevice({ name: DEVICE, snapshotId: "a" });
    await client.deleteObject({ name: object });
    const types: string[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const event of client.watchEvents({ devices: ["card0"], signal: stop.signal })) {
        types.push(event.payload?.$case ?? "");
        if (isRestored(event)) return event.payload.value;
      }
      return undefined;
    })();
    await expect.poll(() => types.includes("bookmark") || types.length > 0).toBe(true);
    await client.restoreDevice({ name: DEVICE, snapshot: "a" });
    expect(await watching).toMatchObject({ snapshot: "snapshots/a", device: { name: DEVICE } });
    stop.abort();
    expect(types).not.toContain("objectsCreated");
    const metrics = await (await fetch(`${daemon.url}/metrics`)).text();
    expect(metrics).toContain("torpor_snapshots 1\n");
    expect(metrics).toMatch(/torpor_snapshot_copied_bytes_total\{device="card0"\} \d{7}/);
    expect(metrics).toMatch(/torpor_transitions_total\{device="card0",kind="restore",target="D0"\} [1-9]/);
  });
});

describe("a daemon without memory for snapshots", () => {
  it("says so", async () => {
    await using bare = await startTestDaemon({ snapshotMemoryBytes: 0 });
    const other = connect({ address: bare.grpc });
    expect(await reasonOf(other.snapshotDevice({ name: DEVICE }))).toBe("SNAPSHOT_STORE_MISSING");
    expect(await reasonOf(other.getSnapshot({ name: "snapshots/a" }))).toBe("SNAPSHOT_NOT_FOUND");
    expect((await other.listSnapshots({})).snapshots).toEqual([]);
    other.close();
  });
});

function isRestored(
  event: Event,
): event is Event & { payload: { $case: "deviceRestored"; value: { snapshot: string } } } {
  return event.payload?.$case === "deviceRestored";
}
