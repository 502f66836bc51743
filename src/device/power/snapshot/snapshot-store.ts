/**
 * The snapshots of all devices of a process, in memory. It gives names, bounds their number, and keeps a
 * snapshot from being deleted while a device reads it.
 */
import { DeviceError } from "../../errors.ts";
import { SNAPSHOTS_MAX } from "../../limits.ts";
import type { MachineMemory } from "../../machine-memory.ts";
import { FramePool } from "../../memory/frame-pool.ts";
import type { SnapshotResource } from "../../resource.ts";
import type { Snapshot } from "./snapshot.ts";

export interface SnapshotStoreOptions {
  /** Memory for the bytes and records of snapshots: a multiple of 64 KiB. It is committed on first use. */
  readonly sizeBytes: number;
  readonly machine: MachineMemory;
}

/** Legal names of snapshots, as those of AIP-122. */
const SNAPSHOT_ID = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;

export class SnapshotStore {
  readonly pool: FramePool;
  readonly #byId = new Map<string, Snapshot>();
  /** Names of snapshots that are being taken. */
  readonly #taking = new Set<string>();
  /** How many devices are being restored from a snapshot, by its name. */
  readonly #readers = new Map<string, number>();
  #nextNumber = 1;

  constructor(options: SnapshotStoreOptions) {
    this.pool = new FramePool(options);
  }

  get count(): number {
    return this.#byId.size;
  }

  /** @throws DeviceError SNAPSHOT_NOT_FOUND */
  get(id: string): SnapshotResource {
    return this.#find(id).resource;
  }

  /** Every snapshot, the oldest first. */
  list(): readonly SnapshotResource[] {
    return [...this.#byId.values()].map(({ resource }) => resource);
  }

  /** Frees what no other snapshot shares. @throws DeviceError SNAPSHOT_NOT_FOUND, SNAPSHOT_IN_USE */
  delete(id: string): void {
    const { bytes, recordBytes } = this.#find(id);
    if (this.#readers.has(id)) {
      throw new DeviceError(
        "SNAPSHOT_IN_USE",
        `A device is being restored from snapshot ${id}, which cannot be deleted before that has ended.`,
        { snapshot: id },
      );
    }
    this.#byId.delete(id);
    bytes.release();
    this.pool.discharge(recordBytes);
  }

  /**
   * Adds the snapshot that `take` makes under this name, or under a new name if it is empty.
   * @throws DeviceError INVALID_REQUEST, SNAPSHOT_EXISTS, LIMIT_EXCEEDED, and the errors of `take`
   */
  async add(wish: string, take: (id: string) => Promise<Snapshot>): Promise<SnapshotResource> {
    const id = wish === "" ? this.#newName() : wish;
    this.#requireRoom(id);
    this.#taking.add(id);
    try {
      const snapshot = await take(id);
      this.#byId.set(id, snapshot);
      return snapshot.resource;
    } finally {
      this.#taking.delete(id);
    }
  }

  /** Keeps the snapshot while `work` reads it. @throws DeviceError SNAPSHOT_NOT_FOUND */
  async read<T>(id: string, work: (snapshot: Snapshot) => Promise<T>): Promise<T> {
    const snapshot = this.#find(id);
    this.#readers.set(id, (this.#readers.get(id) ?? 0) + 1);
    try {
      return await work(snapshot);
    } finally {
      const left = (this.#readers.get(id) ?? 0) - 1;
      if (left > 0) this.#readers.set(id, left);
      else this.#readers.delete(id);
    }
  }

  #find(id: string): Snapshot {
    const snapshot = this.#byId.get(id);
    if (snapshot !== undefined) return snapshot;
    throw new DeviceError("SNAPSHOT_NOT_FOUND", `Snapshot ${id} does not exist.`, { snapshot: id });
  }

  #newName(): string {
    let name: string;
    do name = `snapshot-${this.#nextNumber++}`;
    while (this.#isTaken(name));
    return name;
  }

  #isTaken(id: string): boolean {
    return this.#byId.has(id) || this.#taking.has(id);
  }

  #requireRoom(id: string): void {
    if (!SNAPSHOT_ID.test(id)) {
      throw new DeviceError(
        "INVALID_REQUEST",
        `Snapshot id ${JSON.stringify(id)} is not a lowercase letter followed by up to 62 lowercase ` +
          `letters, digits and hyphens, the last of which is no hyphen.`,
        { snapshot: id },
      );
    }
    if (this.#isTaken(id)) {
      throw new DeviceError(
        "SNAPSHOT_EXISTS",
        `Snapshot ${id} exists already; delete it first, or choose another name.`,
        { snapshot: id },
      );
    }
    if (this.#byId.size + this.#taking.size < SNAPSHOTS_MAX) return;
    throw new DeviceError(
      "LIMIT_EXCEEDED",
      `There are ${SNAPSHOTS_MAX} snapshots, the most that can be; delete one first.`,
      { limit: String(SNAPSHOTS_MAX) },
    );
  }
}
