/**
 * The differences between the device in an image and the device that should resume from it, and which of them
 * a caller may accept: exactly those by which nothing would be lost. docs/hibernation.md explains the rules.
 */
import { DeviceError } from "../../errors.ts";
import type { Extent } from "../../extent.ts";
import { formatBytes } from "../../format.ts";
import type { ImageDevice, ImageObject, ImageTables } from "../../image/image-model.ts";
import type { Memory } from "../../memory/memory.ts";
import { FLAG } from "../../memory/object-table.ts";
import { roundUp } from "../../memory/region.ts";
import { SWAP_PAGE_BYTES } from "../../memory/swap.ts";
import type { ImageDifference } from "../../resource.ts";
import type { WorkingMemory } from "../working-memory.ts";
import { visitEntries } from "./entries.ts";

/** The names of all differences, for `allowDifferences`. */
export const DIFFERENCE_RULES = [
  "DEVICE_NAME",
  "MODEL",
  "LMEM_REGIONS",
  "LMEM_SIZE",
  "LMEM_PAGE",
  "LMEM_VISIBLE",
  "SMEM_SIZE",
  "SWAP_SIZE",
  "STOLEN_SIZE",
  "ENGINES",
  "PINNED_PLACE",
] as const;
type DifferenceRule = (typeof DIFFERENCE_RULES)[number];

type Difference = ImageDifference & { readonly rule: DifferenceRule };

/**
 * Lists all differences between the device in an image and the device `now` with memory `memory`. The list is
 * empty if the device can take the image as it is. Looks at every object of the image, in slices.
 * @throws DeviceError IMAGE_CORRUPT if the image contradicts itself.
 */
export async function compareDevices(
  tables: ImageTables,
  now: ImageDevice,
  { memory, services }: WorkingMemory,
): Promise<ImageDifference[]> {
  const then = tables.device;
  const demand = new Demand(then, now, memory);
  await visitEntries(tables, services.clock, (entry) => demand.add(entry));
  return [
    ...compareTexts(then, now),
    ...compareLocal(then, now, demand),
    ...compareSystem(then, now, demand),
    ...compareEngines(tables, now),
    ...comparePlaces(demand),
  ];
}

/** @throws DeviceError INVALID_REQUEST for a name that is not a rule's */
export function requireRules(allowed: readonly string[]): void {
  const unknown = allowed.filter((name) => !(DIFFERENCE_RULES as readonly string[]).includes(name));
  if (unknown.length === 0) return;
  throw new DeviceError(
    "INVALID_REQUEST",
    `No difference is called ${unknown.join(", ")}; the names are ${DIFFERENCE_RULES.join(", ")}.`,
    { unknown: unknown.join(",") },
  );
}

/**
 * Accepts an image if all its differences are safe and allowed.
 * @param allowed names of rules
 * @throws DeviceError INVALID_REQUEST for an unknown name; IMAGE_INCOMPATIBLE, which lists the obstacles
 */
export function requireCompatible(differences: readonly ImageDifference[], allowed: readonly string[]): void {
  requireRules(allowed);
  const inTheWay = differences.filter(({ rule, safe }) => !(safe && allowed.includes(rule)));
  if (inTheWay.length === 0) return;
  const rules = [...new Set(inTheWay.map(({ rule }) => rule))];
  const allowable = rules.filter((rule) => inTheWay.every((each) => each.rule !== rule || each.safe));
  const how =
    allowable.length === 0
      ? "None of this may be allowed, because something would be lost."
      : allowable.length === rules.length
        ? `Nothing would be lost: allow it with allowDifferences (${allowable.join(", ")}).`
        : `Only ${allowable.join(", ")} may be allowed with allowDifferences; by the rest something ` +
          `would be lost.`;
  const reasons = inTheWay.map(({ rule, message }) => `${message} (${rule})`).join("; ");
  throw new DeviceError("IMAGE_INCOMPATIBLE", `The image is of another device: ${reasons}. ${how}`, {
    differences: rules.join(","),
    allowable: allowable.join(","),
  });
}

