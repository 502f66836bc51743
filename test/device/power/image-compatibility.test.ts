/** Which devices take an image of another one, which only when they are told to, and which never. */
import { describe, expect, test } from "vitest";
import { DeviceError, type DeviceOptions, type ImageDifference } from "../../../src/device/mod.ts";
import { describeImagedDevice } from "../../../src/device/power/image/capture.ts";
import {
  compareDevices,
  DIFFERENCE_RULES,
  requireCompatible,
} from "../../../src/device/power/image/compatibility.ts";
import {
  adoptAndRestore,
  allContents,
  type FakeTables,
  imaged,
  suspendToTables,
} from "../../support/images.ts";
import { MemoryStore } from "../../support/regions.ts";
import { bootVirtual, create, KIB, MIB, patternOf, type VirtualDevice } from "../../support/test-device.ts";

const LMEM = [
  { sizeBytes: 8 * MIB, visibleBytes: 4 * MIB },
  { sizeBytes: 4 * MIB, visibleBytes: 2 * MIB },
];

/** Small devices with two local regions, of which the image's has two engines. */
async function boot(options: Partial<DeviceOptions> = {}): Promise<VirtualDevice> {
  return bootVirtual({
    lmem: LMEM,
    smem: { sizeBytes: 4 * MIB },
    swap: new MemoryStore(4 * MIB),
    engines: ["bcs0", "rcs0"],
    stolenBytes: 64 * KIB,
    ...options,
  });
}

/** What the device of the image has beside what boot makes. */
type Contents = (gpu: VirtualDevice) => Promise<unknown>;
const nothing: Contents = async () => {};
const pinned =
  (region: string, sizeBytes: number, spec: Partial<Parameters<typeof create>[1]> = {}): Contents =>
  async (gpu) => {
    const object = await create(gpu, { sizeBytes, regions: [region], ...spec });
    return gpu.execute({ type: "pinObject", object });
  };
const object =
  (regions: string[], sizeBytes: number, spec: Partial<Parameters<typeof create>[1]> = {}): Contents =>
  (gpu) =>
    create(gpu, { sizeBytes, regions, ...spec });
const written =
  (mib: number): Contents =>
  (gpu) =>
    gpu.upload(patternOf(mib, mib * MIB), { regions: ["smem"] });
const swapped: Contents = async (gpu) => {
  await written(2)(gpu);
  const filler = await gpu.upload(patternOf(1, 3 * MIB), { regions: ["smem"] });
  await gpu.execute({ type: "deleteObject", object: filler });
};
const context =
  (engine: string): Contents =>
  (gpu) =>
    gpu.execute({ type: "createContext", engine, priority: "NORMAL" });
const all =
  (...parts: Contents[]): Contents =>
  async (gpu) => {
    for (const part of parts) await part(gpu);
  };

const lmem = (first: object, second: object = {}): Partial<DeviceOptions> => ({
  lmem: [
    { ...LMEM[0], ...first },
    { ...LMEM[1], ...second },
  ],
});
const one = { lmem: LMEM.slice(0, 1) };
const page4 = lmem({}, { minPageBytes: 4 * KIB });
const page128 = lmem({}, { minPageBytes: 128 * KIB });

