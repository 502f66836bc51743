/** Stores that a daemon must not use, and what it says of them. The store that lies is a real one: s3rver. */
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BucketError } from "../../../src/server/store/bucket.ts";
import { type ProbedBucket, probeBucket } from "../../../src/server/store/probe.ts";
import { S3Bucket } from "../../../src/server/store/s3-bucket.ts";
import { DaemonProcess } from "../../support/daemon-process.ts";
import { MemoryBucket } from "../../support/memory-bucket.ts";

const KEYS = { AWS_ACCESS_KEY_ID: "S3RVER", AWS_SECRET_ACCESS_KEY: "S3RVER" };

interface Liar {
  run(): Promise<{ readonly port: number }>;
  close(): Promise<void>;
}

let liar: Liar;
let endpoint: string;
beforeAll(async () => {
  // It has no types, and its dependencies warn of their age.
  const require = createRequire(import.meta.url);
  const S3rver = require("s3rver") as new (options: object) => Liar;
  const directory = mkdtempSync(join(tmpdir(), "torpor-s3rver-"));
  const address = { address: "127.0.0.1", port: 0, silent: true, directory };
  liar = new S3rver({ ...address, configureBuckets: [{ name: "lies" }] });
  endpoint = `http://127.0.0.1:${(await liar.run()).port}`;
});
afterAll(() => liar.close());

/** What a daemon says that does not start. */
async function refusalOf(
  words: readonly string[],
  environment: Record<string, string> = KEYS,
): Promise<string> {
  const ports = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--lmem", "16MiB"];
  const style = ["--image-store-path-style", "--image-store-region", "us-east-1"];
  await using daemon = new DaemonProcess([...ports, ...style, ...words], environment);
  const { code } = await daemon.exit();
  expect(code).toBe(1);
  return daemon.stdout + daemon.stderr;
}

describe("a daemon does not start with a store", () => {
  it("that ignores conditions, and says so", async () => {
    const said = await refusalOf(["--image-store", "s3://lies/here", "--image-store-endpoint", endpoint]);
    expect(said).toContain(
      "IMAGE_STORE_UNSUITABLE: the store of images s3://lies/here wrote over an object in spite of If-None-Match: *",
    );
  });

  it("that has no such bucket, is not there, or does not know its key", async () => {
    const missing = ["--image-store", "s3://none-here", "--image-store-endpoint", endpoint];
    expect(await refusalOf(missing)).toContain("has no bucket of that name");
    const server = createServer();
    await once(server.listen(0, "127.0.0.1"), "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await new Promise((resolve) => server.close(resolve));
    const nowhere = ["--image-store", "s3://lies", "--image-store-endpoint", `http://127.0.0.1:${port}`];
    expect(await refusalOf(nowhere)).toContain("cannot be reached: nothing listens there");
    const stranger = ["--image-store", "s3://lies", "--image-store-endpoint", endpoint];
    expect(await refusalOf(stranger, { ...KEYS, AWS_ACCESS_KEY_ID: "NOBODY" })).toContain(
      "does not know the access key",
    );
  });
});

function probed(bucket: MemoryBucket, days?: number): ProbedBucket {
  return Object.assign(bucket, { tagForm: "quoted" as const, findExpiry: async () => days });
}

describe("the probe", () => {
  it("accepts a store that keeps conditions, and leaves nothing there", async () => {
    const bucket = new MemoryBucket();
    await probeBucket(probed(bucket));
    expect([...bucket.store.objects.keys()]).toEqual([]);
  });

  it("refuses a store that removes records by a rule, or may not remove anything", async () => {
    await expect(probeBucket(probed(new MemoryBucket(), 30))).rejects.toThrow(
      /IMAGE_STORE_UNSUITABLE.* removes records of ownership after 30 days/,
    );
    const bucket = new MemoryBucket();
    bucket.fails = (request) => request === "remove";
    await expect(probeBucket(probed(bucket))).rejects.toThrow(
      /s3:\/\/memory cannot be used: it failed at remove/,
    );
  });

  it("refuses a store whose conditions only hold for one writer at a time", async () => {
    const bucket = new MemoryBucket();
    const put = bucket.put.bind(bucket);
    bucket.put = async (key, bytes, condition) => {
      if (key.endsWith("-race")) bucket.store.objects.delete(key);
      return put(key, bytes, condition);
    };
    await expect(probeBucket(probed(bucket))).rejects.toThrow(/let 8 writers at once make one object/);
  });

  it("finds out in which form a store takes versions", async () => {
    const bucket = probed(new MemoryBucket());
    const put = bucket.put.bind(bucket);
    bucket.put = async (key, bytes, condition) =>
      condition !== undefined && bucket.tagForm === "quoted" ? undefined : put(key, bytes, condition);
    await probeBucket(bucket);
    expect(bucket.tagForm).toBe("bare");
  });
});

it("an error of a store that may come after the effect is no refusal", async () => {
  const place = { bucket: "lies", prefix: "", endpoint: "http://127.0.0.1:1", region: "us-east-1" };
  const bucket = await S3Bucket.open({ ...place, pathStyle: true });
  await expect(bucket.list("")).rejects.toBeInstanceOf(BucketError);
  bucket.close();
});
