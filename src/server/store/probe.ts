/**
 * Finds out at start whether a store keeps the conditions of writes. A store that ignores them would let two
 * devices own one state, so the daemon does not start with it.
 */
import { randomBytes } from "node:crypto";
import { PROBE_WRITERS } from "../daemon-limits.ts";
import { StartError } from "../machine/start-error.ts";
import { type Bucket, BucketError } from "./bucket.ts";
import type { TagForm } from "./s3-bucket.ts";

/** A bucket whose form of versions in conditions is not known yet. */
export interface ProbedBucket extends Bucket {
  tagForm: TagForm;
  findExpiry(prefix: string): Promise<number | undefined>;
}

/** @throws StartError if the store cannot be used; the sentence says why */
export async function probeBucket(bucket: ProbedBucket): Promise<void> {
  const key = `probe/${randomBytes(8).toString("hex")}`;
  try {
    await probeConditions(bucket, key);
    await probeRace(bucket, `${key}-race`);
    await bucket.list("devices/probe");
    const days = await bucket.findExpiry("devices/");
    if (days !== undefined) {
      throw unsuitable(bucket, `removes records of ownership after ${days} days, by a lifecycle rule`);
    }
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    const what = error.message.replace(/\.$/, "");
    throw new StartError(`The store of images ${bucket.name} cannot be used: it ${what}.`, { cause: error });
  } finally {
    await Promise.allSettled([bucket.remove(key), bucket.remove(`${key}-race`)]);
  }
}

async function probeConditions(bucket: ProbedBucket, key: string): Promise<void> {
  const first = await bucket.put(key, bytesOf("first"), undefined);
  if (first === undefined) throw unsuitable(bucket, "refused a new object with If-None-Match: *");
  if ((await bucket.put(key, bytesOf("second"), undefined)) !== undefined) {
    throw unsuitable(bucket, "wrote over an object in spite of If-None-Match: *");
  }
  const third =
    (await putAs(bucket, "quoted", { key, first })) ?? (await putAs(bucket, "bare", { key, first }));
  if (third === undefined) throw unsuitable(bucket, "refused the present version in If-Match");
  if ((await bucket.put(key, bytesOf("fourth"), first)) !== undefined) {
    throw unsuitable(bucket, "wrote over an object in spite of If-Match with an old version");
  }
  const found = await bucket.get(key);
  if (found === undefined || new TextDecoder().decode(found.bytes) !== "third" || found.version !== third) {
    throw unsuitable(bucket, "does not return what was written last");
  }
  await bucket.remove(key);
}

/** Overwrites version `first`, which is sent in that form from now on. */
function putAs(bucket: ProbedBucket, form: TagForm, { key, first }: First): Promise<string | undefined> {
  bucket.tagForm = form;
  return bucket.put(key, bytesOf("third"), first);
}

interface First {
  readonly key: string;
  readonly first: string;
}

/** Of several writers at once at most one may succeed. One without an answer may be the one. */
async function probeRace(bucket: Bucket, key: string): Promise<void> {
  const writers = Array.from({ length: PROBE_WRITERS }, (_, index) =>
    bucket.put(key, bytesOf(`writer ${index}`), undefined),
  );
  const won = (await Promise.allSettled(writers)).filter(
    (each) => each.status === "fulfilled" && each.value !== undefined,
  );
  if (won.length > 1) {
    throw unsuitable(bucket, `let ${won.length} writers at once make one object with If-None-Match: *`);
  }
}

function unsuitable({ name }: Bucket, what: string): StartError {
  return new StartError(
    `IMAGE_STORE_UNSUITABLE: the store of images ${name} ${what}. With it two devices could own one state. ` +
      `docs/image-stores.md says which stores are safe.`,
  );
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
