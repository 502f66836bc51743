/**
 * Writes protobuf messages one after the other into the same memory. A new writer for each message would grow
 * its buffer every time, which takes longer than the writing.
 */
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { KEPT_WRITER_BYTES_MAX } from "../limits.ts";

/** The generated code of each message type. */
export interface MessageType<T> {
  encode(message: T, writer?: BinaryWriter): BinaryWriter;
}

let writer = new BinaryWriter();

/** The bytes of a message. */
export function writeMessage<T>(type: MessageType<T>, message: T): Buffer {
  try {
    const { buffer, byteOffset, byteLength } = type.encode(message, writer).finish();
    if (byteLength > KEPT_WRITER_BYTES_MAX) writer = new BinaryWriter();
    return Buffer.from(buffer, byteOffset, byteLength);
  } catch (error) {
    // Otherwise half of this message would precede the next one.
    writer = new BinaryWriter();
    throw error;
  }
}
