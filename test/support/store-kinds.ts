/** The kinds of image store, each as places that several daemons can open one after the other. */
import { randomBytes } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImagedState, ImageFile } from "../../src/device/mod.ts";
import { DeviceStates } from "../../src/server/machine/device-states.ts";
import type { DaemonImages, ImageFacts } from "../../src/server/machine/image-catalogue.ts";
import { ImageDirectory } from "../../src/server/machine/image-directory.ts";
import { imageFileSystem } from "../../src/server/machine/image-file-system.ts";
import type { Bucket } from "../../src/server/store/bucket.ts";
import { BucketImages } from "../../src/server/store/bucket-images.ts";
import { FACTS } from "./image-files.ts";
import { MemoryBucket, MemoryStore } from "./memory-bucket.ts";

/** The content of a test's image: its state, and something to know it by. */
export function contentOf(state: ImagedState, mark: string): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ ...state, mark }));
}

export async function describeText(file: ImageFile): Promise<ImageFacts> {
  const bytes = new Uint8Array(file.sizeBytes);
  await file.read(0, bytes);
  const state = JSON.parse(new TextDecoder().decode(bytes)) as ImagedState;
  const { uid: deviceUid, generation, nextTransitionId } = state;
  return { ...FACTS, deviceUid, generation, nextTransitionId };
}

export interface OpenOptions {
  readonly quotaBytes?: number;
  readonly keepConsumed?: number;
}

/** Where images are, and the host whose daemons open it. */
export interface StorePlace {
  /** Another daemon of the same host, after the death of all before. */
  restart(options?: OpenOptions): Promise<DaemonImages>;
}

export interface BucketHost extends StorePlace {
  readonly host: string;
}

/** A host with one data directory that uses a bucket. */
export function bucketHost(bucket: Bucket): BucketHost {
  const host = randomBytes(8).toString("hex");
  const statesPath = join(mkdtempSync(join(tmpdir(), "torpor-host-")), "devices.json");
  return {
    host,
    async restart({ quotaBytes, keepConsumed = 1 } = {}) {
      return BucketImages.open({
        bucket,
        writer: { host, incarnation: randomBytes(8).toString("hex") },
        isLasting: true,
        states: await DeviceStates.open(statesPath, imageFileSystem),
        quotaBytes,
        keepConsumed,
        describe: describeText,
        now: Date.now,
        monotonicMs: () => performance.now(),
        observer: {},
      });
    },
  };
}

function directoryPlace(): StorePlace {
  const root = mkdtempSync(join(tmpdir(), "torpor-directory-"));
  return {
    restart: ({ quotaBytes, keepConsumed = 1 } = {}) =>
      ImageDirectory.open({
        path: join(root, "images"),
        statesPath: join(root, "devices.json"),
        quotaBytes,
        keepConsumed,
        describe: describeText,
        now: Date.now,
      }),
  };
}

/** Each kind that can run here. */
export const STORE_KINDS: readonly { readonly kind: string; readonly place: () => Promise<StorePlace> }[] = [
  { kind: "a directory", place: async () => directoryPlace() },
  { kind: "a bucket in memory", place: async () => bucketHost(new MemoryBucket(new MemoryStore())) },
];
