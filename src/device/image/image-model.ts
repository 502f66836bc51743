/**
 * The description of a device in a hibernation image, apart from the bytes of objects. It is plain data.
 * capture.ts makes it from memory and contexts, writer.ts writes it, reader.ts reads it, and adopt.ts turns
 * it into memory and contexts again.
 */
import type { Extent } from "../extent.ts";
import type { ContextPriority } from "../resource.ts";

/** The device as it was: its options and its counters. */
export interface ImageDevice {
  readonly name: string;
  readonly uid: string;
  readonly model: string;
  readonly lmem: readonly {
    readonly sizeBytes: number;
    readonly minPageBytes: number;
    readonly visibleBytes: number;
  }[];
  readonly smemBytes: number;
  readonly stolenBytes: number;
  /** 0 for none. */
  readonly swapBytes: number;
  readonly engines: readonly string[];
  readonly suspendCount: number;
  /** The next id of each kind. */
  readonly nextObjectId: number;
  readonly nextOwnedId: number;
  readonly nextContextId: number;
  readonly nextFenceId: number;
  readonly nextTransitionId: number;
}

/**
 * CLIENT: a client's object. OWNED: one of the device's own (`k1`…). BACKUP: the backup of the entry `owner`,
 * which comes before it.
 */
export type ImageObjectKind = "CLIENT" | "OWNED" | "BACKUP";

/**
 * NONE: no bytes. LOCAL: in local memory, whose power was cut. SYSTEM and SWAP: its bytes are in the image.
 */
export type ImagePlace = "NONE" | "LOCAL" | "SYSTEM" | "SWAP";

/** One object. Clients' objects are ordered by id. */
export interface ImageObject {
  readonly kind: ImageObjectKind;
  /** Number of the object; 0 for a backup. */
  readonly id: number;
  readonly sizeBytes: number;
  /** The bits that object-table.ts defines. */
  readonly flags: number;
  /** Allowed regions by index, preferred first. */
  readonly regions: readonly number[];
  /** A power of two, or 0. */
  readonly alignmentBytes: number;
  readonly label: string;
  readonly createTimeNs: bigint;
  readonly version: number;
  /** The number that object-table.ts defines. */
  readonly state: number;
  readonly dontNeed: boolean;
  readonly pinCount: number;
  readonly place: ImagePlace;
  /** Index of the region if LOCAL, else -1. */
  readonly region: number;
  /** Its extents if LOCAL, else empty. */
  readonly extents: readonly Extent[];
  /** Position of its owner among the objects if BACKUP, else -1. */
  readonly owner: number;
  /** Position in its region's LRU order, least recently used first; 0 without bytes. */
  readonly lru: number;
  /** CRC-32C of the content from `verify`; undefined without one. */
  readonly checksum: number | undefined;
}

/** A client's context. Its image and ring are device-owned objects. */
export interface ImageContext {
  readonly id: number;
  readonly engine: string;
  readonly priority: ContextPriority;
  readonly hangs: number;
  readonly banned: boolean;
  readonly seqno: number;
  /** Whether its registers are in the image object. */
  readonly placedBefore: boolean;
  /** Numbers of the two objects. */
  readonly imageObject: number;
  readonly ringObject: number;
}

/** The bytes of one object in frames of FRAME_BYTES; the last frame may be shorter. */
export interface FrameSource {
  readonly lengthBytes: number;
  isZero(): boolean;
  crc32c(): number;
  /** Copies the frame to `target`, which has the frame's length. */
  copyTo(target: Uint8Array): void;
}

/** The same in the other direction. */
export interface FrameTarget {
  readonly lengthBytes: number;
  /** Replaces the frame's bytes. */
  copyFrom(source: Uint8Array): void;
  fillZero(): void;
  /** Whether all present bytes are 0. */
  isZero(): boolean;
  /** CRC-32C of the present bytes. */
  crc32c(): number;
}

/** The input of the writer. */
export interface ImageSource {
  readonly device: ImageDevice;
  /** Whether the device also keeps its system memory (hybrid sleep). */
  readonly hybrid: boolean;
  /** Whether the daemon hibernates the device because it ends; false if a client requested it. */
  readonly byShutdown: boolean;
  /** Generation of the device's state. */
  readonly generation: number;
  readonly contexts: readonly ImageContext[];
  readonly objectCount: number;
  object(index: number): ImageObject;
  /**
   * The frames of the object at `index`, which is SYSTEM or SWAP. Each may be reused when the next is
   * requested. Frames that are ready are not promises, because awaiting a zero frame costs as much as
   * checking it.
   */
  frames(index: number): Iterable<FrameSource | Promise<FrameSource>>;
}

/** The output of the reader, after header and tables were accepted. */
export interface ImageTables {
  readonly device: ImageDevice;
  readonly hybrid: boolean;
  /** 0 if a version without this field wrote it. */
  readonly generation: number;
  readonly createTimeNs: bigint;
  readonly contexts: readonly ImageContext[];
  readonly objectCount: number;
  object(index: number): ImageObject;
  /** Only the place of `object(index)`. */
  place(index: number): ImagePlace;
  /**
   * Loads the bytes of the object at `index` into `frames`. Ascending order is fastest. A frame has its bytes
   * when the next is requested.
   * @throws DeviceError IMAGE_CORRUPT if a frame has changed.
   */
  load(index: number, frames: Iterable<FrameTarget | Promise<FrameTarget>>): Promise<void>;
}
