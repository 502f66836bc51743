/** Snapshots: what a container was asked to keep, in numbers that a test compares. */
import type { Snapshot as SnapshotMessage } from "../../../src/client/mod.ts";

export interface SnapshotSettings {
  /** The device; the one of the container if none is given. */
  readonly device?: string;
  /** To find it by with `client.listSnapshots`. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** What was kept. */
export interface Snapshot {
  /** Such as `snapshots/seeded`. */
  readonly name: string;
  readonly objects: number;
  readonly contentBytes: number;
  /** How many of these were copied; the others it shares with earlier snapshots. */
  readonly copiedBytes: number;
  /** All that the daemon said. */
  readonly message: SnapshotMessage;
}

/** What the client answered, as a Snapshot. */
export function snapshotOf(message: SnapshotMessage): Snapshot {
  const { name, objectCount: objects, contentBytes, copiedBytes } = message;
  return { name, objects, contentBytes: Number(contentBytes), copiedBytes: Number(copiedBytes), message };
}
