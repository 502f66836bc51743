/**
 * The main job over real sockets, against a daemon in this process: what is claimed of it is in main-job-claims.ts. And the
 * counter-proof: without the restore of backups, the same check fails for exactly what was pinned.
 */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../../src/device/mod.ts";
import { startTestDaemon, type TestDaemon } from "../../support/daemon.ts";
import { dropLateBackups } from "../../support/hidden-backups.ts";
import {
  changed,
  Job,
  type JobRecord,
  LMEM_BYTES,
  recordMainJob,
  SMEM_BYTES,
} from "../../support/main-job.ts";
import { claimMainJob } from "../../support/main-job-claims.ts";
import { bootThreaded, type TestDevice } from "../../support/test-device.ts";
import { startWires } from "../../support/wires.ts";

/** For one whole job, which takes ten seconds on two quiet cores. Unit: milliseconds. */
const PATIENCE_MS = 300_000;

describe("the main job", () => {
  let daemon: TestDaemon;
  let job: Job;
  let record: JobRecord;

  beforeAll(async () => {
    daemon = await startTestDaemon({ lmemSizesBytes: [LMEM_BYTES], smemBytes: SMEM_BYTES });
    job = new Job(daemon.url, daemon.grpc);
    // The suspend over REST; in a container it goes over gRPC.
    record = await recordMainJob(job, "REST");
  }, PATIENCE_MS);
  afterAll(async () => {
    job?.[Symbol.dispose]();
    await daemon?.[Symbol.asyncDispose]();
  });

  claimMainJob(() => record);
});

describe("the same job without the late restore", () => {
  it(
    "loses what was pinned and nothing else: the power was really gone",
    async () => {
      const { device } = await bootThreaded({
        lmem: [{ sizeBytes: LMEM_BYTES }],
        smem: { sizeBytes: SMEM_BYTES },
      });
      try {
        await using wires = await startWires([withoutLateRestore(device)]);
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

/** The device, whose late backups are gone before each resume. */
function withoutLateRestore(device: TestDevice["device"]): Device {
  return {
    name: device.name,
    changes: device.changes,
    execute(command) {
      if (command.type === "resume") dropLateBackups(device);
      return device.execute(command);
    },
    close: () => device.close(),
    checkInvariants: () => device.checkInvariants(),
  };
}
