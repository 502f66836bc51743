/** A store of hibernation images of which tests say what it holds. */
import { DeviceError } from "../../src/device/mod.ts";
import type { ImageCatalogue, ImageFacts, ImageRecord } from "../../src/server/machine/image-catalogue.ts";

export const IMAGE_FACTS: ImageFacts = {
  formatVersion: "1.0",
  deviceUid: "6f1c2d3e-4b5a-4978-8c6d-0123456789ab",
  generation: 3,
  cause: "client",
  nextTransitionId: 5,
  hybrid: true,
  codec: 1,
  objects: 7,
  contentBytes: 8192,
};

/** Two that were consumed and one that is sealed: `card0-a` to `card0-c`. */
export function threeImages(): ImageRecord[] {
  return ["a", "b", "c"].map((suffix) => ({
    id: `card0-${suffix}`,
    device: "card0",
    state: suffix === "c" ? "SEALED" : "CONSUMED",
    claimedBy: undefined,
    consumedBy:
      suffix === "c"
        ? undefined
        : { incarnation: "0123456789abcdef", device: "card0", timeNs: 2_500_000_000n },
    createTimeNs: 1_500_000_000n,
    sizeBytes: 4096,
  }));
}

export class FakeImages implements ImageCatalogue {
  records: ImageRecord[] = [];
  facts: ImageFacts | undefined = IMAGE_FACTS;

  async list(): Promise<readonly ImageRecord[]> {
    return this.records;
  }

  async get(id: string): Promise<ImageRecord> {
    const found = this.records.find((record) => record.id === id);
    if (found !== undefined) return found;
    throw new DeviceError("IMAGE_NOT_FOUND", `There is no image ${id}.`, { image: id });
  }

  async describe(): Promise<ImageFacts | undefined> {
    return this.facts;
  }

  async delete(id: string): Promise<void> {
    await this.get(id);
    this.records = this.records.filter((record) => record.id !== id);
  }
}
