/**
 * Failure as TTM's KUnit tests make it: regions that refuse, regions whose objects are in somebody else's hands, copiers
 * and stores that fail, stall or lie. All of it is handed in where the device takes such a thing, nothing is patched.
 */

import { type Clock, sleep } from "../../src/device/clock.ts";
import type { Extent } from "../../src/device/extent.ts";
import { NO_FAILPOINTS } from "../../src/device/failpoints.ts";
import { MemoryBank } from "../../src/device/hardware/bank.ts";
import { ControlMemory } from "../../src/device/hardware/control.ts";
import { MicrocodeSet } from "../../src/device/hardware/microcode-set.ts";
import { CpuBytes } from "../../src/device/hardware/moved-bytes.ts";
import { type Copier, CopyList } from "../../src/device/memory/copier.ts";
import { CpuCopier } from "../../src/device/memory/cpu-copier.ts";
import { Memory } from "../../src/device/memory/memory.ts";
import { NONE, ObjectTable } from "../../src/device/memory/object-table.ts";
import { Region, type SpaceRequest } from "../../src/device/memory/region.ts";
import {
  type ByteStore,
  DeviceError,
  type DeviceEvent,
  MACHINE_WITHOUT_END,
  VirtualClock,
} from "../../src/device/mod.ts";
import { MIB, sha256, type VirtualDevice } from "./test-device.ts";

/** A store in memory. It can fail, lie, be slow and fall silent. */
export class MemoryStore implements ByteStore {
  readonly sizeBytes: number;
  readonly bytes: Uint8Array;
  /** How many of the coming writes, or reads, fail. */
  failWrites = 0;
  failReads = 0;
  /** Every access takes a moment of this clock, so that others come between. @default none, at once */
  clock: Clock | undefined;
  /** Reads that were answered. */
  reads = 0;
  #voice: Promise<void> = Promise.resolve();
  #speak: () => void = () => {};

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.bytes = new Uint8Array(sizeBytes);
  }

  async write(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    await this.#takeTime();
    if (this.failWrites > 0) {
      this.failWrites--;
      throw new Error("the disk is full");
    }
    this.bytes.set(bytes, offsetBytes);
  }

  async read(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    await this.#takeTime();
    if (this.failReads > 0) {
      this.failReads--;
      throw new Error("the disk does not answer");
    }
    this.reads++;
    bytes.set(this.bytes.subarray(offsetBytes, offsetBytes + bytes.length));
  }

  /** Answers nothing until `speak`, and does nothing: what it was asked meanwhile it does then. */
  fallSilent(): void {
    this.#voice = new Promise((resolve) => {
      this.#speak = resolve;
    });
  }

  speak(): void {
    this.#speak();
  }

  /** Flips a bit in every page: nothing that is in the store now is what was written. */
  damage(): void {
    for (let at = 100; at < this.sizeBytes; at += 4096) this.bytes[at] ^= 1;
  }

  async #takeTime(): Promise<void> {
    await this.#voice;
    if (this.clock !== undefined) await sleep(this.clock, 0.1);
  }
}

/** A blitter in front of a real one: it can be held back, and can fail in the middle of its work. */
export class UnsteadyCopier implements Copier {
  readonly path = "blitter";
  /** How many of the coming jobs fail after half of their bytes have been written. */
  failures = 0;
  /** Jobs begun. */
  jobs = 0;
  readonly #inner: Copier;
  #gate: Promise<void> = Promise.resolve();
  #open: () => void = () => {};

  constructor(inner: Copier) {
    this.#inner = inner;
  }

  /** Lets no job begin until `release`. */
  hold(): void {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  release(): void {
    this.#open();
  }

  async copy(list: CopyList): Promise<void> {
    this.jobs++;
    await this.#gate;
    if (this.failures === 0) return this.#inner.copy(list);
    this.failures--;
    await this.#inner.copy(firstHalfOf(list));
    throw new DeviceError("ENGINE_HUNG", "The engine hung in the middle of a copy.");
  }

  async clear(bank: number, ranges: readonly Extent[]): Promise<void> {
    this.jobs++;
    await this.#gate;
    if (this.failures === 0) return this.#inner.clear(bank, ranges);
    this.failures--;
    await this.#inner.clear(
      bank,
      ranges.map((range) => ({ ...range, lengthBytes: range.lengthBytes / 2 })),
    );
    throw new DeviceError("ENGINE_HUNG", "The engine hung in the middle of a clear.");
  }
}

