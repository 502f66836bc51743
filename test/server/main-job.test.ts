/**
 * The main job over real sockets: a real file of more than 100 MB goes to an unpinned object, to a pinned one and, cut in
 * pieces, to hundreds more, past what LMEM can hold; the power goes, comes back, and every byte is compared. And the
 * counter-proof: without the restore of backups, the same check fails for exactly what was pinned.
 * Each job runs once; each test is a claim about its record.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KIB, MIB } from "../../src/device/limits.ts";
import { MemoryServiceClient, WriteObjectRequest } from "../../src/server/gen/torpor/v1/memory.ts";
import { RestClient, type RestObject, type RestTransition } from "../support/containers-rest.ts";
import { startTestDaemon, type TestDaemon } from "../support/daemon.ts";
import { failureOf, statusOf } from "../support/grpc-errors.ts";
import type { MetricsText } from "../support/metrics-text.ts";
import { bootThreaded, hashOf } from "../support/test-device.ts";
import { callGrpc, callRest, type JsonCall, startWires } from "../support/wires.ts";

const DEVICE = "devices/card0";
const LMEM_BYTES = 256 * MIB;
const SMEM_BYTES = 2048 * MIB;
/** Sizes of the pieces, over and over: many small, few large. Unit: KiB. */
const PIECES_KIB = [
  4, 64, 8, 128, 4096, 16, 4, 256, 32, 8, 512, 64, 8192, 4, 1024, 128, 16, 1024, 4, 32, 4, 12, 96, 4, 128, 20,
  4, 8,
];
/** Every so many pieces one is pinned, and one goes over gRPC. Without a common divisor, so that all four kinds occur. */
const PIECES_A_PIN = 10;
const PIECES_A_GRPC = 7;

/** For one whole job, which takes ten seconds on two quiet cores. Unit: milliseconds. */
const PATIENCE_MS = 300_000;

type TransitionJson = RestTransition & { readonly name: string; readonly dState: string };

/** What went to an object. The object itself may be larger: its size is rounded up to whole pages of its regions. */
interface Upload {
  readonly name: string;
  readonly length: number;
  readonly sha256: string;
  readonly pinned: boolean;
}

/** What the wires say of the device at one moment. */
interface Moment {
  readonly device: unknown;
  /** Those of clients and those of the device itself, by name. */
  readonly objects: ReadonlyMap<string, RestObject>;
}

/** A suspend and a resume, and what was seen before, between and after. */
interface Nap {
  readonly before: Moment;
  readonly suspend: TransitionJson;
  readonly asleep: Moment;
  readonly refusals: readonly unknown[];
  readonly resume: TransitionJson;
  readonly awake: Moment;
}

/** Both wires of a daemon, from outside. */
class Job implements Disposable {
  readonly overRest: JsonCall;
  readonly overGrpc: JsonCall;
  readonly rest: RestClient;
  readonly #memory: MemoryServiceClient;

  constructor(url: string, grpcAddress: string) {
    const memory = new MemoryServiceClient(grpcAddress, credentials.createInsecure());
    this.#memory = memory;
    this.rest = new RestClient(url);
    this.overRest = (method, request) => callRest(url, method, request);
    this.overGrpc = (method, request) => callGrpc(memory, method, request);
  }

  [Symbol.dispose](): void {
    this.#memory.close();
  }

