/** Space in a region that was allocated: for a moment nobody's, later the resource of an object. */
import type { Region } from "./region.ts";

export interface Space {
  readonly region: Region;
  /** What the region's allocator knows it by. */
  readonly handle: number;
}
