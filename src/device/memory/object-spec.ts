/**
 * Checks a client's request for a new object against the device, and fills in its defaults (drm/i915
 * i915_gem_create.c and __i915_gem_object_create_region).
 */
import type { CreateObject } from "../command.ts";
import { DeviceError } from "../errors.ts";
import { formatBytes } from "../format.ts";
import { LABEL_LENGTH_MAX } from "../limits.ts";
import type { ObjectFlag } from "../resource.ts";
import type { Memory, ObjectSpec } from "./memory.ts";
import { FLAG } from "./object-table.ts";
import { type Region, roundUp } from "./region.ts";

/** @throws DeviceError INVALID_SIZE, INVALID_REGION, INVALID_FLAGS, INVALID_REQUEST. */
export function checkObjectSpec(memory: Memory, command: CreateObject): ObjectSpec {
  const regions = checkRegions(memory, command.regions);
  const sizeBytes = checkSize(command.sizeBytes, regions);
  checkFlags(command.flags, regions);
  checkAlignment(command.alignmentBytes, regions);
  if (command.label.length > LABEL_LENGTH_MAX) {
    throw new DeviceError(
      "INVALID_REQUEST",
      `Label is ${command.label.length} characters long; the most is ${LABEL_LENGTH_MAX}.`,
      { length: String(command.label.length), limit: String(LABEL_LENGTH_MAX) },
    );
  }
  let flags = command.flags.reduce((bits, flag) => bits | FLAG[flag], FLAG.USER);
  // One page is always one extent (drm/i915 forces CONTIGUOUS when the size is the page size).
  if (regions.some((region) => sizeBytes === region.minPageBytes)) flags |= FLAG.CONTIGUOUS;
  return {
    sizeBytes,
    regions: regions.map((region) => region.index),
    flags,
    alignmentBytes: command.alignmentBytes,
    label: command.label,
  };
}

function checkRegions(memory: Memory, ids: readonly string[]): readonly Region[] {
  const wanted = ids.length > 0 ? ids : ["lmem0", "smem"];
  return wanted.map((id, at) => {
    const region = memory.findRegion(id);
    if (region === undefined || region.kind === "STOLEN") {
      const open = memory.regions.filter((each) => each.kind !== "STOLEN");
      const known = open.map((each) => each.id).join(", ");
      throw new DeviceError(
        "INVALID_REGION",
        `Region ${id} does not exist or is private; objects may be in ${known}.`,
        {
          region: id,
        },
      );
    }
    if (wanted.indexOf(id) !== at) {
      throw new DeviceError("INVALID_REGION", `Region ${id} is named twice.`, { region: id });
    }
    return region;
  });
}

/** The size of the object: the requested one, rounded up to the largest page of the allowed regions. */
function checkSize(sizeBytes: number, regions: readonly Region[]): number {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0) {
    throw new DeviceError("INVALID_SIZE", `Size (${sizeBytes}) is not a positive number of bytes.`, {
      sizeBytes: String(sizeBytes),
    });
  }
  const rounded = roundUp(sizeBytes, Math.max(...regions.map((region) => region.minPageBytes)));
  if (regions.some((region) => region.couldEverHold(rounded))) return rounded;
  const largest = regions.reduce((best, region) => (region.sizeBytes > best.sizeBytes ? region : best));
  throw new DeviceError(
    "INVALID_SIZE",
    `Size (${formatBytes(sizeBytes)}) is larger than region ${largest.id} ` +
      `(${formatBytes(largest.sizeBytes)}), the largest of those allowed.`,
    { sizeBytes: String(sizeBytes), region: largest.id },
  );
}

function checkFlags(flags: readonly ObjectFlag[], regions: readonly Region[]): void {
  for (const flag of ["USER", "KERNEL"] as const) {
    if (flags.includes(flag))
      throw invalidFlags(`Flag ${flag} is set by the device and cannot be asked for.`, [flag]);
  }
  for (const flag of ["CPU_CLEAR", "PM_EARLY"] as const) {
    if (flags.includes("GPU_ONLY") && flags.includes(flag)) {
      throw invalidFlags(`Flag GPU_ONLY cannot be combined with ${flag}, which needs access by the CPU.`, [
        "GPU_ONLY",
        flag,
      ]);
    }
  }
  if (flags.includes("CPU_ACCESS")) {
    if (flags.includes("GPU_ONLY"))
      throw invalidFlags("Flag CPU_ACCESS cannot be combined with GPU_ONLY.", ["CPU_ACCESS", "GPU_ONLY"]);
    if (regions.length < 2 || !regions.some((region) => region.kind === "SYSTEM")) {
      throw invalidFlags("Flag CPU_ACCESS needs at least two regions, one of them smem.", ["CPU_ACCESS"]);
    }
  }
}

function checkAlignment(alignmentBytes: number, regions: readonly Region[]): void {
  if (alignmentBytes === 0) return;
  const isPowerOfTwo = Number.isSafeInteger(alignmentBytes) && Number.isInteger(Math.log2(alignmentBytes));
  if (isPowerOfTwo && regions.some((region) => alignmentBytes <= region.sizeBytes)) return;
  throw new DeviceError(
    "INVALID_REQUEST",
    `Alignment (${alignmentBytes}) is not a power of two up to the size of an allowed region.`,
    { alignmentBytes: String(alignmentBytes) },
  );
}

function invalidFlags(message: string, flags: readonly ObjectFlag[]): DeviceError {
  return new DeviceError("INVALID_FLAGS", message, { flags: flags.join(",") });
}