  /** Allocates, writes and pins. */
  async fill(): Promise<Upload[]> {
    const file = new Uint8Array(readFileSync(process.execPath));
    expect(file.length).toBeGreaterThan(100_000_000);
    const uploads = [await this.#add(file, false, false), await this.#add(file, true, false)];
    for (const [at, piece] of cut(file).entries()) {
      uploads.push(await this.#add(piece, at % PIECES_A_PIN === 0, at % PIECES_A_GRPC === 0));
    }
    return uploads;
  }

  /** Suspends to S3 and resumes over one of the wires. */
  async nap(call: JsonCall, [unpinned, pinned]: readonly Upload[]): Promise<Nap> {
    const before = await this.#look();
    const suspend = await call("Suspend", { name: DEVICE, state: "S3" });
    const asleep = await this.#look();
    const refusals = [];
    for (const upload of [unpinned, pinned]) {
      const name = upload?.name ?? "";
      const { status, reasons } = await this.rest.refusedDownload(name);
      const { code, details } = statusOf(await failureOf(this.#downloadOverGrpc(name, 1)));
      refusals.push({ rest: { status, reasons }, grpc: { code, reasons: details.map(reasonOf) } });
    }
    const resume = await call("Resume", { name: DEVICE });
    const awake = await this.#look();
    // The wires speak proto3 JSON of the contract; what matters of it is compared below.
    return { before, suspend, asleep, refusals, resume, awake } as unknown as Nap;
  }

  /** The SHA-256 of what comes back, by name: of everything over REST, and of some over gRPC too. */
  async readBack(
    uploads: readonly Upload[],
  ): Promise<{ rest: Map<string, string>; grpc: Map<string, string> }> {
    const rest = new Map<string, string>();
    const grpc = new Map<string, string>();
    for (const [at, { name, length }] of uploads.entries()) {
      rest.set(name, await this.rest.downloadSha256(name, length));
      if (at % PIECES_A_GRPC <= 1) grpc.set(name, await this.#downloadOverGrpc(name, length));
    }
    return { rest, grpc };
  }

  async #add(bytes: Uint8Array<ArrayBuffer>, pinned: boolean, overGrpc: boolean): Promise<Upload> {
    const call = overGrpc ? this.overGrpc : this.overRest;
    const object = await call("CreateObject", { parent: DEVICE, size: String(bytes.length) });
    const name = String(object.name);
    if (overGrpc) await this.#uploadOverGrpc(name, bytes);
    else await this.rest.upload(name, bytes);
    if (pinned) await call("PinObject", { name });
    return { name, length: bytes.length, sha256: hashOf(bytes), pinned };
  }

  #uploadOverGrpc(name: string, bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const call = this.#memory.writeObject((error) => (error === null ? resolve() : reject(error)));
      call.write(WriteObjectRequest.fromPartial({ name, size: BigInt(bytes.length) }));
      for (let at = 0; at < bytes.length; at += MIB) {
        call.write(WriteObjectRequest.fromPartial({ data: bytes.subarray(at, at + MIB) }));
      }
      call.end();
    });
  }

  async #downloadOverGrpc(name: string, length: number): Promise<string> {
    const range = { offset: 0n, length: BigInt(length), chunkSize: 0, holdDuringTransition: false };
    const hash = createHash("sha256");
    for await (const { data } of this.#memory.readObject({ name, ...range })) hash.update(data);
    return hash.digest("hex");
  }

  async #look(): Promise<Moment> {
    const request = { parent: DEVICE, pageSize: 1000, showDeviceOwned: true };
    const { objects, nextPageToken } = await this.overRest("ListObjects", request);
    expect(nextPageToken).toBe("");
    const list = objects as unknown as RestObject[];
    return {
      device: await this.overGrpc("GetDevice", { name: DEVICE }),
      objects: new Map(list.map((object) => [object.name, object])),
    };
  }
}

