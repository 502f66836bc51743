/** The main job from outside, over both wires of a container: what is claimed of it is in main-job-claims.ts. */
import { afterAll, beforeAll, describe } from "vitest";
import { type StartedTorporContainer, TorporContainer } from "../../packages/testcontainers/src/mod.ts";
import { TEST_IMAGE } from "../../scripts/docker-image.ts";
import { Job, type JobRecord, recordMainJob } from "../support/main-job.ts";
import { claimMainJob } from "../support/main-job-claims.ts";

process.env.TESTCONTAINERS_RYUK_DISABLED ??= "true";

describe("the main job in a container with 256 MiB of LMEM", () => {
  let torpor: StartedTorporContainer;
  let job: Job;
  let record: JobRecord;

  beforeAll(async () => {
    torpor = await new TorporContainer(TEST_IMAGE).withDevice({ lmem: "256MiB", smem: "2GiB" }).start();
    job = new Job(torpor.getRestUrl(), torpor.getGrpcTarget());
    // The suspend over gRPC, uploads, downloads and looks over both.
    record = await recordMainJob(job, "gRPC");
  });

  afterAll(async () => {
    job?.[Symbol.dispose]();
    await torpor?.stop();
  });

  claimMainJob(() => record);
});
