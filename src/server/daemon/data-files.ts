/** Opens the data directory of a daemon with its images, and gives it up again. */
import { join } from "node:path";
import type { Logger } from "pino";
import { settledWithin } from "../../device/clock.ts";
import { describeImage } from "../../device/mod.ts";
import type { Config } from "../config/config.ts";
import { SHUTDOWN_FILES_MS } from "../daemon-limits.ts";
import { DataDirectory } from "../machine/data-directory.ts";
import { ImageDirectory } from "../machine/image-directory.ts";
import { systemClock } from "../machine/system-clock.ts";
import { writableByOthers } from "../machine/writable-by-others.ts";
import type { Metrics } from "../metrics/metrics.ts";

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

/** Opens the images of a data directory, if there is one, and discards unfinished images. */
export async function openImages(
  { imageQuotaBytes: quotaBytes, keepImages: keepConsumed }: Config,
  { directory, log, metrics, incarnation }: ImageDeps,
): Promise<ImageDirectory | undefined> {
  if (directory === undefined) return undefined;
  const path = join(directory.path, "images");
  const counts = metrics.countImages();
  const { observer } = counts;
  const images = await ImageDirectory.open({
    path,
    statesPath: join(directory.path, "devices.json"),
    incarnation,
    quotaBytes,
    keepConsumed,
    observer,
    now: Date.now,
    describe: describeImage,
  });
  counts.watch(() => images.usage());
  const { partialsRemoved } = images;
  if (partialsRemoved > 0) log.warn({ partialsRemoved }, "unfinished hibernation images were removed");
  return images;
}
