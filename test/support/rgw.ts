/** Buckets of the object store that runs for the tests. */
import { randomBytes } from "node:crypto";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { probeBucket } from "../../src/server/store/probe.ts";
import { S3Bucket } from "../../src/server/store/s3-bucket.ts";

export const REGION = "us-east-1";

/** URL of the store. */
export function rgwEndpoint(): string {
  const endpoint = process.env.TORPOR_TEST_S3;
  if (endpoint === undefined) throw new Error("The object store of the tests does not run.");
  return endpoint;
}

/** Makes a bucket. Answers its name. */
export async function makeRgwBucket(endpoint = rgwEndpoint()): Promise<string> {
  const name = `t-${randomBytes(8).toString("hex")}`;
  const client = new S3Client({ endpoint, region: REGION, forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: name }));
  client.destroy();
  return name;
}

/** A bucket of its own, which has passed the probe. */
export async function openRgwBucket(): Promise<S3Bucket> {
  const place = { bucket: await makeRgwBucket(), prefix: "some/where", endpoint: rgwEndpoint() };
  const bucket = await S3Bucket.open({ ...place, region: REGION, pathStyle: true });
  await probeBucket(bucket);
  return bucket;
}
