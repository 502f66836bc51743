/** A bucket of a real object store keeps the promises of every store of images. */
import { openRgwBucket } from "../support/rgw.ts";
import { describeStore } from "../support/store-claims.ts";
import { bucketHost } from "../support/store-kinds.ts";

describeStore("a bucket of Ceph", async () => bucketHost(await openRgwBucket()));
