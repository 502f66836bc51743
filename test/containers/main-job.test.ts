/**
 * The main job from outside, over REST: a real file of more than 100 MB goes to an unpinned object, to a pinned one and,
 * cut in pieces, to many more than LMEM can hold; the power goes, comes back, and every byte is compared.
 * The job runs once; each test is a claim about its record.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DaemonContainer, startDaemon } from "../support/containers.ts";
import {
  RestClient,
  type RestDevice,
  type RestObject,
  type RestPhase,
  type RestRefusal,
  type RestTransition,
} from "../support/containers-rest.ts";
import type { MetricsText } from "../support/metrics-text.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const LMEM_BYTES = 256 * MIB;
/** Sizes of the pieces, over and over: many small, few large, from 4 KiB to 8 MiB. Unit: KiB. */
const PIECE_KIB = [4, 64, 8, 128, 4096, 16, 4, 256, 32, 8, 512, 64, 8192, 4, 1024, 128, 16, 2048, 4, 32];
/** Every so many pieces one is pinned. */
const PIECES_A_PIN = 10;

/** What the record says of the device at one moment. */
interface Moment {
  readonly device: RestDevice;
  /** Those of clients and those of the device itself, by name. */
  readonly objects: ReadonlyMap<string, RestObject>;
  readonly metrics: MetricsText;
}

/** What went to an object. The object itself may be larger: its size is rounded up to whole pages of its regions. */
interface Upload {
  readonly length: number;
  readonly sha256: string;
}

interface JobRecord {
  readonly uploads: ReadonlyMap<string, Upload>;
  readonly pinned: ReadonlySet<string>;
  readonly before: Moment;
  readonly suspend: RestTransition;
  readonly asleep: Moment;
  readonly refusals: readonly RestRefusal[];
  readonly resume: RestTransition;
  readonly awake: Moment;
  /** SHA-256 of what came back, by object. */
  readonly downloads: ReadonlyMap<string, string>;
}

describe("the main job in a container with 256 MiB of LMEM", () => {
  let daemon: DaemonContainer;
  let job: JobRecord;

  beforeAll(async () => {
    daemon = await startDaemon(["--lmem", "256MiB", "--smem", "2GiB"]);
    job = await runJob(new RestClient(daemon.httpUrl));
  });

  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
  });

  test("holds more than LMEM can: objects were evicted under pressure", () => {
    const bytes = [...job.uploads.values()].reduce((sum, upload) => sum + upload.length, 0);
    expect(bytes).toBeGreaterThan(LMEM_BYTES);
    expect(job.uploads.size).toBeGreaterThan(100);
    expect(job.before.metrics.sum("torpor_eviction_bytes_total", { cause: "pressure" })).toBeGreaterThan(0);
    expect(places(job.before)).toEqual(new Set(["lmem0", "smem"]));
  });

  test("suspends to S3 with the power off", () => {
    expect(job.suspend).toMatchObject({ state: "SUCCEEDED", wedged: false });
    expect(job.asleep.device).toMatchObject({ powerState: "SUSPENDED", dState: "D3COLD" });
  });

  test("evicts exactly the clients' unpinned objects in LMEM", () => {
    const evicted = [...job.before.objects.values()].filter(
      ({ name, region }) => job.uploads.has(name) && !job.pinned.has(name) && region === "lmem0",
    );
    expect(evicted).not.toEqual([]);
    expect(job.suspend.evictedObjects).toBe(evicted.length);
    expect(Number(job.suspend.evictedBytes)).toBe(sizes(evicted));
    for (const { name } of evicted) expect(job.asleep.objects.get(name)?.region, name).toBe("smem");
  });

  test("backs up every pinned object, and counts exactly what has a backup", () => {
    for (const name of job.uploads.keys()) {
      expect(job.asleep.objects.get(name)?.hasBackup, name).toBe(job.pinned.has(name));
    }
    // The device's own objects have backups too: firmware, page table.
    const saved = backups(job.asleep);
    expect(job.suspend.backupObjects).toBe(saved.length);
    expect(Number(job.suspend.backupBytes)).toBe(sizes(saved));
  });

  test("refuses to read while suspended", () => {
    expect(job.refusals).toHaveLength(2);
    for (const refusal of job.refusals) {
      expect(refusal).toEqual({
        httpStatus: 400,
        status: "FAILED_PRECONDITION",
        reasons: ["DEVICE_SUSPENDED"],
      });
    }
  });

  test("resumes from every backup, and keeps none", () => {
    expect(job.resume).toMatchObject({ state: "SUCCEEDED", wedged: false });
    expect(job.resume.restoredObjects).toBe(job.suspend.backupObjects);
    expect(job.resume.restoredBytes).toBe(job.suspend.backupBytes);
    expect(job.awake.device).toMatchObject({ powerState: "ACTIVE", dState: "D0", wedged: false });
    expect(backups(job.awake)).toEqual([]);
  });

  test("gives every byte back: all SHA-256 are equal", () => {
    const changed = [...job.uploads].filter(([name, upload]) => job.downloads.get(name) !== upload.sha256);
    expect(changed.map(([name]) => name)).toEqual([]);
  });

  test("puts pinned objects back into the same extents", () => {
    for (const name of job.pinned) {
      expect(job.awake.objects.get(name)?.region, name).toBe("lmem0");
      expect(job.awake.objects.get(name)?.extents, name).toEqual(job.before.objects.get(name)?.extents);
    }
  });

  test("counts in its metrics exactly what the transitions say", () => {
    const during = (name: string, labels = {}) =>
      job.awake.metrics.sum(name, labels) - job.before.metrics.sum(name, labels);
    expect(during("torpor_evictions_total", { cause: "suspend" })).toBe(job.suspend.evictedObjects);
    expect(during("torpor_eviction_bytes_total", { cause: "suspend" })).toBe(
      Number(job.suspend.evictedBytes),
    );
    expect(during("torpor_backup_bytes_total")).toBe(Number(job.suspend.backupBytes));
    expect(during("torpor_restore_bytes_total")).toBe(Number(job.resume.restoredBytes));
    for (const path of ["blitter", "memcpy"] as const) {
      const saved = during("torpor_backup_bytes_total", { path });
      const evicted = during("torpor_eviction_bytes_total", { cause: "suspend", path });
      expect(saved + evicted, path).toBe(bytesBy(path, job.suspend.phases));
      expect(during("torpor_restore_bytes_total", { path }), path).toBe(bytesBy(path, job.resume.phases));
    }
  });
});