describe.each([
  ["REST", "overRest", "overGrpc"],
  ["gRPC", "overGrpc", "overRest"],
] as const)("the main job with the suspend over %s", (_wire, wire, otherWire) => {
  let daemon: TestDaemon;
  let job: Job;
  let uploads: readonly Upload[];
  let nap: Nap;
  let metrics: { readonly before: MetricsText; readonly after: MetricsText };
  let read: Awaited<ReturnType<Job["readBack"]>>;

  beforeAll(async () => {
    daemon = await startTestDaemon({ lmemSizesBytes: [LMEM_BYTES], smemBytes: SMEM_BYTES });
    job = new Job(daemon.url, daemon.grpc);
    uploads = await job.fill();
    const before = await job.rest.metrics();
    nap = await job.nap(job[wire], uploads);
    metrics = { before, after: await job.rest.metrics() };
    read = await job.readBack(uploads);
  }, PATIENCE_MS);
  afterAll(async () => {
    job?.[Symbol.dispose]();
    await daemon?.[Symbol.asyncDispose]();
  });

  it("holds more than LMEM can: objects were evicted under pressure", () => {
    expect(uploads.length).toBeGreaterThan(200);
    expect(uploads.reduce((sum, { length }) => sum + length, 0)).toBeGreaterThan(1.5 * LMEM_BYTES);
    expect(metrics.before.sum("torpor_eviction_bytes_total", { cause: "pressure" })).toBeGreaterThan(0);
    const places = [...nap.before.objects.values()].map(({ region }) => region);
    expect(new Set(places)).toEqual(new Set(["lmem0", "smem"]));
  });

  it("loses its power", () => {
    expect(nap.suspend).toMatchObject({
      state: "SUCCEEDED",
      dState: "D3COLD",
      wedged: false,
      recovered: false,
    });
    expect(nap.asleep.device).toMatchObject({ powerState: "SUSPENDED", sleepState: "S3", dState: "D3COLD" });
  });

  it("says how much went by which path, the same over both wires", async () => {
    const blitterBytes = bytesBy("blitterBytes", nap.suspend);
    const memcpyBytes = bytesBy("memcpyBytes", nap.suspend);
    expect(blitterBytes + memcpyBytes).toBe(
      Number(nap.suspend.evictedBytes) + Number(nap.suspend.backupBytes),
    );
    // The device's own objects, which the blitter lives on, are all that the CPU copies.
    expect(memcpyBytes).toBe(bytesBy("bytes", nap.suspend, "memcpy"));
    expect(memcpyBytes).toBeGreaterThan(0);
    expect(memcpyBytes).toBeLessThan(blitterBytes / 10);
    for (const transition of [nap.suspend, nap.resume]) {
      expect(await job[otherWire]("GetTransition", { name: transition.name })).toEqual(transition);
    }
  });

  it("evicts exactly the clients' unpinned objects in LMEM", () => {
    const evicted = uploads
      .filter(({ name, pinned }) => !pinned && nap.before.objects.get(name)?.region === "lmem0")
      .map(({ name }) => nap.asleep.objects.get(name));
    expect(evicted.length).toBeGreaterThan(0);
    expect(nap.suspend.evictedObjects).toBe(evicted.length);
    expect(Number(nap.suspend.evictedBytes)).toBe(sizes(evicted));
    expect(new Set(evicted.map((object) => object?.region))).toEqual(new Set(["smem"]));
  });

  it("backs up exactly the pinned objects and what the device itself needs", () => {
    for (const { name, pinned } of uploads) {
      const expected = { hasBackup: pinned, region: pinned ? "lmem0" : "smem" };
      expect(nap.asleep.objects.get(name), name).toMatchObject(expected);
    }
    const saved = backups(nap.asleep);
    expect(saved.length).toBeGreaterThan(uploads.filter(({ pinned }) => pinned).length);
    expect(nap.suspend.backupObjects).toBe(saved.length);
    expect(Number(nap.suspend.backupBytes)).toBe(sizes(saved));
  });

  it("refuses to read while suspended, over both wires", () => {
    const reasons = ["DEVICE_SUSPENDED"];
    const refusal = { rest: { status: "FAILED_PRECONDITION", reasons }, grpc: { code: 9, reasons } };
    expect(nap.refusals).toEqual([refusal, refusal]);
  });

  it("resumes from every backup, and keeps none", async () => {
    const { backupObjects: restoredObjects, backupBytes: restoredBytes } = nap.suspend;
    expect(nap.resume).toMatchObject({ state: "SUCCEEDED", dState: "D0", restoredObjects, restoredBytes });
    expect(nap.awake.device).toMatchObject({
      powerState: "ACTIVE",
      dState: "D0",
      wedged: false,
      suspendCount: 1,
    });
    expect(backups(nap.awake)).toEqual([]);
    expect(await job.overRest("GetRegion", { name: `${DEVICE}/regions/smem` })).toMatchObject({
      backup: "0",
    });
  });

  it("gives every byte back: all SHA-256 are equal, over both wires", () => {
    expect(changed(uploads, read.rest)).toEqual([]);
    const some = uploads.filter(({ name }) => read.grpc.has(name));
    expect(some.length).toBeGreaterThan(50);
    expect(changed(some, read.grpc)).toEqual([]);
  });

  it("puts pinned objects back into the same extents", () => {
    for (const { name } of uploads.filter(({ pinned }) => pinned)) {
      const { region, extents, pinCount } = nap.before.objects.get(name) ?? {};
      expect(nap.awake.objects.get(name), name).toMatchObject({ region, extents, pinCount });
    }
  });

  it("counts in its metrics exactly what the transitions say", () => {
    const during = (name: string, labels = {}) =>
      metrics.after.sum(name, labels) - metrics.before.sum(name, labels);
    const { evictedObjects, evictedBytes, backupBytes } = nap.suspend;
    expect(during("torpor_evictions_total")).toBe(evictedObjects);
    expect(during("torpor_eviction_bytes_total", { cause: "suspend" })).toBe(Number(evictedBytes));
    expect(during("torpor_backup_bytes_total")).toBe(Number(backupBytes));
    expect(during("torpor_restore_bytes_total")).toBe(Number(nap.resume.restoredBytes));
    for (const path of ["blitter", "memcpy"] as const) {
      const saved = during("torpor_backup_bytes_total", { path });
      const evicted = during("torpor_eviction_bytes_total", { cause: "suspend", path });
      expect(saved + evicted, path).toBe(bytesBy(`${path}Bytes`, nap.suspend));
      const restored = during("torpor_restore_bytes_total", { path });
      expect(restored, path).toBe(bytesBy(`${path}Bytes`, nap.resume));
    }
  });
});

