/** The options of a device: sizes, engines, and everything that it needs from the outside world. */
import assert from "node:assert/strict";
import { DeviceError } from "./errors.ts";
import type { Extent } from "./extent.ts";
import type { DeviceFailpoints } from "./failpoints.ts";
import { formatBytes } from "./format.ts";
import { findPowerProfile, POWER_PROFILE_NONE, POWER_PROFILES } from "./hardware/power-profile.ts";
import type { RateLimits, Rates } from "./hardware/rates.ts";
import type { FrameCodec, ImageStore } from "./image/image-store.ts";
import { LOCAL_REGIONS_MAX, RATE_LIMIT_MIN } from "./limits.ts";
import type { MachineMemory } from "./machine-memory.ts";
import { type ByteStore, SWAP_PAGE_BYTES } from "./memory/swap.ts";
import type { PowerPolicy } from "./policy.ts";
import type { SealedImage } from "./power/holding.ts";
import type { RuntimePmSettings } from "./power/runtime-pm-settings.ts";
import type { SnapshotStore } from "./power/snapshot/snapshot-store.ts";
import { ENGINE_NAME } from "./resource.ts";
import type { DeviceServices } from "./services.ts";
import { MEMORY_UNIT_BYTES, MIN_PAGE_BYTES_DEFAULT, memorySizeProblem, minPageProblem } from "./sizes.ts";
import { kernelObjectBytes } from "./submission/kernel-objects.ts";

export interface LocalMemoryOptions {
  /** A multiple of the page and of 64 KiB, at most 16 GiB. */
  readonly sizeBytes: number;
  /** A power of two from 4 KiB to 2 MiB. @default 64 KiB */
  readonly minPageBytes?: number;
  /** The part of it that the CPU can reach (small BAR). @default all of it */
  readonly visibleBytes?: number;
  /** Reserved ranges that nobody gets, as multiples of the page (board firmware). @default none */
  readonly reserved?: readonly Extent[];
}

export interface DeviceOptions extends Omit<DeviceServices, "failpoints" | "machine"> {
  /** `card0`, the name that clients use. */
  readonly name: string;
  /**
   * A random UUID. It names the state that begins with this device, and the uids of its objects derive from
   * it.
   */
  readonly uid: string;
  /** Makes a new uid when the device is reset to factory state. @default made with `random` */
  readonly newUid?: () => string;
  /** Identifies the run of the daemon. @default empty */
  readonly incarnation?: string;
  readonly model?: string;
  /** `lmem0`, `lmem1`… in this order. */
  readonly lmem: readonly LocalMemoryOptions[];
  /** The limit of system memory, which is committed lazily. */
  readonly smem: { readonly sizeBytes: number };
  /** Memory for the device's display: pinned for life, never saved. @default 0, none */
  readonly stolenBytes?: number;
  /** Whether to take all memory from the machine at boot instead of on first use. @default false */
  readonly prefault?: boolean;
  /** Swap for full system memory. @default none */
  readonly swap?: ByteStore;
  /** Names of engines. Engines whose names begin with `bcs` copy. */
  readonly engines: readonly string[];
  /** `threaded`: a worker for each engine. `in-process`: deterministic, under the clock. */
  readonly engineForm: "in-process" | "threaded";
  /**
   * A module that exports `monotonicNs(): bigint`, the clock's time for engine threads. Required for threaded
   * engines.
   */
  readonly clockModule?: URL;
  /** The cost of copies, for in-process engines only. @default DEFAULT_RATES */
  readonly rates?: Rates;
  /** The store of hibernation images, without which there is no S4. @default none */
  readonly images?: ImageStore;
  /** Reads images that were compressed with it. @default only uncompressed images are readable */
  readonly frameCodec?: FrameCodec;
  /** Whether images are written compressed, with that codec. @default false */
  readonly compressImages?: boolean;
  /** Where snapshots are kept; several devices may share it. @default none, and no snapshots can be taken */
  readonly snapshots?: SnapshotStore;
  /** Boots suspended to S4 with this image, ready to be resumed. @default boots ACTIVE */
  readonly resumeFrom?: SealedImage;
  /** What the device does where drivers differ. @default DEFAULT_POLICY */
  readonly policy?: PowerPolicy;
  /**
   * Settings of runtime PM at boot.
   * @default disabled, 1000 ms, 300 MiB or the size of local memory if that is less
   */
  readonly runtimePm?: RuntimePmSettings;
  /** Places where faults can be injected. @default none is armed */
  readonly failpoints?: DeviceFailpoints;
  /** What the machine has for devices. @default MACHINE_WITHOUT_END */
  readonly machine?: MachineMemory;
  /** Rate limits of copies, for threaded engines only. @default none */
  readonly rateLimits?: RateLimits;
  /** The name of a power profile (hardware/power-profile.ts), or `none`. @default "virtual" */
  readonly powerProfile?: string;
  /** Changes of objects that may wait to become events. @default CHANGES_PENDING_MAX */
  readonly changesPendingMax?: number;
}

