/**
 * The memory manager's state: regions, objects, locks, and who copies. The modules beside this one are its
 * verbs: objects.ts (create, delete, pin), placement.ts (find room), evict.ts and shrink.ts (make room),
 * checked-copy.ts (carry bytes), content.ts (CPU access), describe.ts (answers).
 */
import assert from "node:assert/strict";
import { elapsedMs } from "../clock.ts";
import { DeviceError } from "../errors.ts";
import type { MicrocodeSet } from "../hardware/microcode-set.ts";
import type { CpuBytes } from "../hardware/moved-bytes.ts";
import { OBJECT_WAIT_TIMEOUT_MS } from "../limits.ts";
import { OBJECT_FLAGS, type ObjectFlag } from "../resource.ts";
import type { DeviceServices } from "../services.ts";
import { ChangeFeed } from "./changes.ts";
import type { Copier } from "./copier.ts";
import { CopyWatch } from "./copy-watch.ts";
import { ObjectLocks } from "./object-lock.ts";
import { BACKUP_ID, DYING_ID, FLAG, FLAG_BACKUP, NONE, type ObjectTable } from "./object-table.ts";
import { PagedMap } from "./pages.ts";
import type { Region } from "./region.ts";
import { Reservations, type Usage } from "./reservations.ts";
import type { Swap } from "./swap.ts";
import { WrittenFrames } from "./written-frames.ts";

export interface MemoryOptions {
  readonly table: ObjectTable;
  /** By index: system memory first, then local memory. */
  readonly regions: readonly Region[];
  readonly cpuCopier: Copier;
  /** Counts what the CPU moves to and from the card. */
  readonly cpuBytes: CpuBytes;
  readonly microcodes: MicrocodeSet;
  readonly services: DeviceServices;
  /** Where system memory swaps to; undefined when it does not. */
  readonly swap: Swap | undefined;
  /**
   * Whether memory that engines copy to is committed ahead of them.
   * @default false: in virtual time it costs nothing
   */
  readonly commitsAhead?: boolean;
  /** Base of the objects' uids. */
  readonly deviceUid: string;
  /** @default CHANGES_PENDING_MAX */
  readonly changesPendingMax?: number | undefined;
}

/**
 * Ids that are tried one by one: 0.1 ms, where a walk over a million objects takes a hundred times as long.
 */
const NEAR_IDS = 4096;

/** What a new object is, before it has a slot. */
export interface ObjectSpec {
  readonly sizeBytes: number;
  /** Region indices, preferred first. */
  readonly regions: readonly number[];
  readonly flags: number;
  readonly alignmentBytes: number;
  readonly label: string;
}

/** Numbers of objects to come, by kind of object. */
export interface NextIds {
  readonly client: number;
  readonly owned: number;
}

export class Memory {
  readonly table: ObjectTable;
  readonly regions: readonly Region[];
  readonly system: Region;
  readonly cpuCopier: Copier;
  readonly cpuBytes: CpuBytes;
  readonly microcodes: MicrocodeSet;
  /** For the verbs of memory beside this file; who is above memory is handed its own. */
  readonly services: DeviceServices;
  readonly locks: ObjectLocks;
  readonly reservations: Reservations;
  readonly swap: Swap | undefined;
  readonly copies: CopyWatch;
  readonly commitsAhead: boolean;
  /** Base of the objects' uids; a device that takes over an image takes over its uid. */
  deviceUid: string;
  readonly changes: ChangeFeed;
  /** How often everything was replaced. It is a part of etags, so those of before are refused. */
  replacements = 0;
  /** What was written since when, for snapshots. */
  readonly written: WrittenFrames;
  /**
   * Supplied by submission while the GT can copy; undefined before it is up, when wedged, and from step 3 on.
   */
  blitter: Copier | undefined;

  readonly #clients = new PagedMap();
  readonly #owned = new Map<number, number>();
  #nextOwnedId = 1;
  readonly #placements: (readonly number[])[] = [];
  #nextId = 1;

