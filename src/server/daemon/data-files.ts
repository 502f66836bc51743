/** Opens the data directory of a daemon with its images, and gives it up again. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Logger } from "pino";
import { settledWithin } from "../../device/clock.ts";
import { describeImage } from "../../device/mod.ts";
import type { Config } from "../config/config.ts";
import { SHUTDOWN_FILES_MS } from "../daemon-limits.ts";
import { DataDirectory } from "../machine/data-directory.ts";
import { DeviceStates } from "../machine/device-states.ts";
import { readHostId } from "../machine/host-id.ts";
import type { DaemonImages } from "../machine/image-catalogue.ts";
import { ImageDirectory } from "../machine/image-directory.ts";
import type { ImageObserver } from "../machine/image-errors.ts";
import { imageFileSystem } from "../machine/image-file-system.ts";
import { systemClock } from "../machine/system-clock.ts";
import { writableByOthers } from "../machine/writable-by-others.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { BucketImages } from "../store/bucket-images.ts";
import { probeBucket } from "../store/probe.ts";
import { S3Bucket } from "../store/s3-bucket.ts";

/**
 * Opens the directory, and warns if others may write to it. Undefined without a path.
 * @throws Error if it cannot be opened
 */
export async function openDirectory(
  path: string | undefined,
  log: Logger,
): Promise<DataDirectory | undefined> {
  if (path === undefined) return undefined;
  const directory = await DataDirectory.open(path);
  const danger = await writableByOthers("data directory", directory.path).catch(() => undefined);
  if (danger !== undefined) log.warn(danger);
  return directory;
}

/** Gives the directory up. A file system that hangs delays the daemon only until a deadline. */
export async function closeDirectory(directory: DataDirectory, log: Logger): Promise<void> {
  const closing = directory
    .close()
    .catch((error: unknown) => log.warn({ err: error }, "the data directory could not be given up"));
  if (await settledWithin(systemClock, closing, SHUTDOWN_FILES_MS)) return;
  log.warn({ deadlineMs: SHUTDOWN_FILES_MS }, "the data directory was not given up by the deadline");
}

/** The observer of the images. `incarnation` is the daemon's. */
export interface ImageDeps {
  readonly directory: DataDirectory | undefined;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly incarnation: string;
}

/**
 * Opens the store of images: the bucket that is configured, or else the data directory. Discards unfinished
 * images. Undefined if there is neither.
 * @throws StartError, DeviceError if it cannot be used
 */
export async function openImages(config: Config, deps: ImageDeps): Promise<DaemonImages | undefined> {
  const { directory, log, metrics } = deps;
  if (directory === undefined && config.imageStore === undefined) return undefined;
  const counts = metrics.countImages(config.imageStore === undefined ? "directory" : "s3");
  const images = await (config.imageStore === undefined
    ? openDirectoryImages(config, { ...deps, observer: counts.observer })
    : openBucketImages(config, { ...deps, observer: counts.observer, place: config.imageStore }));
  counts.watch(() => images.usage());
  const { partialsRemoved } = images;
  if (partialsRemoved > 0) log.warn({ partialsRemoved }, "unfinished hibernation images were removed");
  return images;
}

type ObservedDeps = ImageDeps & { readonly observer: ImageObserver };

function openDirectoryImages(config: Config, deps: ObservedDeps): Promise<DaemonImages> {
  const { imageQuotaBytes: quotaBytes, keepImages: keepConsumed } = config;
  const { directory, incarnation, observer } = deps;
  assert(directory !== undefined, "without a bucket there is a data directory");
  return ImageDirectory.open({
    path: join(directory.path, "images"),
    statesPath: join(directory.path, "devices.json"),
    incarnation,
    quotaBytes,
    keepConsumed,
    observer,
    now: Date.now,
    describe: describeImage,
  });
}

async function openBucketImages(
  config: Config,
  deps: ObservedDeps & { readonly place: { readonly bucket: string; readonly prefix: string } },
): Promise<DaemonImages> {
  const { imageQuotaBytes: quotaBytes, keepImages: keepConsumed } = config;
  const { imageStoreEndpoint: endpoint, imageStoreRegion: region, imageStorePathStyle: pathStyle } = config;
  const { directory, incarnation, observer, place } = deps;
  const bucket = await S3Bucket.open({ ...place, endpoint, region, pathStyle });
  await probeBucket(bucket);
  const host = directory === undefined ? undefined : await readHostId(directory.path);
  const statesPath = directory && join(directory.path, "devices-in-bucket.json");
  return BucketImages.open({
    bucket,
    writer: { host: host ?? randomBytes(8).toString("hex"), incarnation },
    isLasting: host !== undefined,
    states: await DeviceStates.open(statesPath, imageFileSystem),
    quotaBytes,
    keepConsumed,
    describe: describeImage,
    now: Date.now,
    monotonicMs: () => performance.now(),
    observer,
  });
}