/** @throws DeviceError INVALID_REQUEST or INVALID_SIZE if these options allow no device. */
export function checkOptions(options: DeviceOptions): void {
  if (options.lmem.length === 0 || options.lmem.length > LOCAL_REGIONS_MAX) {
    throw new DeviceError(
      "INVALID_REQUEST",
      `A device has 1 to ${LOCAL_REGIONS_MAX} regions of local memory, not ${options.lmem.length}.`,
    );
  }
  for (const region of options.lmem) checkLocal(region);
  checkSize("System memory", options.smem.sizeBytes, MEMORY_UNIT_BYTES);
  if (options.swap !== undefined && options.swap.sizeBytes < SWAP_PAGE_BYTES) {
    throw new DeviceError(
      "INVALID_SIZE",
      `Swap (${formatBytes(options.swap.sizeBytes)}) is smaller than one page of it ` +
        `(${formatBytes(SWAP_PAGE_BYTES)}).`,
    );
  }
  if (options.stolenBytes !== undefined && options.stolenBytes > 0) {
    checkSize("Stolen memory", options.stolenBytes, MEMORY_UNIT_BYTES);
  }
  checkEngines(options.engines);
  checkRateLimits(options.rateLimits);
  assert(
    options.engineForm === "in-process" || options.clockModule !== undefined,
    "engine threads need a clock",
  );
  checkRoomForKernel(options);
  checkPowerProfile(options.powerProfile ?? POWER_PROFILE_NONE);
}

function checkPowerProfile(name: string): void {
  if (name === POWER_PROFILE_NONE || findPowerProfile(name) !== undefined) return;
  const names = [...POWER_PROFILES.map((profile) => profile.name), POWER_PROFILE_NONE].join(", ");
  throw new DeviceError("INVALID_REQUEST", `Power profile ${name} does not exist; there are ${names}.`, {
    powerProfile: name,
  });
}

function checkLocal(region: LocalMemoryOptions): void {
  const { sizeBytes, minPageBytes = MIN_PAGE_BYTES_DEFAULT, visibleBytes = sizeBytes } = region;
  const reserved = region.reserved ?? [];
  const pageProblem = minPageProblem(minPageBytes);
  if (pageProblem !== undefined) {
    throw new DeviceError("INVALID_SIZE", `Minimum page (${formatBytes(minPageBytes)}) ${pageProblem}`);
  }
  checkSize("Local memory", sizeBytes, Math.max(minPageBytes, MEMORY_UNIT_BYTES));
  checkSize("Visible memory", visibleBytes, minPageBytes);
  if (visibleBytes > sizeBytes) {
    throw new DeviceError(
      "INVALID_SIZE",
      `Visible memory (${formatBytes(visibleBytes)}) is more than its region (${formatBytes(sizeBytes)}).`,
    );
  }
  for (const range of reserved) checkReserved(range, sizeBytes, minPageBytes);
  checkApart(reserved);
  if (totalOf(reserved) === sizeBytes) {
    throw new DeviceError(
      "INVALID_RANGE",
      "A region of local memory is reserved whole, and nobody could use it.",
    );
  }
}