  constructor(options: MemoryOptions) {
    const system = options.regions[0];
    assert(system?.kind === "SYSTEM", "region 0 is system memory");
    this.table = options.table;
    this.regions = options.regions;
    this.system = system;
    this.cpuCopier = options.cpuCopier;
    this.cpuBytes = options.cpuBytes;
    this.microcodes = options.microcodes;
    this.services = options.services;
    this.swap = options.swap;
    this.copies = new CopyWatch(options.services.clock);
    this.commitsAhead = options.commitsAhead ?? false;
    this.deviceUid = options.deviceUid;
    this.locks = new ObjectLocks(options.table);
    this.written = new WrittenFrames(options.table);
    this.reservations = new Reservations(options.services.clock);
    this.changes = new ChangeFeed(options.table, options.changesPendingMax);
  }

  /** Objects of clients. */
  get clientObjectCount(): number {
    return this.#clients.size;
  }

  /** The local regions in ascending order, which the walks of suspend visit. */
  get localRegions(): readonly Region[] {
    return this.regions.filter((region) => region.kind === "LOCAL");
  }

  region(index: number): Region {
    const region = this.regions[index];
    assert(region !== undefined, "a region index names a region");
    return region;
  }

  findRegion(id: string): Region | undefined {
    return this.regions.find((region) => region.id === id);
  }

