/** Encodes snapshots as messages. */
import type { Snapshot } from "../../contract/gen/torpor/v1/snapshot.ts";
import type { SnapshotResource } from "../../device/mod.ts";
import { toInt64, toTimestamp } from "./convert.ts";
import { deviceName, snapshotName } from "./resource-names.ts";

export function encodeSnapshot(snapshot: SnapshotResource): Snapshot {
  return {
    name: snapshotName(snapshot.id),
    device: deviceName(snapshot.device),
    deviceUid: snapshot.deviceUid,
    generation: toInt64(snapshot.generation),
    labels: new Map(Object.entries(snapshot.labels)),
    createTime: toTimestamp(snapshot.createTimeNs),
    objectCount: snapshot.objects,
    contextCount: snapshot.contexts,
    contentBytes: toInt64(snapshot.contentBytes),
    copiedBytes: toInt64(snapshot.copiedBytes),
    memoryBytes: toInt64(snapshot.memoryBytes),
  };
}
