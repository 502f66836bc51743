/** Moves the bytes of an image between device and store: writes and reads back, or reads. */
import type { ImageSource, ImageTables } from "../../image/image-model.ts";
import type { FrameCodec, ImageDraft, ImageFile } from "../../image/image-store.ts";
import { readImage } from "../../image/reader.ts";
import { verifyImage } from "../../image/verify-image.ts";
import { writeImage } from "../../image/writer.ts";
import { count } from "../../memory/tally.ts";
import type { DeviceServices } from "../../services.ts";
import type { PhaseCounts, Transition } from "../transition.ts";

export interface ExchangeOptions {
  readonly services: DeviceServices;
  readonly codec: FrameCodec | undefined;
  readonly compresses: boolean;
}

/** What is written, and for which device. */
export interface Filling {
  readonly draft: ImageDraft;
  readonly source: ImageSource;
  readonly transition: Transition;
  readonly counts: PhaseCounts;
}

/** Writes everything, and then reads it back instead of trusting the store. */
export async function fillDraft(
  { services, codec, compresses }: ExchangeOptions,
  { draft, source, transition, counts }: Filling,
): Promise<void> {
  const { clock, sha256, failpoints } = services;
  const check = (): void => transition.check();
  const common = { clock, sha256, check, ...(compresses && codec !== undefined ? { codec } : {}) };
  const createTimeNs = clock.wallNs();
  const onBytes = (bytes: number): void => count(counts.imaged, "memcpy", { objects: 0, bytes });
  const written = await writeImage({ ...common, source, draft, createTimeNs, failpoints, onBytes });
  await verifyImage({ ...common, file: draft, storedBytes: written.storedBytes });
  count(counts.imaged, "memcpy", { objects: written.objects, bytes: 0 });
}

/**
 * Opens an image, lets `work` use its tables, and closes it.
 * @throws DeviceError like `readImage`.
 */
export async function readingImage(
  { services, codec }: ExchangeOptions,
  open: () => Promise<ImageFile>,
  work: (tables: ImageTables) => Promise<void>,
): Promise<void> {
  const { clock, sha256, failpoints } = services;
  const file = await open();
  try {
    await work(await readImage({ file, clock, sha256, codec, failpoints }));
  } finally {
    await file.close();
  }
}