/** The requirements of an image's objects on the device that should take it. */
class Demand {
  /**
   * Bytes that need room in system memory, in whole pages: its earlier contents, and whatever does not fit
   * into swap here.
   */
  systemBytes = 0;
  /** By index of region: the end of its last pinned object, and of the last one that the CPU must reach. */
  readonly endBytes: number[] = [];
  readonly reachedBytes: number[] = [];
  /** Allowed regions of objects that fitted there, but would fit into no allowed region here. */
  readonly stranding = new Set<number>();
  /** Regions whose page size here does not suit an object that may be there. */
  readonly misfit = new Set<number>();
  /** Objects whose place is not free here: how many, and the first of them. */
  misplaced = 0;
  readonly misplacedNamed: string[] = [];
  readonly #then: ImageDevice;
  readonly #now: ImageDevice;
  readonly #memory: Memory;
  #swapFreeBytes: number;

  constructor(then: ImageDevice, now: ImageDevice, memory: Memory) {
    this.#then = then;
    this.#now = now;
    this.#memory = memory;
    this.#swapFreeBytes = roundDown(now.swapBytes, SWAP_PAGE_BYTES);
  }

  add(entry: ImageObject): void {
    const sizeBytes = roundUp(entry.sizeBytes, this.#memory.system.minPageBytes);
    if (entry.place === "SYSTEM") this.systemBytes += sizeBytes;
    if (entry.place === "SWAP" && !this.#fitsSwap(entry)) this.systemBytes += sizeBytes;
    if (entry.place === "LOCAL") this.#addLocal(entry);
    const fitsSome = (device: ImageDevice): boolean =>
      entry.regions.some((region) => fits(entry, region, device));
    if (fitsSome(this.#then) && !fitsSome(this.#now)) {
      for (const region of entry.regions) this.stranding.add(region);
    }
    for (const region of entry.regions) {
      const pageBytes = this.#now.lmem[region - 1]?.minPageBytes ?? 1;
      if (entry.sizeBytes % pageBytes !== 0) this.misfit.add(region);
    }
  }

  /** In the order in which they will be placed. Each that fits uses up room. */
  #fitsSwap(entry: ImageObject): boolean {
    const bytes = roundUp(entry.sizeBytes, SWAP_PAGE_BYTES);
    if (bytes > this.#swapFreeBytes) return false;
    this.#swapFreeBytes -= bytes;
    return true;
  }

  #addLocal(entry: ImageObject): void {
    const { region, extents } = entry;
    const windowBytes = this.#then.lmem[region - 1].visibleBytes;
    const pageBytes = this.#now.lmem[region - 1]?.minPageBytes ?? 1;
    for (const { offsetBytes, lengthBytes } of extents) {
      const end = offsetBytes + lengthBytes;
      this.endBytes[region] = Math.max(this.endBytes[region] ?? 0, end);
      if (offsetBytes < windowBytes) {
        this.reachedBytes[region] = Math.max(this.reachedBytes[region] ?? 0, Math.min(end, windowBytes));
      }
      if (offsetBytes % pageBytes !== 0 || lengthBytes % pageBytes !== 0) this.misfit.add(region);
    }
    const isHere = this.#now.lmem[region - 1] !== undefined;
    const taken = extents.find((extent) => !(isHere && this.#memory.region(region).isFree(extent)));
    if (taken === undefined) return;
    this.misplaced++;
    if (this.misplacedNamed.length < NAMED_MAX) this.misplacedNamed.push(describePlace(entry, taken));
  }
}

/** How many objects the message of PINNED_PLACE names. */
const NAMED_MAX = 10;

function describePlace(entry: ImageObject, { offsetBytes, lengthBytes }: Extent): string {
  return (
    `object ${entry.id} (${formatBytes(lengthBytes)} at ${formatBytes(offsetBytes)} of ` +
    `lmem${entry.region - 1})`
  );
}

/** Whether an object would fit an empty region, within reach of the CPU if required. */
function fits(entry: ImageObject, region: number, device: ImageDevice): boolean {
  if (region === 0) return entry.sizeBytes <= device.smemBytes;
  const local = device.lmem[region - 1];
  if (local === undefined) return false;
  const inWindow = (entry.flags & (FLAG.CPU_ACCESS | FLAG.PM_EARLY | FLAG.KERNEL)) !== 0;
  const unit = Math.max(local.minPageBytes, entry.alignmentBytes);
  return roundUp(entry.sizeBytes, unit) <= (inWindow ? local.visibleBytes : local.sizeBytes);
}

function compareTexts(then: ImageDevice, now: ImageDevice): Difference[] {
  return [
    ...differing("DEVICE_NAME", "the device is called", [then.name, now.name]),
    ...differing("MODEL", "the model is", [then.model, now.model]),
  ];
}

function differing(rule: DifferenceRule, what: string, [then, now]: [string, string]): Difference[] {
  if (then === now) return [];
  return [{ rule, message: `${what} ${then} in the image and ${now} here`, safe: true }];
}

function compareLocal(then: ImageDevice, now: ImageDevice, demand: Demand): Difference[] {
  const differences: Difference[] = [];
  if (then.lmem.length !== now.lmem.length) {
    const gone = then.lmem.map((_, at) => at + 1).slice(now.lmem.length);
    differences.push({
      rule: "LMEM_REGIONS",
      message: `there are ${then.lmem.length} local regions in the image and ${now.lmem.length} here`,
      safe: gone.every((region) => demand.endBytes[region] === undefined && !demand.stranding.has(region)),
    });
  }
  for (const [at, before] of then.lmem.entries()) {
    const here = now.lmem[at];
    if (here === undefined) continue;
    const region = at + 1;
    const name = `lmem${at}`;
    const houses = !demand.stranding.has(region);
    const end = demand.endBytes[region] ?? 0;
    const reached = demand.reachedBytes[region] ?? 0;
    const sizes: Sizes = [before.sizeBytes, here.sizeBytes];
    const pages: Sizes = [before.minPageBytes, here.minPageBytes];
    const windows: Sizes = [before.visibleBytes, here.visibleBytes];
    const [, pageBytes] = pages;
    differences.push(
      ...sizeDifference("LMEM_SIZE", sizes, {
        what: `${name} has a size of`,
        safe: grows(sizes) || (houses && end <= here.sizeBytes),
      }),
      ...sizeDifference("LMEM_PAGE", pages, {
        what: `${name} has pages of`,
        safe: pageBytes < before.minPageBytes || !demand.misfit.has(region),
      }),
      ...sizeDifference("LMEM_VISIBLE", windows, {
        what: `${name} has a visible part of`,
        safe: grows(windows) || (houses && reached <= here.visibleBytes),
      }),
    );
  }
  return differences;
}

/** A size in the image, and the same size here. */
type Sizes = readonly [then: number, now: number];

function grows([then, now]: Sizes): boolean {
  return now > then;
}

/** Undefined if both are equal. @param what the words before the sizes */
function sizeDifference(
  rule: DifferenceRule,
  [then, now]: Sizes,
  { what, safe }: { readonly what: string; readonly safe: boolean },
): Difference[] {
  if (then === now) return [];
  return [{ rule, message: `${what} ${formatBytes(then)} in the image and ${formatBytes(now)} here`, safe }];
}

function compareSystem(then: ImageDevice, now: ImageDevice, demand: Demand): Difference[] {
  // Swap and system memory can replace each other: what does not fit into swap goes to system memory.
  const holds = demand.systemBytes <= now.smemBytes && !demand.stranding.has(0);
  const smem: Sizes = [then.smemBytes, now.smemBytes];
  const swap: Sizes = [then.swapBytes, now.swapBytes];
  const stolen: Sizes = [then.stolenBytes, now.stolenBytes];
  return [
    ...sizeDifference("SMEM_SIZE", smem, { what: "system memory has", safe: grows(smem) || holds }),
    ...sizeDifference("SWAP_SIZE", swap, { what: "swap has", safe: grows(swap) || holds }),
    ...sizeDifference("STOLEN_SIZE", stolen, { what: "stolen memory has", safe: true }),
  ];
}

function compareEngines({ device: then, contexts }: ImageTables, now: ImageDevice): Difference[] {
  const [before, here] = [then.engines.join(", "), now.engines.join(", ")];
  if (before === here) return [];
  return [
    {
      rule: "ENGINES",
      message: `the engines are ${before} in the image and ${here} here`,
      safe: contexts.every(({ engine }) => now.engines.includes(engine)),
    },
  ];
}

function comparePlaces({ misplaced, misplacedNamed }: Demand): Difference[] {
  if (misplaced === 0) return [];
  const more = misplaced > misplacedNamed.length ? ` and ${misplaced - misplacedNamed.length} more` : "";
  return [
    {
      rule: "PINNED_PLACE",
      message: `the place of pinned objects is not free here: ${misplacedNamed.join(", ")}${more}`,
      safe: false,
    },
  ];
}

function roundDown(value: number, unit: number): number {
  return Math.floor(value / unit) * unit;
}
