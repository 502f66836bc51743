/** A snapshot: a device as it was, without the hardware and without what was under way. */
import type { Extent } from "../../extent.ts";
import type { ImageDevice } from "../../image/image-model.ts";
import type { SavedBytes } from "../../memory/saved-bytes.ts";
import type { SnapshotResource } from "../../resource.ts";
import type { SavedContext } from "../../submission/client-context.ts";
import type { RuntimePmSettings } from "../runtime-pm-settings.ts";

/** An object as it was. Numbers and flags are those of the object table. */
export interface SavedObject {
  readonly id: number;
  readonly sizeBytes: number;
  readonly flags: number;
  /** Allowed regions by index, preferred first. */
  readonly regions: readonly number[];
  readonly alignmentBytes: number;
  readonly label: string;
  readonly createTimeNs: bigint;
  readonly version: number;
  readonly state: number;
  readonly dontNeed: boolean;
  readonly pinCount: number;
  /** Where its bytes were; NONE for an object without bytes, or in swap. */
  readonly region: number;
  readonly extents: readonly Extent[];
  /** Position of its first frame among the saved ones; NONE if no byte was saved. */
  readonly firstFrame: number;
}

/** A context as it was. Its image and its ring are named by their positions among the objects. */
export interface SnapshotContext extends Omit<SavedContext, "imageSlot" | "ringSlot"> {
  readonly image: number;
  readonly ring: number;
}

/** What was free of a region: where the next objects go depends on it. */
export interface FreeMemory {
  readonly region: number;
  /** How often the region had lost its power. After another loss nothing is known to be zero. */
  readonly powerLosses: number;
  readonly blocks: readonly { readonly range: Extent; readonly cleared: boolean }[];
}

export interface Snapshot {
  readonly resource: SnapshotResource;
  /** Sizes, engines and counters of the device. */
  readonly shape: ImageDevice;
  readonly runtimePm: RuntimePmSettings;
  readonly objects: readonly SavedObject[];
  /** By region: positions among the objects in the order in which they would be evicted. */
  readonly orders: ReadonlyMap<number, Int32Array>;
  readonly free: readonly FreeMemory[];
  readonly contexts: readonly SnapshotContext[];
  readonly bytes: SavedBytes;
  /** What its records were charged with. */
  readonly recordBytes: number;
}