async function runJob(rest: RestClient): Promise<JobRecord> {
  const bytes = new Uint8Array(readFileSync(process.execPath));
  expect(bytes.length).toBeGreaterThan(100_000_000);

  const uploads = new Map<string, Upload>();
  const pinned = new Set<string>();
  const add = async (content: Uint8Array<ArrayBuffer>, pin: boolean) => {
    const { name } = await rest.post<RestObject>("devices/card0/objects", { size: String(content.length) });
    await rest.upload(name, content);
    uploads.set(name, { length: content.length, sha256: sha256(content) });
    if (!pin) return;
    await rest.post(`${name}:pin`);
    pinned.add(name);
  };
  await add(bytes, false);
  await add(bytes, true);
  for (const [index, piece] of cut(bytes).entries()) await add(piece, index % PIECES_A_PIN === 0);

  const before = await look(rest);
  const suspend = await rest.post<RestTransition>("devices/card0:suspend", { state: "S3" });
  const asleep = await look(rest);
  const refusals = await Promise.all(
    [...uploads.keys()].slice(0, 2).map((name) => rest.refusedDownload(name)),
  );
  const resume = await rest.post<RestTransition>("devices/card0:resume");
  const awake = await look(rest);
  const downloads = new Map<string, string>();
  for (const [name, { length }] of uploads) downloads.set(name, await rest.downloadSha256(name, length));
  return { uploads, pinned, before, suspend, asleep, refusals, resume, awake, downloads };
}

async function look(rest: RestClient): Promise<Moment> {
  const { objects, nextPageToken } = await rest.get<{ objects: RestObject[]; nextPageToken: string }>(
    "devices/card0/objects?pageSize=1000&showDeviceOwned=true",
  );
  expect(nextPageToken).toBe("");
  return {
    device: await rest.get<RestDevice>("devices/card0"),
    objects: new Map(objects.map((object) => [object.name, object])),
    metrics: await rest.metrics(),
  };
}

function cut(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const length = (PIECE_KIB[pieces.length % PIECE_KIB.length] ?? 0) * KIB;
    pieces.push(bytes.subarray(offset, offset + length));
    offset += length;
  }
  return pieces;
}

function backups(moment: Moment): RestObject[] {
  return [...moment.objects.values()].filter((object) => object.hasBackup);
}

function places(moment: Moment): Set<string> {
  return new Set([...moment.objects.values()].map((object) => object.region));
}

function sizes(objects: readonly RestObject[]): number {
  return objects.reduce((sum, object) => sum + Number(object.size), 0);
}

function bytesBy(path: "blitter" | "memcpy", phases: readonly RestPhase[]): number {
  return phases.reduce(
    (sum, phase) => sum + Number(path === "blitter" ? phase.blitterBytes : phase.memcpyBytes),
    0,
  );
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
