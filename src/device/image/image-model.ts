/**
 * What a hibernation image says of a device beside bytes: plain data, made from memory and contexts by
 * capture.ts, written and read by writer.ts and reader.ts, and made into memory and contexts again by
 * adopt.ts.
 */
import type { Extent } from "../extent.ts";
import type { ContextPriority } from "../resource.ts";

/** The device as it was: what it is made of, and where its counters stood. */
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
  /** 0 is none. */
  readonly swapBytes: number;
  readonly engines: readonly string[];
  readonly suspendCount: number;
  /** Ids that the next of each will get. */
  readonly nextObjectId: number;
  readonly nextOwnedId: number;
  readonly nextContextId: number;
  readonly nextFenceId: number;
  readonly nextTransitionId: number;
}

/**
 * CLIENT: a client's object. OWNED: one of the device's own (`k1`…). BACKUP: of the entry `owner`, which
 * stands before it.
 */
export type ImageObjectKind = "CLIENT" | "OWNED" | "BACKUP";

/**
 * NONE: no bytes. LOCAL: in local memory, whose power was cut. SYSTEM and SWAP: its bytes are in the image.
 */
export type ImagePlace = "NONE" | "LOCAL" | "SYSTEM" | "SWAP";

/** One object. Clients' objects stand in the order of their ids. */
export interface ImageObject {
  readonly kind: ImageObjectKind;
  /** Number of the object; 0 for a backup. */
  readonly id: number;
  readonly sizeBytes: number;
  /** The bits of object-table.ts. */
  readonly flags: number;
  /** Allowed regions by index, preferred first. */
  readonly regions: readonly number[];
  /** A power of two, or 0. */
  readonly alignmentBytes: number;
  readonly label: string;
  readonly createTimeNs: bigint;
  readonly version: number;
  /** The number of object-table.ts. */
  readonly state: number;
  readonly dontNeed: boolean;
  readonly pinCount: number;
  readonly place: ImagePlace;
  /** Index of the region when LOCAL, else -1. */
  readonly region: number;
  /** Where it lies when LOCAL, else empty. */
  readonly extents: readonly Extent[];
  /** Position of its owner among the objects when BACKUP, else -1. */
  readonly owner: number;
  /** Position in its region's order of use, least recently used first; 0 without bytes. */
  readonly lru: number;
  /** CRC-32C of the content as `verify` took it; undefined when it did not. */
  readonly checksum: number | undefined;
}

/** A client's context; image and ring are objects of the device's own. */
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

/** The bytes of one object as the image takes and gives them: frames of FRAME_BYTES, the last one shorter. */
export interface FrameSource {
  readonly lengthBytes: number;
  isZero(): boolean;
  crc32c(): number;
  /** Copies the frame to `target`, which has its length. */
  copyTo(target: Uint8Array): void;
}

/** The same in the other direction. */
export interface FrameTarget {
  readonly lengthBytes: number;
  /** Replaces the frame's bytes. */
  copyFrom(source: Uint8Array): void;
  fillZero(): void;
  /** Whether every byte that is there now is 0. */
  isZero(): boolean;
  /** CRC-32C of what is there now. */
  crc32c(): number;
}

/** What the writer takes. */
export interface ImageSource {
  readonly device: ImageDevice;
  /** Whether the device keeps its system memory too (hybrid sleep). */
  readonly hybrid: boolean;
  /** Whether the daemon hibernates the device because it ends; false when a client asked for it. */
  readonly byShutdown: boolean;
  /** Of the state of the device. */
  readonly generation: number;
  readonly contexts: readonly ImageContext[];
  readonly objectCount: number;
  object(index: number): ImageObject;
  /**
   * The frames of the object at `index`, which is SYSTEM or SWAP; each is done with when the next is asked
   * for. Those that are there at once are no promises: awaiting a frame of zeroes costs as much as looking at
   * it.
   */
  frames(index: number): Iterable<FrameSource | Promise<FrameSource>>;
}

/** What the reader gives, once header and tables have been found sound. */
export interface ImageTables {
  readonly device: ImageDevice;
  readonly hybrid: boolean;
  /** 0 when a version wrote it that had none. */
  readonly generation: number;
  readonly createTimeNs: bigint;
  readonly contexts: readonly ImageContext[];
  readonly objectCount: number;
  object(index: number): ImageObject;
  /** The place of `object(index)` alone. */
  place(index: number): ImagePlace;
  /**
   * Brings the bytes of the object at `index` to `frames`; fastest when objects are asked for in order. A
   * frame has its bytes when the next is asked for.
   * @throws DeviceError IMAGE_CORRUPT when a frame is not what it was.
   */
  load(index: number, frames: Iterable<FrameTarget | Promise<FrameTarget>>): Promise<void>;
}