describe("a difference of", () => {
  test.each<[string, string, Contents, Partial<DeviceOptions>, string]>([
    ["nothing", "with nothing", nothing, {}, ""],
    ["nothing", "with all sorts of things", all(pinned("lmem0", MIB), swapped, context("rcs0")), {}, ""],
    ["a region less", "that nobody uses", object(["lmem1", "smem"], MIB), one, "LMEM_REGIONS safe"],
    ["a region less", "that somebody needs", object(["lmem1"], MIB), one, "LMEM_REGIONS"],
    [
      "a region less",
      "in which something is pinned",
      pinned("lmem1", MIB),
      one,
      "LMEM_REGIONS, PINNED_PLACE",
    ],
    ["a region more", "", pinned("lmem0", MIB), { lmem: [...LMEM, { sizeBytes: MIB }] }, "LMEM_REGIONS safe"],
    ["more local memory", "", pinned("lmem1", MIB), lmem({}, { sizeBytes: 16 * MIB }), "LMEM_SIZE safe"],
    [
      "less local memory",
      "that is enough",
      pinned("lmem1", MIB, { flags: ["PM_EARLY"] }),
      lmem({}, { sizeBytes: 3 * MIB }),
      "LMEM_SIZE safe",
    ],
    [
      "less local memory",
      "beyond which something is pinned",
      pinned("lmem1", MIB, { flags: ["GPU_ONLY"] }),
      lmem({}, { sizeBytes: 3 * MIB }),
      "LMEM_SIZE, PINNED_PLACE",
    ],
    [
      "less local memory",
      "than an object has",
      object(["lmem1"], 3 * MIB + 512 * KIB),
      lmem({}, { sizeBytes: 3 * MIB }),
      "LMEM_SIZE",
    ],
    [
      "less local memory",
      "than an object has that may be elsewhere",
      object(["lmem1", "lmem0"], 3 * MIB + 512 * KIB),
      lmem({}, { sizeBytes: 3 * MIB }),
      "LMEM_SIZE safe",
    ],
    ["a smaller page", "", pinned("lmem1", 192 * KIB), page4, "LMEM_PAGE safe"],
    ["a larger page", "of which all are made", object(["lmem1"], 256 * KIB), page128, "LMEM_PAGE safe"],
    ["a larger page", "of which one is not made", object(["lmem1"], 192 * KIB), page128, "LMEM_PAGE"],
    [
      "a larger page",
      "across which one is pinned",
      all(pinned("lmem1", 64 * KIB), pinned("lmem1", 128 * KIB)),
      page128,
      "LMEM_PAGE, PINNED_PLACE",
    ],
    [
      "a larger window",
      "",
      pinned("lmem1", MIB, { flags: ["PM_EARLY"] }),
      lmem({}, { visibleBytes: 4 * MIB }),
      "LMEM_VISIBLE safe",
    ],
    [
      "a smaller window",
      "beyond which all was before",
      pinned("lmem1", MIB, { flags: ["GPU_ONLY"] }),
      lmem({}, { visibleBytes: MIB }),
      "LMEM_VISIBLE safe",
    ],
    [
      "a smaller window",
      "beyond which something would be",
      pinned("lmem1", 1536 * KIB, { flags: ["PM_EARLY"] }),
      lmem({}, { visibleBytes: MIB }),
      "LMEM_VISIBLE",
    ],
    [
      "a smaller window",
      "into which something has to fit",
      object(["lmem1"], 1536 * KIB, { flags: ["PM_EARLY"] }),
      lmem({}, { visibleBytes: MIB }),
      "LMEM_VISIBLE",
    ],
    ["more system memory", "", written(3), { smem: { sizeBytes: 8 * MIB } }, "SMEM_SIZE safe"],
    ["less system memory", "that is enough", written(2), { smem: { sizeBytes: 3 * MIB } }, "SMEM_SIZE safe"],
    ["less system memory", "than is needed", written(2), { smem: { sizeBytes: MIB } }, "SMEM_SIZE"],
    [
      "less system memory",
      "than an object has",
      object(["smem"], 3 * MIB),
      { smem: { sizeBytes: 2 * MIB } },
      "SMEM_SIZE",
    ],
    ["more swap", "", swapped, { swap: new MemoryStore(8 * MIB) }, "SWAP_SIZE safe"],
    ["less swap", "that is enough", swapped, { swap: new MemoryStore(2 * MIB) }, "SWAP_SIZE safe"],
    ["less swap", "for which memory stands in", swapped, { swap: new MemoryStore(MIB) }, "SWAP_SIZE safe"],
    [
      "less swap",
      "and no memory for it",
      all(swapped, written(3)),
      { swap: new MemoryStore(MIB) },
      "SWAP_SIZE",
    ],
    ["no stolen memory", "", nothing, { stolenBytes: 0 }, "STOLEN_SIZE safe"],
    ["other engines", "that nobody uses", context("bcs0"), { engines: ["bcs0"] }, "ENGINES safe"],
    ["other engines", "that somebody uses", context("rcs0"), { engines: ["bcs0"] }, "ENGINES"],
    [
      "a place",
      "that is somebody's",
      all(...Array.from({ length: 8 }, () => pinned("lmem0", 64 * KIB, { flags: ["PM_EARLY"] }))),
      { engines: ["bcs0", "rcs0", "bcs1"] },
      "ENGINES safe, PINNED_PLACE",
    ],
  ])("%s %s", async (_what, _detail, contents, options, expected) => {
    const gpu = await boot();
    await contents(gpu);
    const { tables } = await suspendToTables(gpu);
    const other = await boot(options);
    const found = await differences(other, tables);
    expect(found.map(({ rule, safe }) => (safe ? `${rule} safe` : rule)).join(", ")).toBe(expected);
    if (found.some(({ safe }) => !safe)) return;
    await adoptAndRestore(
      other,
      tables,
      found.map(({ rule }) => rule),
    );
    other.device.checkInvariants();
    await gpu.execute({ type: "resume" });
    expect(await allContents(other)).toEqual(await allContents(gpu));
  });

  test("name and model is safe, and all differences are told at once", async () => {
    const gpu = await boot();
    await context("rcs0")(gpu);
    const { tables } = await suspendToTables(gpu);
    const other = await boot({ ...lmem({ sizeBytes: 16 * MIB }), engines: ["bcs0"], stolenBytes: 0 });
    const found = await differences(other, tables, { name: "card7", model: "another" });
    expect(found).toEqual([
      { rule: "DEVICE_NAME", message: "the device is called card0 in the image and card7 here", safe: true },
      { rule: "MODEL", message: "the model is model in the image and another here", safe: true },
      { rule: "LMEM_SIZE", message: "lmem0 has a size of 8 MiB in the image and 16 MiB here", safe: true },
      { rule: "STOLEN_SIZE", message: "stolen memory has 64 KiB in the image and 0 bytes here", safe: true },
      { rule: "ENGINES", message: "the engines are bcs0, rcs0 in the image and bcs0 here", safe: false },
    ]);
  });

  test("places names the objects that are in the way", async () => {
    const gpu = await boot();
    for (let at = 0; at < 12; at++) await pinned("lmem1", 64 * KIB)(gpu);
    const { tables } = await suspendToTables(gpu);
    const found = await differences(await boot(one), tables);
    expect(found[1].message).toMatch(
      /^the place of pinned objects is not free here: object 1 \(64 KiB at [^)]+ of lmem1\), .+ and 2 more$/,
    );
  });
});