describe("the same job without the late restore", () => {
  it(
    "loses what was pinned and nothing else: the power was really gone",
    async () => {
      const { device } = await bootThreaded({
        lmem: [{ sizeBytes: LMEM_BYTES }],
        smem: { sizeBytes: SMEM_BYTES },
        faultKnobs: { skipRestoreLate: true },
      });
      try {
        await using wires = await startWires([device]);
        using job = new Job(wires.baseUrl, wires.grpcAddress);
        const uploads = await job.fill();
        const { suspend, resume } = await job.nap(job.overRest, uploads);
        expect([suspend.state, resume.state]).toEqual(["SUCCEEDED", "SUCCEEDED"]);
        const { rest } = await job.readBack(uploads);
        const pinned = uploads.filter((upload) => upload.pinned).map(({ name }) => name);
        expect(pinned.length).toBeGreaterThan(20);
        expect(changed(uploads, rest)).toEqual(pinned);
      } finally {
        await device.close();
      }
    },
    PATIENCE_MS,
  );
});

function cut(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const length = (PIECES_KIB[pieces.length % PIECES_KIB.length] ?? 0) * KIB;
    pieces.push(bytes.subarray(offset, offset + length));
    offset += length;
  }
  return pieces;
}

/** Names of the objects that did not come back as they went. */
function changed(uploads: readonly Upload[], read: ReadonlyMap<string, string>): string[] {
  return uploads.filter(({ name, sha256 }) => read.get(name) !== sha256).map(({ name }) => name);
}

function backups(moment: Moment): RestObject[] {
  return [...moment.objects.values()].filter((object) => object.hasBackup);
}

function sizes(objects: readonly (RestObject | undefined)[]): number {
  return objects.reduce((sum, object) => sum + Number(object?.size), 0);
}

/** What the phases of a transition, or the one called `name`, say of their bytes. */
function bytesBy(
  key: "bytes" | "blitterBytes" | "memcpyBytes",
  { phases }: RestTransition,
  name?: string,
): number {
  const counted = phases.filter(({ phase }) => name === undefined || phase === name);
  return counted.reduce((sum, phase) => sum + Number(phase[key]), 0);
}

function reasonOf({ value }: { readonly value: object }): unknown {
  return "reason" in value ? value.reason : value;
}
