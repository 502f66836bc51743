/** The settings of snapshots. */
import { GIB } from "../../device/limits.ts";
import { setting } from "./setting.ts";
import { formatSize } from "./size.ts";
import { size } from "./value-readers.ts";

export const SNAPSHOT_SETTINGS = {
  /** Memory for the snapshots of all devices, committed on first use; 0 for none. */
  snapshotMemory: setting(size(), {
    place: "snapshotMemoryBytes",
    fallback: GIB,
    value: "SIZE",
    help: "memory for snapshots of all devices, 0 for none",
    rare: true,
    print: formatSize,
  }),
};
