/**
 * At a start, removes what dead daemons of this host left in the bucket: uploads that were not completed, and
 * images that were not sealed. The lock of the data directory proves that they are dead. What other hosts are
 * writing is not touched.
 */
import { DeviceError } from "../../device/mod.ts";
import { type Bucket, BucketError } from "./bucket.ts";
import { IMAGES, imagesAmong, type ListedImage, parseImageKey, type Writer } from "./image-keys.ts";
import { recordOf } from "./image-state.ts";
import { bucketFailure, Superseded } from "./owner-records.ts";
import type { Owners } from "./ownership-writes.ts";

export interface SweepOptions {
  readonly bucket: Bucket;
  readonly writer: Writer;
  readonly owners: Owners;
}

/** Returns how many images were removed. @throws DeviceError COPY_FAILED if the store cannot be listed */
export async function sweepBucket({ bucket, writer, owners }: SweepOptions): Promise<number> {
  const isOfOurDead = (key: string): boolean => {
    const parsed = parseImageKey(key);
    return parsed?.host === writer.host && parsed.incarnation !== writer.incarnation;
  };
  try {
    const uploads = (await bucket.uploads(IMAGES)).filter(({ key }) => isOfOurDead(key));
    for (const upload of uploads) await bucket.abortUpload(upload);
    const images = imagesAmong(await bucket.list(IMAGES)).filter(({ key }) => isOfOurDead(key));
    let removed = uploads.length;
    for (const image of images) if (await removeUnsealed(bucket, owners, image)) removed++;
    return removed;
  } catch (error) {
    throw error instanceof BucketError ? bucketFailure(bucket, error) : error;
  }
}

async function removeUnsealed(bucket: Bucket, owners: Owners, image: ListedImage): Promise<boolean> {
  const { record } = await owners.read(image.uid);
  if (recordOf(image, record) !== undefined) return false;
  try {
    // A seal of the dead may still be on its way. It fails once the record says that the state is gone.
    await owners.entomb(image.uid, image.device);
  } catch (error) {
    if (error instanceof DeviceError || error instanceof Superseded) return false;
    throw error;
  }
  await bucket.remove(image.key);
  return true;
}