describe("what may be allowed", () => {
  const difference = (rule: string, safe: boolean): ImageDifference => ({
    rule,
    message: `about ${rule}`,
    safe,
  });
  const found = [difference("LMEM_SIZE", true), difference("MODEL", true), difference("ENGINES", false)];

  test("is nothing when there are no differences, and the names need to be right even then", () => {
    requireCompatible([], []);
    requireCompatible([], ["MODEL"]);
    expect(errorOf(() => requireCompatible([], ["MODEL", "COLOUR"]))).toMatchObject({
      reason: "INVALID_REQUEST",
      message: `No difference is called COLOUR; the names are ${DIFFERENCE_RULES.join(", ")}.`,
    });
  });

  test("is what is safe: it is named, and what is not is refused whatever is allowed", () => {
    expect(errorOf(() => requireCompatible(found, []))).toMatchObject({
      reason: "IMAGE_INCOMPATIBLE",
      message:
        "The image is of another device: about LMEM_SIZE (LMEM_SIZE); about MODEL (MODEL); about ENGINES (ENGINES). Only LMEM_SIZE, MODEL may be allowed with allowDifferences; by the rest something would be lost.",
      metadata: { differences: "LMEM_SIZE,MODEL,ENGINES", allowable: "LMEM_SIZE,MODEL" },
    });
    expect(errorOf(() => requireCompatible(found, ["LMEM_SIZE", "ENGINES", "MODEL"]))).toMatchObject({
      message:
        "The image is of another device: about ENGINES (ENGINES). None of this may be allowed, because something would be lost.",
      metadata: { differences: "ENGINES", allowable: "" },
    });
    expect(errorOf(() => requireCompatible(found.slice(0, 2), ["MODEL"]))).toMatchObject({
      message:
        "The image is of another device: about LMEM_SIZE (LMEM_SIZE). Nothing would be lost: allow it with allowDifferences (LMEM_SIZE).",
    });
    requireCompatible(found.slice(0, 2), ["MODEL", "LMEM_SIZE"]);
  });

  test("is no rule of which one difference is safe and another is not", () => {
    const both = [difference("LMEM_SIZE", true), difference("LMEM_SIZE", false)];
    expect(errorOf(() => requireCompatible(both, []))?.metadata).toEqual({
      differences: "LMEM_SIZE",
      allowable: "",
    });
    expect(errorOf(() => requireCompatible(both, ["LMEM_SIZE"]))?.reason).toBe("IMAGE_INCOMPATIBLE");
  });
});

function differences(
  gpu: VirtualDevice,
  tables: FakeTables,
  change: Parameters<typeof imaged>[1] = {},
): Promise<ImageDifference[]> {
  const now = describeImagedDevice(imaged(gpu, change));
  return gpu.clock.run(compareDevices(tables, now, gpu.device));
}

function errorOf(refused: () => void): DeviceError | undefined {
  try {
    refused();
  } catch (error) {
    if (error instanceof DeviceError) return error;
    throw error;
  }
  return undefined;
}