function checkSize(what: string, sizeBytes: number, unitBytes: number): void {
  const problem = memorySizeProblem(sizeBytes, unitBytes);
  if (problem === undefined) return;
  throw new DeviceError("INVALID_SIZE", `${what} (${formatBytes(sizeBytes)}) ${problem}`);
}

function checkRateLimits(limits: RateLimits = {}): void {
  for (const [path, limit] of Object.entries(limits)) {
    if (limit >= RATE_LIMIT_MIN) continue;
    throw new DeviceError(
      "INVALID_REQUEST",
      `Rate limit of ${path} (${limit} bytes/s) is below ${RATE_LIMIT_MIN} bytes/s, at which one ` +
        `slice takes seconds.`,
    );
  }
}

/** The device's own objects are in `lmem0`, where the CPU can reach them. */
function checkRoomForKernel(options: DeviceOptions): void {
  const [first] = options.lmem;
  const sizes = [options.smem.sizeBytes, ...options.lmem.map((region) => region.sizeBytes)];
  const needed = kernelObjectBytes(sizes, options.engines, first.minPageBytes ?? MIN_PAGE_BYTES_DEFAULT);
  const reachableBytes = (first.visibleBytes ?? first.sizeBytes) - totalOf(first.reserved ?? []);
  if (reachableBytes < needed) {
    throw new DeviceError(
      "INVALID_SIZE",
      `The part of lmem0 that the CPU can reach and nobody has reserved ` +
        `(${formatBytes(reachableBytes)}) is too small: the device's own objects take ` +
        `${formatBytes(needed)} of it.`,
    );
  }
  if (first.sizeBytes >= 2 * needed) return;
  throw new DeviceError(
    "INVALID_SIZE",
    `Local memory (${formatBytes(first.sizeBytes)}) is too small: the device's own objects take ` +
      `${formatBytes(needed)} of lmem0, and it must have twice that.`,
  );
}

function totalOf(ranges: readonly Extent[]): number {
  return ranges.reduce((sum, range) => sum + range.lengthBytes, 0);
}

function checkReserved(range: Extent, sizeBytes: number, minPageBytes: number): void {
  const { offsetBytes, lengthBytes } = range;
  const aligned = offsetBytes % minPageBytes === 0 && lengthBytes % minPageBytes === 0;
  if (aligned && offsetBytes >= 0 && lengthBytes > 0 && offsetBytes + lengthBytes <= sizeBytes) return;
  throw new DeviceError(
    "INVALID_RANGE",
    `Reserved range of ${lengthBytes} bytes at ${offsetBytes} is not made of pages of its region.`,
  );
}

function checkApart(reserved: readonly Extent[]): void {
  const ranges = reserved.toSorted((a, b) => a.offsetBytes - b.offsetBytes);
  for (const [at, range] of ranges.entries()) {
    const before = ranges[at - 1];
    if (before === undefined || before.offsetBytes + before.lengthBytes <= range.offsetBytes) continue;
    throw new DeviceError("INVALID_RANGE", `Reserved ranges overlap at offset ${range.offsetBytes}.`);
  }
}

function checkEngines(names: readonly string[]): void {
  for (const [at, name] of names.entries()) {
    if (!ENGINE_NAME.test(name)) {
      throw new DeviceError(
        "INVALID_REQUEST",
        `Engine ${name} is not one of rcs0-9, ccs0-9, bcs0-9, vcs0-9.`,
      );
    }
    if (names.indexOf(name) !== at)
      throw new DeviceError("INVALID_REQUEST", `Engine ${name} is named twice.`);
  }
}
