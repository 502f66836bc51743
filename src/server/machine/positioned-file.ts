/** Reads and writes the engines' shared memory directly from and to a file, by position. */

/**
 * A file that is read and written by position, such as a FileHandle. Both operations may do less than asked.
 */
export interface PositionedFile {
  read(
    bytes: Uint8Array,
    at: number,
    lengthBytes: number,
    offsetBytes: number,
  ): Promise<{ readonly bytesRead: number }>;
  write(
    bytes: Uint8Array,
    at: number,
    lengthBytes: number,
    offsetBytes: number,
  ): Promise<{ readonly bytesWritten: number }>;
  close(): Promise<void>;
}

/** Writes all of `bytes`. @throws the errors of the file; Error if it accepts no more. */
export async function writeFully(
  file: PositionedFile,
  offsetBytes: number,
  bytes: Uint8Array,
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offsetBytes + done);
    if (bytesWritten === 0) throw new Error("it takes no more bytes");
    done += bytesWritten;
  }
}

/**
 * Fills `bytes` as far as the file reaches. Returns how many bytes that is. @throws the errors of the file.
 */
export async function readFully(
  file: PositionedFile,
  offsetBytes: number,
  bytes: Uint8Array,
): Promise<number> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, offsetBytes + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}
