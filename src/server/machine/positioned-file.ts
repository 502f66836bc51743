/** Bytes straight from and to memory that the engines share, by position. */

/** What is read and written by position; a FileHandle is. Both may do less than they are asked to. */
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

/** Writes all of `bytes`. @throws what the file throws; Error when it takes no more. */
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

/** Fills `bytes` as far as the file reaches. Answers how far that is. @throws what the file throws. */
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
