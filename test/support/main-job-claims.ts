/** What must be true of a main job, wherever the daemon runs. */
import { expect, it } from "vitest";
import type { RestObject, RestTransition } from "./containers-rest.ts";
import { changed, DEVICE, type JobRecord, LMEM_BYTES, type Moment } from "./main-job.ts";

/** Makes a test of each claim. @param record the job, which has been done when a test runs. */
export function claimMainJob(record: () => JobRecord): void {
  it("holds more than LMEM can: objects were evicted under pressure", () => {
    const { uploads, nap, metrics } = record();
    expect(uploads.length).toBeGreaterThan(200);
    expect(uploads.reduce((sum, { length }) => sum + length, 0)).toBeGreaterThan(1.5 * LMEM_BYTES);
    expect(metrics.before.sum("torpor_eviction_bytes_total", { cause: "pressure" })).toBeGreaterThan(0);
    const places = [...nap.before.objects.values()].map(({ region }) => region);
    expect(new Set(places)).toEqual(new Set(["lmem0", "smem"]));
  });

  it("loses its power", () => {
    const { nap } = record();
    expect(nap.suspend).toMatchObject({
      state: "SUCCEEDED",
      dState: "D3COLD",
      wedged: false,
      recovered: false,
    });
    expect(nap.asleep.device).toMatchObject({ powerState: "SUSPENDED", sleepState: "S3", dState: "D3COLD" });
  });

  it("says how much went by which path, the same over both wires", async () => {
    const { nap, job, wire } = record();
    const otherWire = wire === "REST" ? job.overGrpc : job.overRest;
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
      expect(await otherWire("GetTransition", { name: transition.name })).toEqual(transition);
    }
  });

  it("evicts exactly the clients' unpinned objects in LMEM", () => {
    const { uploads, nap } = record();
    const evicted = uploads
      .filter(({ name, pinned }) => !pinned && nap.before.objects.get(name)?.region === "lmem0")
      .map(({ name }) => nap.asleep.objects.get(name));
    expect(evicted.length).toBeGreaterThan(0);
    expect(nap.suspend.evictedObjects).toBe(evicted.length);
    expect(Number(nap.suspend.evictedBytes)).toBe(sizes(evicted));
    expect(new Set(evicted.map((object) => object?.region))).toEqual(new Set(["smem"]));
  });

  it("backs up exactly the pinned objects and what the device itself needs", () => {
    const { uploads, nap } = record();
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
    const { nap } = record();
    const reasons = ["DEVICE_SUSPENDED"];
    const refusal = { rest: { status: "FAILED_PRECONDITION", reasons }, grpc: { code: 9, reasons } };
    expect(nap.refusals).toEqual([refusal, refusal]);
  });

  it("resumes from every backup, and keeps none", async () => {
    const { job, nap } = record();
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
    const { uploads, read } = record();
    expect(changed(uploads, read.rest)).toEqual([]);
    const some = uploads.filter(({ name }) => read.grpc.has(name));
    expect(some.length).toBeGreaterThan(50);
    expect(changed(some, read.grpc)).toEqual([]);
  });

  it("puts pinned objects back into the same extents", () => {
    const { uploads, nap } = record();
    for (const { name } of uploads.filter(({ pinned }) => pinned)) {
      const { region, extents, pinCount } = nap.before.objects.get(name) ?? {};
      expect(nap.awake.objects.get(name), name).toMatchObject({ region, extents, pinCount });
    }
  });

  it("counts in its metrics exactly what the transitions say", () => {
    const { nap, metrics } = record();
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
