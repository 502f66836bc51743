/** SnapshotService, for both wires. Devices take snapshots and go back to them; the daemon keeps them. */
import type { Empty } from "../../contract/gen/google/protobuf/empty.ts";
import type { Transition } from "../../contract/gen/torpor/v1/power.ts";
import type {
  DeleteSnapshotRequest,
  GetSnapshotRequest,
  ListSnapshotsRequest,
  ListSnapshotsResponse,
  RestoreDeviceRequest,
  Snapshot,
  SnapshotDeviceRequest,
} from "../../contract/gen/torpor/v1/snapshot.ts";
import type { SnapshotStore } from "../../device/mod.ts";
import { toMs } from "../messages/convert.ts";
import { encodeSnapshot } from "../messages/encode-snapshot.ts";
import { encodeTransition } from "../messages/encode-transition.ts";
import { parseDeviceName, parseSnapshotName } from "../messages/resource-names.ts";
import { WireError } from "../messages/wire-error.ts";
import { type DeviceRegistry, requireDevice } from "./devices.ts";
import { decodePageToken, encodePageToken, pageSize } from "./page-token.ts";
import { parseSnapshotFilter } from "./snapshot-filter.ts";

export function snapshotHandlers(devices: DeviceRegistry) {
  return { ...stateHandlers(devices), ...storeHandlers(devices) };
}

function stateHandlers(devices: DeviceRegistry) {
  return {
    async snapshotDevice(request: SnapshotDeviceRequest): Promise<Snapshot> {
      const device = requireDevice(devices, parseDeviceName(request.name));
      const idleTimeoutMs = toMs(request.idleTimeout, "idleTimeout");
      const snapshot = await device.execute({
        type: "takeSnapshot",
        snapshot: request.snapshotId,
        labels: Object.fromEntries(request.labels),
        ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
      });
      return encodeSnapshot(snapshot);
    },

    async restoreDevice(request: RestoreDeviceRequest): Promise<Transition> {
      const device = requireDevice(devices, parseDeviceName(request.name));
      const waitMs = toMs(request.wait, "wait");
      const { snapshot } = request;
      const transition = await device.execute({
        type: "restoreSnapshot",
        snapshot: snapshot.includes("/") ? parseSnapshotName(snapshot) : snapshot,
        ...(waitMs === undefined ? {} : { waitMs }),
      });
      return encodeTransition(device.name, transition);
    },
  };
}

function storeHandlers(devices: DeviceRegistry) {
  return {
    async getSnapshot(request: GetSnapshotRequest): Promise<Snapshot> {
      const id = parseSnapshotName(request.name);
      return encodeSnapshot(requireStore(devices, id).get(id));
    },

    async listSnapshots(request: ListSnapshotsRequest): Promise<ListSnapshotsResponse> {
      const listing = ["snapshots", request.filter];
      const afterId = decodePageToken(listing, request.pageToken);
      const limit = pageSize(request.pageSize);
      const matches = parseSnapshotFilter(request.filter);
      const found = (devices.snapshots?.list() ?? [])
        .filter((snapshot) => snapshot.id > afterId && matches(snapshot))
        .sort((one, other) => (one.id < other.id ? -1 : 1));
      const page = found.slice(0, limit);
      const next = found.length > limit ? (page.at(-1)?.id ?? "") : "";
      return { snapshots: page.map(encodeSnapshot), nextPageToken: encodePageToken(listing, next) };
    },

    async deleteSnapshot(request: DeleteSnapshotRequest): Promise<Empty> {
      const id = parseSnapshotName(request.name);
      requireStore(devices, id).delete(id);
      return {};
    },
  };
}

/** @throws WireError SNAPSHOT_NOT_FOUND: a daemon without memory for snapshots has none */
function requireStore({ snapshots }: DeviceRegistry, id: string): SnapshotStore {
  if (snapshots !== undefined) return snapshots;
  throw new WireError(
    "SNAPSHOT_NOT_FOUND",
    `There is no snapshot ${id}: this daemon has no memory for snapshots.`,
    { snapshot: id },
  );
}
