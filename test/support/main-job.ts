/**
 * The main job over both wires of a daemon, from outside: a real file of more than 100 MB goes to an unpinned object, to a pinned
 * one and, cut in pieces, to hundreds more, past what LMEM can hold; the power goes and comes back. What was seen is a record,
 * of which main-job-claims.ts makes claims.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { credentials } from "@grpc/grpc-js";
import { MemoryServiceClient, WriteObjectRequest } from "../../src/contract/gen/torpor/v1/memory.ts";
import { KIB, MIB } from "../../src/device/limits.ts";
import { RestClient, type RestObject, type RestTransition } from "./containers-rest.ts";
import { failureOf, statusOf } from "./grpc-errors.ts";
import type { MetricsText } from "./metrics-text.ts";
import { hashOf } from "./test-device.ts";
import { callGrpc, callRest, type JsonCall } from "./wires.ts";

export const DEVICE = "devices/card0";
export const LMEM_BYTES = 256 * MIB;
export const SMEM_BYTES = 2048 * MIB;
/** Sizes of the pieces, over and over: many small, few large. Unit: KiB. */
const PIECES_KIB = [
  4, 64, 8, 128, 4096, 16, 4, 256, 32, 8, 512, 64, 8192, 4, 1024, 128, 16, 1024, 4, 32, 4, 12, 96, 4, 128, 20,
  4, 8,
];
/** Every so many pieces one is pinned, and one goes over gRPC. Without a common divisor, so that all four kinds occur. */
const PIECES_A_PIN = 10;
const PIECES_A_GRPC = 7;

export type TransitionJson = RestTransition & { readonly name: string; readonly dState: string };

/** What went to an object. The object itself may be larger: its size is rounded up to whole pages of its regions. */
export interface Upload {
  readonly name: string;
  readonly length: number;
  readonly sha256: string;
  readonly pinned: boolean;
}

/** What the wires say of the device at one moment. */
export interface Moment {
  readonly device: unknown;
  /** Those of clients and those of the device itself, by name. */
  readonly objects: ReadonlyMap<string, RestObject>;
}

/** A suspend and a resume, and what was seen before, between and after. */
export interface Nap {
  readonly before: Moment;
  readonly suspend: TransitionJson;
  readonly asleep: Moment;
  readonly refusals: readonly unknown[];
  readonly resume: TransitionJson;
  readonly awake: Moment;
}

/** Both wires of a daemon. */
export class Job implements Disposable {
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
    assert(file.length > 100_000_000, "the file is a large one");
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
    assert.equal(nextPageToken, "", "one page has all objects");
    const list = objects as unknown as RestObject[];
    return {
      device: await this.overGrpc("GetDevice", { name: DEVICE }),
      objects: new Map(list.map((object) => [object.name, object])),
    };
  }
}

/** By which wire the suspend and the resume are asked for; what is read goes over both. */
export type Wire = "REST" | "gRPC";

/** A whole job, for claims about it. */
export interface JobRecord {
  readonly job: Job;
  readonly wire: Wire;
  readonly uploads: readonly Upload[];
  readonly nap: Nap;
  readonly metrics: { readonly before: MetricsText; readonly after: MetricsText };
  readonly read: Awaited<ReturnType<Job["readBack"]>>;
}

/** Does it all on a clean device of LMEM_BYTES and SMEM_BYTES. */
export async function recordMainJob(job: Job, wire: Wire): Promise<JobRecord> {
  const uploads = await job.fill();
  const before = await job.rest.metrics();
  const nap = await job.nap(wire === "REST" ? job.overRest : job.overGrpc, uploads);
  const metrics = { before, after: await job.rest.metrics() };
  return { job, wire, uploads, nap, metrics, read: await job.readBack(uploads) };
}

/** Names of the objects that did not come back as they went. */
export function changed(uploads: readonly Upload[], read: ReadonlyMap<string, string>): string[] {
  return uploads.filter(({ name, sha256 }) => read.get(name) !== sha256).map(({ name }) => name);
}

function cut(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const length = (PIECES_KIB[pieces.length % PIECES_KIB.length] ?? 0) * KIB;
    pieces.push(bytes.subarray(offset, offset + length));
    offset += length;
  }
  return pieces;
}

function reasonOf({ value }: { readonly value: object }): unknown {
  return "reason" in value ? value.reason : value;
}