function firstHalfOf(list: CopyList): CopyList {
  const half = new CopyList();
  for (let at = 0; at < list.count; at++) {
    const { sourceBank, source, destinationBank, destination, lengthBytes } = list;
    half.add(sourceBank[at], source[at], destinationBank[at], destination[at], lengthBytes[at] / 2);
  }
  return half;
}

/** Puts an unsteady copier between the device and its blitter. */
export function unsteadyCopier(gpu: VirtualDevice): UnsteadyCopier {
  const { memory } = gpu.device;
  if (memory.blitter === undefined) throw new Error("the device has no blitter now");
  const copier = new UnsteadyCopier(memory.blitter);
  memory.blitter = copier;
  return copier;
}

/** Takes objects into somebody else's hands. Answers how to let go of them. */
export function busyObjects(gpu: VirtualDevice, ids: readonly string[]): () => void {
  const { memory } = gpu.device;
  const held = ids.map((id) => memory.findObject(id)).filter((slot) => memory.locks.tryLock(slot));
  return () => {
    for (const slot of held) memory.locks.unlock(slot);
  };
}

/** The same with every object of a region that a client could evict. */
export function busyRegion(gpu: VirtualDevice, regionId: string): () => void {
  const { memory } = gpu.device;
  const slots = [...(memory.findRegion(regionId)?.lists.all() ?? [])];
  return busyObjects(
    gpu,
    slots.filter((slot) => memory.table.pinCount[slot] === 0).map((slot) => memory.idOf(slot)),
  );
}

/** A region that refuses the allocations that `refuses` says, counted from 1. */
export class FailingRegion extends Region {
  allocations = 0;
  refuses: (allocation: number) => boolean = () => false;

  override allocate(request: SpaceRequest): number {
    return this.refuses(++this.allocations) ? NONE : super.allocate(request);
  }

  override allocateMany(): void {
    // Nothing is taken together, so that each allocation is counted.
  }
}

/** A memory manager by itself: no engine, no power, 8 MiB of local memory, and a system region that can fail. */
export interface BareMemory {
  readonly memory: Memory;
  readonly system: FailingRegion;
  readonly events: DeviceEvent[];
  run<T>(promise: Promise<T>): Promise<T>;
}

export function bareMemory(): BareMemory {
  const clock = new VirtualClock({ settle: () => new Promise((resolve) => setImmediate(resolve)) });
  const events: DeviceEvent[] = [];
  const banks = [16 * MIB, 8 * MIB].map((sizeBytes, index) => new MemoryBank(index, sizeBytes));
  const control = new ControlMemory({ engineCount: 1 });
  const microcodes = new MicrocodeSet(
    banks.map((bank) => bank.memory),
    control.memory,
  );
  const table = new ObjectTable();
  const whole = (index: number) => ({
    index,
    bank: banks[index],
    table,
    visibleBytes: banks[index].sizeBytes,
    reserved: [],
  });
  const system = new FailingRegion({ ...whole(0), id: "smem", kind: "SYSTEM", minPageBytes: 4096 });
  const local = new Region({ ...whole(1), id: "lmem0", kind: "LOCAL", minPageBytes: 65536 });
  const cpuBytes = new CpuBytes();
  const memory = new Memory({
    table,
    cpuBytes,
    regions: [system, local],
    cpuCopier: new CpuCopier({ control, microcodes, clock, cpuBytes, rates: undefined }),
    microcodes,
    services: {
      clock,
      emit: (event) => void events.push(event),
      sha256,
      failpoints: NO_FAILPOINTS,
      random: () => 0,
      machine: MACHINE_WITHOUT_END,
    },
    swap: undefined,
    deviceUid: "6f1c2d3e-4b5a-4978-8c6d-0123456789ab",
  });
  return { memory, system, events, run: (promise) => clock.run(promise) };
}
