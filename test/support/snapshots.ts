/** Devices with memory for snapshots, and what may be seen of a device: all that a restore must bring back. */
import {
  type DeviceOptions,
  MACHINE_WITHOUT_END,
  type ObjectResource,
  SnapshotStore,
} from "../../src/device/mod.ts";
import {
  bootVirtual,
  bytesInPlace,
  hashOf,
  MIB,
  type TestDevice,
  type VirtualDevice,
} from "./test-device.ts";

export function newStore(sizeBytes = 256 * MIB): SnapshotStore {
  return new SnapshotStore({ sizeBytes, machine: MACHINE_WITHOUT_END });
}

export interface SnapshotDevice extends VirtualDevice {
  readonly store: SnapshotStore;
}

export async function bootWithSnapshots(
  options: Partial<DeviceOptions> = {},
  store = newStore(),
): Promise<SnapshotDevice> {
  return { ...(await bootVirtual({ ...options, snapshots: store })), store };
}

export function take(gpu: TestDevice, snapshot: string, labels = {}) {
  return gpu.execute({ type: "takeSnapshot", snapshot, labels });
}

export function restore(gpu: TestDevice, snapshot: string) {
  return gpu.execute({ type: "restoreSnapshot", snapshot });
}

/** An object as clients see it, without its etag, and the hash of the bytes where they lie. */
export interface SeenObject extends Omit<ObjectResource, "etag"> {
  readonly hash: string;
}

/** All that clients can see of a device's state: objects in order, bytes, contexts, settings. */
export async function lookAtAll(gpu: TestDevice): Promise<unknown> {
  const { objects } = await gpu.execute({
    type: "listObjects",
    afterId: "",
    limit: 1000,
    showDeviceOwned: true,
  });
  const seen = objects.map(({ etag: _etag, ...object }): SeenObject => {
    const hasHash = object.state === "RESIDENT" && !object.id.startsWith("k");
    return { ...object, hash: hasHash ? hashOf(bytesInPlace(gpu, object.id)) : "" };
  });
  const { contexts } = await gpu.execute({ type: "listContexts", afterId: "", limit: 1000 });
  const { enabled, autosuspendDelayMs, d3coldThresholdBytes } = await gpu.execute({ type: "getRuntimePm" });
  const regions = await gpu.execute({ type: "listRegions" });
  return {
    objects: seen,
    contexts,
    runtimePm: { enabled, autosuspendDelayMs, d3coldThresholdBytes },
    used: regions.map(({ id, usedBytes, pinnedBytes, objectCount }) => [
      id,
      usedBytes,
      pinnedBytes,
      objectCount,
    ]),
    order: orderOf(gpu),
  };
}

/** The order in which clients' objects of each region would be evicted. */
function orderOf({ device: { memory } }: TestDevice): string[][] {
  return memory.regions.map((region) => [...region.lists.all()].map((slot) => memory.idOf(slot)));
}
