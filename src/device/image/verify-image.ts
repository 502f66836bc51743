/** Reads back a written image before anybody relies on it, instead of trusting the disk. */
import type { Clock } from "../clock.ts";
import { crc32cOf, crc32cOfZeroes } from "../hardware/crc32c.ts";
import { IMAGE_FRAME_OVERHEAD_BYTES } from "../limits.ts";
import type { HashFactory } from "../services.ts";
import { WorkSlices } from "../work-slices.ts";
import { imageCorrupt } from "./image-error.ts";
import { FRAME_ZERO } from "./image-format.ts";
import type { FrameCodec, ImageDraft } from "./image-store.ts";
import { ImageInput } from "./input.ts";
import { openImage } from "./open.ts";

export interface VerifyImageOptions {
  readonly file: Pick<ImageDraft, "read">;
  /** The result of writing it. */
  readonly storedBytes: number;
  readonly clock: Clock;
  readonly sha256: HashFactory;
  /** The codec that compressed it. */
  readonly codec?: FrameCodec | undefined;
  /** Called every few MiB. Throws to stop the verification. */
  readonly check: () => void;
}

/**
 * Reads header, tables and every frame, and compares every checksum.
 * @throws DeviceError IMAGE_CORRUPT if anything differs from what was written; COPY_FAILED; the errors of
 * `check`.
 */
export async function verifyImage(options: VerifyImageOptions): Promise<void> {
  const { clock, sha256, codec, check, storedBytes } = options;
  const file = {
    sizeBytes: storedBytes,
    read: (offsetBytes: number, into: Uint8Array) => options.file.read(offsetBytes, into),
  };
  const table = await openImage({ file, clock, sha256, codec });
  const input = new ImageInput(file, table, codec);
  const slices = new WorkSlices(clock);
  try {
    for (let frame = 0; frame < table.count("FRAMES"); frame++) {
      const record = table.frame(frame);
      const crc =
        record.form === FRAME_ZERO
          ? crc32cOfZeroes(record.rawBytes)
          : crc32cOf(await input.take(frame, record));
      if (crc !== record.rawCrc32c) {
        throw imageCorrupt(`${table.frameName(frame)} does not have the checksum that it had`);
      }
      const workedBytes = record.form === FRAME_ZERO ? 0 : record.rawBytes + IMAGE_FRAME_OVERHEAD_BYTES;
      if (slices.spend(workedBytes)) {
        check();
        await slices.rest();
      }
    }
    check();
  } finally {
    await input.reset();
  }
}
