/** Hosts with daemons that share a bucket. */
import { type OwnedDaemon, OwnedDirectory } from "./owned-daemons.ts";
import { REGION } from "./rgw.ts";

export class BucketHost extends OwnedDirectory {
  readonly #flags: readonly string[];

  /** @param bucket its name @param endpoint of the store, or of a proxy before it */
  constructor(bucket: string, endpoint: string) {
    super();
    const place = ["--image-store", `s3://${bucket}/images of tests`.replaceAll(" ", "-")];
    const where = ["--image-store-endpoint", endpoint, "--image-store-region", REGION];
    this.#flags = [...place, ...where, "--image-store-path-style"];
  }

  override startAs(...words: string[]): Promise<OwnedDaemon> {
    return super.startAs(...this.#flags, ...words);
  }
}
