/**
 * Everything that the device knows about its objects, as typed arrays indexed by slot.
 *
 * The walks of suspend and eviction read these columns for every object, so they are kept away from the
 * garbage collector. A slot is reused after its object is gone, so look the id up again after waiting.
 * Columns are replaced when the table grows: never keep one across an await.
 */
import assert from "node:assert/strict";
import { UNPOPULATED } from "../backing-state.ts";
import { OBJECTS_MAX } from "../limits.ts";
import { OBJECT_FLAGS, type ObjectFlag } from "../resource.ts";
import { PagedTexts } from "./pages.ts";

/** No slot, no region, no resource, no list. */
export const NONE = -1;

/** Bit of each flag in the `flags` column. */
export const FLAG = Object.fromEntries(OBJECT_FLAGS.map((flag, bit) => [flag, 1 << bit])) as Readonly<
  Record<ObjectFlag, number>
>;
/** The id of a backup, and of a deleted object that work still uses. */
export const BACKUP_ID = -1;
export const DYING_ID = -2;

/** Internal: the object is the backup of another one. */
export const FLAG_BACKUP = 1 << 15;

const INITIAL_CAPACITY = 1024;
/**
 * The longest that columns become before they grow to the maximum number of objects. Copying columns of this
 * length takes a millisecond. Beyond it the operating system only provides pages that are touched.
 */
const SMALL_CAPACITY = 32 * 1024;

export class ObjectTable {
  capacity = INITIAL_CAPACITY;
  /** Live objects of any kind. */
  count = 0;

  /** Number of a client's object, or of a device-owned one (if FLAG.KERNEL is set); 0 in a free slot. */
  id = new Float64Array(INITIAL_CAPACITY);
  sizeBytes = new Float64Array(INITIAL_CAPACITY);
  flags = new Uint16Array(INITIAL_CAPACITY);
  /** Index into the interned lists of allowed regions. */
  placement = new Uint16Array(INITIAL_CAPACITY);
  /** The requested alignment, as a power of two; 0 for the region's page. */
  alignmentLog2 = new Uint8Array(INITIAL_CAPACITY);
  state = new Uint8Array(INITIAL_CAPACITY);
  /** 1 when the client said DONT_NEED. */
  dontNeed = new Uint8Array(INITIAL_CAPACITY);
  /** Region that holds the bytes, or NONE. */
  region = new Int8Array(INITIAL_CAPACITY);
  /** Handle of the bytes in that region's allocator, or NONE. */
  resource = new Int32Array(INITIAL_CAPACITY);
  pinCount = new Int32Array(INITIAL_CAPACITY);
  /** Slot of the backup object, or NONE. The owner holds the backup's only reference. */
  backup = new Int32Array(INITIAL_CAPACITY);
  /** A bit for each frame that may have been written (written-frames.ts). */
  written = new Uint32Array(INITIAL_CAPACITY);
  locked = new Uint8Array(INITIAL_CAPACITY);
  /** Running requests that need the object where it is, so it must not move. */
  active = new Int32Array(INITIAL_CAPACITY);
  /** Changes whenever a client's view of the object changes. */
  version = new Uint32Array(INITIAL_CAPACITY);
  createTimeNs = new BigInt64Array(INITIAL_CAPACITY);
  /** Which list of its region the object is on (see lists.ts), and its neighbours there. */
  list = new Int16Array(INITIAL_CAPACITY);
  listPrev = new Int32Array(INITIAL_CAPACITY);
  listNext = new Int32Array(INITIAL_CAPACITY);
  /** Neighbours in the order of ids; clients' objects only. The free list runs through orderNext. */
  orderPrev = new Int32Array(INITIAL_CAPACITY);
  orderNext = new Int32Array(INITIAL_CAPACITY);
  readonly labels = new PagedTexts();

  orderHead = NONE;
  orderTail = NONE;
  #freeHead = NONE;
  #used = 0;

