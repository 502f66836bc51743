/** The bytes of an image on their way between device and store: written and read back, or read. */
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

/** What is written, and for whom. */
export interface Filling {
  readonly draft: ImageDraft;
  readonly source: ImageSource;
  readonly transition: Transition;
  readonly counts: PhaseCounts;
}

/** Writes everything, then reads it back: the store's word is not taken for it. */
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
 * Opens an image, has `work` done with its tables, and closes it.
 * @throws DeviceError as `readImage` does.
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
