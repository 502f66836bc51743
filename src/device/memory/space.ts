/** Allocated space in a region. It belongs to nobody for a moment, and later becomes an object's resource. */
import type { Region } from "./region.ts";

export interface Space {
  readonly region: Region;
  /** The handle that the region's allocator knows. */
  readonly handle: number;
}
