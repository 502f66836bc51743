/** Compresses frames of hibernation images with Zstandard, on the threads of Node's pool. */
import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompress } from "node:zlib";
import type { FrameCodec } from "../../device/mod.ts";

/**
 * From 1 to 22. Everybody waits while an image is written, and higher levels cost more time than the disk.
 */
const LEVEL = 1;

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

export const zstdCodec: FrameCodec = {
  id: 1,
  compress: (bytes) => compress(bytes, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } }),
  async decompress(bytes, lengthBytes) {
    // A forged image must not fill the memory. 0 would mean no limit.
    const plain = await decompress(bytes, { maxOutputLength: Math.max(1, lengthBytes) });
    if (plain.length === lengthBytes) return plain;
    throw new Error(`The frame holds ${plain.length} bytes and should hold ${lengthBytes}`);
  },
};