  /** Numbers that the next client's object and the next one of the device's own will get. */
  get nextIds(): NextIds {
    return { client: this.#nextId, owned: this.#nextOwnedId };
  }

  /** New objects get numbers from these on. Legal when no object has one of them. */
  setNextIds(ids: NextIds): void {
    this.#nextId = ids.client;
    this.#nextOwnedId = ids.owned;
  }

  /** Makes sure that no new object gets a lower number than these. */
  raiseNextIds(ids: NextIds): void {
    this.#nextId = Math.max(this.#nextId, ids.client);
    this.#nextOwnedId = Math.max(this.#nextOwnedId, ids.owned);
  }

  /**
   * Gives an object a slot and, unless it is a backup, an id. NONE if the device is full.
   * @param number an unused number, for a client's object larger than all others. The counters then stay as
   * they are
   */
  addObject(spec: ObjectSpec, number?: number): number {
    const { table } = this;
    const slot = table.allocate();
    if (slot === NONE) return NONE;
    table.sizeBytes[slot] = spec.sizeBytes;
    table.flags[slot] = spec.flags;
    table.placement[slot] = this.#internPlacement(spec.regions);
    table.alignmentLog2[slot] = spec.alignmentBytes === 0 ? 0 : Math.log2(spec.alignmentBytes);
    table.labels.put(slot, spec.label);
    table.createTimeNs[slot] = this.services.clock.wallNs();
    if ((spec.flags & FLAG_BACKUP) !== 0) {
      table.id[slot] = BACKUP_ID;
    } else if ((spec.flags & FLAG.KERNEL) !== 0) {
      table.id[slot] = number ?? this.#nextOwnedId++;
      this.#owned.set(table.id[slot], slot);
    } else {
      table.id[slot] = number ?? this.#nextId++;
      this.#clients.add(table.id[slot], slot);
      table.appendToOrder(slot);
      this.changes.noteCreated(slot);
    }
    return slot;
  }

  /** Removes an object. Legal when it has no resource. */
  removeObject(slot: number): void {
    this.forgetObject(slot);
    this.table.free(slot);
  }

  /** Takes an object's id away. For clients it no longer exists, even if something still uses its bytes. */
  forgetObject(slot: number): void {
    const id = this.table.id[slot];
    if (id === BACKUP_ID || id === DYING_ID) return;
    if (this.table.has(slot, FLAG.KERNEL)) {
      this.#owned.delete(id);
    } else {
      this.changes.noteDeleted(slot);
      this.#clients.delete(id);
      this.table.removeFromOrder(slot);
    }
    this.table.id[slot] = DYING_ID;
  }

  /** Allowed regions of an object, preferred first. */
  placementOf(slot: number): readonly number[] {
    const placement = this.#placements[this.table.placement[slot]];
    assert(placement !== undefined, "every object has a placement list");
    return placement;
  }

  /** Slot of the object with this id; NONE if there is none. Device-owned ones are `k1`, `k2`… */
  findObject(id: string): number {
    if (id.startsWith("k")) {
      const index = parseId(id.slice(1));
      return index === undefined ? NONE : (this.#owned.get(index) ?? NONE);
    }
    const number = parseId(id);
    return number === undefined ? NONE : (this.#clients.get(number) ?? NONE);
  }

  /** The first client object with a larger id. If many in a row are gone, the search begins at the start. */
  firstAfter(id: string): number {
    const { table } = this;
    if (id === "") return table.orderHead;
    const known = this.findObject(id);
    if (known !== NONE) return table.orderNext[known];
    for (let next = Number(id) + 1; next <= Number(id) + NEAR_IDS; next++) {
      const near = this.#clients.get(next);
      if (near !== undefined) return near;
    }
    let slot = table.orderHead;
    while (slot !== NONE && table.id[slot] <= Number(id)) slot = table.orderNext[slot];
    return slot;
  }

  /**
   * Locks the object with this id.
   * @throws DeviceError OBJECT_NOT_FOUND, also if it is deleted meanwhile.
   */
  async lockObject(id: string): Promise<number> {
    const slot = this.findObject(id);
    if (slot === NONE) throw objectNotFound(id);
    const number = this.table.id[slot];
    await this.locks.lock(slot);
    if (this.table.id[slot] === number && this.findObject(id) === slot) return slot;
    this.locks.unlock(slot);
    throw objectNotFound(id);
  }

  /**
   * Locks the object with this id when no relevant work uses it. Work submitted meanwhile goes first, but the
   * whole wait is bounded.
   * @throws DeviceError OBJECT_ACTIVE.
   */
  async lockIdle(id: string, usage: Usage): Promise<number> {
    const startNs = this.services.clock.monotonicNs();
    for (;;) {
      const slot = await this.lockObject(id);
      if (this.reservations.blocking(slot, usage).length === 0) return slot;
      // Never wait with the lock held, because the work may need it to begin.
      this.locks.unlock(slot);
      const leftMs = OBJECT_WAIT_TIMEOUT_MS - elapsedMs(startNs, this.services.clock.monotonicNs());
      if (await this.reservations.settledWithin(slot, usage, Math.max(0, leftMs))) continue;
      throw new DeviceError(
        "OBJECT_ACTIVE",
        `Object ${id} is in use by work that did not end within ${OBJECT_WAIT_TIMEOUT_MS} ms.`,
        { object: id },
      );
    }
  }

  /** The id by which clients know an object; empty for a backup. */
  idOf(slot: number): string {
    if (this.table.id[slot] < 0) return "";
    return this.table.has(slot, FLAG.KERNEL) ? `k${this.table.id[slot]}` : String(this.table.id[slot]);
  }

  /** Slots of the device's own objects, in the order of their ids. */
  get ownedSlots(): readonly number[] {
    return [...this.#owned.values()].sort((a, b) => this.table.id[a] - this.table.id[b]);
  }

  flagsOf(slot: number): ObjectFlag[] {
    return OBJECT_FLAGS.filter((flag) => this.table.has(slot, FLAG[flag]));
  }

  /** Records that a client's view of the object has changed. */
  touch(slot: number): void {
    this.table.version[slot]++;
    this.changes.noteChanged(slot);
  }

  #internPlacement(regions: readonly number[]): number {
    const known = this.#placements.findIndex(
      (placement) =>
        placement.length === regions.length && placement.every((index, at) => index === regions[at]),
    );
    if (known >= 0) return known;
    return this.#placements.push([...regions]) - 1;
  }
}

export function objectNotFound(id: string): DeviceError {
  return new DeviceError("OBJECT_NOT_FOUND", `Object ${id} does not exist.`, { object: id });
}

function parseId(text: string): number | undefined {
  return /^[1-9][0-9]{0,15}$/.test(text) ? Number(text) : undefined;
}