  /** Takes a slot with every column at its default. NONE if the table is full. */
  allocate(): number {
    let slot = this.#freeHead;
    if (slot !== NONE) {
      this.#freeHead = this.orderNext[slot];
    } else {
      if (this.#used === this.capacity && !this.#grow()) return NONE;
      slot = this.#used++;
    }
    this.count++;
    this.sizeBytes[slot] = 0;
    this.flags[slot] = 0;
    this.placement[slot] = 0;
    this.alignmentLog2[slot] = 0;
    this.state[slot] = UNPOPULATED;
    this.dontNeed[slot] = 0;
    this.region[slot] = NONE;
    this.resource[slot] = NONE;
    this.pinCount[slot] = 0;
    this.backup[slot] = NONE;
    this.version[slot] = 0;
    this.written[slot] = 0xffff_ffff;
    this.list[slot] = NONE;
    this.listPrev[slot] = NONE;
    this.listNext[slot] = NONE;
    this.orderPrev[slot] = NONE;
    this.orderNext[slot] = NONE;
    this.labels.put(slot, "");
    return slot;
  }

  /** Frees a slot. Legal if the object has no resource and no backup, and is on no list. */
  free(slot: number): void {
    assert(this.resource[slot] === NONE && this.backup[slot] === NONE, "a freed object holds nothing");
    assert(this.list[slot] === NONE, "a freed object is on no list");
    this.id[slot] = 0;
    this.flags[slot] = 0;
    this.labels.put(slot, "");
    this.orderNext[slot] = this.#freeHead;
    this.#freeHead = slot;
    this.count--;
  }

  /** Puts a new object at the end of the order of ids. */
  appendToOrder(slot: number): void {
    this.orderPrev[slot] = this.orderTail;
    if (this.orderTail === NONE) this.orderHead = slot;
    else this.orderNext[this.orderTail] = slot;
    this.orderTail = slot;
  }

  removeFromOrder(slot: number): void {
    const prev = this.orderPrev[slot];
    const next = this.orderNext[slot];
    if (prev === NONE) this.orderHead = next;
    else this.orderNext[prev] = next;
    if (next === NONE) this.orderTail = prev;
    else this.orderPrev[next] = prev;
  }

  has(slot: number, flag: number): boolean {
    return (this.flags[slot] & flag) !== 0;
  }

  /**
   * Slots ever used. All live objects are below this number. For walks over everything, in tests and at
   * factory reset.
   */
  get slotsUsed(): number {
    return this.#used;
  }

  #grow(): boolean {
    if (this.capacity >= OBJECTS_MAX) return false;
    const capacity = this.capacity < SMALL_CAPACITY ? this.capacity * 2 : OBJECTS_MAX;
    this.id = grown(this.id, new Float64Array(capacity));
    this.sizeBytes = grown(this.sizeBytes, new Float64Array(capacity));
    this.flags = grown(this.flags, new Uint16Array(capacity));
    this.placement = grown(this.placement, new Uint16Array(capacity));
    this.alignmentLog2 = grown(this.alignmentLog2, new Uint8Array(capacity));
    this.state = grown(this.state, new Uint8Array(capacity));
    this.dontNeed = grown(this.dontNeed, new Uint8Array(capacity));
    this.region = grown(this.region, new Int8Array(capacity));
    this.resource = grown(this.resource, new Int32Array(capacity));
    this.pinCount = grown(this.pinCount, new Int32Array(capacity));
    this.backup = grown(this.backup, new Int32Array(capacity));
    this.written = grown(this.written, new Uint32Array(capacity));
    this.locked = grown(this.locked, new Uint8Array(capacity));
    this.active = grown(this.active, new Int32Array(capacity));
    this.version = grown(this.version, new Uint32Array(capacity));
    const times = new BigInt64Array(capacity);
    times.set(this.createTimeNs);
    this.createTimeNs = times;
    this.list = grown(this.list, new Int16Array(capacity));
    this.listPrev = grown(this.listPrev, new Int32Array(capacity));
    this.listNext = grown(this.listNext, new Int32Array(capacity));
    this.orderPrev = grown(this.orderPrev, new Int32Array(capacity));
    this.orderNext = grown(this.orderNext, new Int32Array(capacity));
    this.capacity = capacity;
    return true;
  }
}

interface Column {
  set(from: ArrayLike<number>): void;
}

function grown<T extends Column & ArrayLike<number>>(from: T, to: T): T {
  to.set(from);
  return to;
}
