/** Sizes that nobody chose, where the process may have less than they would grow to. */
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/server/config/config.ts";
import { parseCommandLine } from "../../../src/server/config/flags.ts";

const MIB = 2 ** 20;

function load(words: readonly string[], memoryMib: number) {
  const line = parseCommandLine(words, "1.2.3");
  if (!("flags" in line)) throw new Error(`The command line asks for no daemon: ${JSON.stringify(line)}`);
  const { config, printed, fitted } = loadConfig(line, {}, memoryMib * MIB);
  const lmem = config.lmemSizesBytes.map((sizeBytes) => sizeBytes / MIB);
  return { lmem, smem: config.smemBytes / MIB, printed, fitted };
}

describe("sizes that nobody chose", () => {
  it("are the defaults where these fit", () => {
    expect(load([], 5120)).toMatchObject({ lmem: [1024], smem: 4096, fitted: undefined });
  });

  it("are made to fit, a third of it local, and the printed configuration says so and can be used", () => {
    const { lmem, smem, printed, fitted } = load([], 800);
    expect({ lmem, smem, fitted }).toEqual({ lmem: [256], smem: 544, fitted: 800 * MIB });
    expect(printed).toContain("lmem: [ 256MiB ] # default, to fit 800MiB of memory");
    expect(printed).toContain("smem: 544MiB # default, to fit 800MiB of memory");
  });

  it("make room for each device and its stolen memory", () => {
    const words = ["--device", "a", "--device", "b", "--stolen", "16MiB"];
    expect(load(words, 800)).toMatchObject({ lmem: [128], smem: 256 });
  });

  it("leave a device that works where next to nothing is left", () => {
    expect(load([], 1)).toMatchObject({ lmem: [16], smem: 32 });
  });
});

describe("sizes that somebody chose", () => {
  it("stay what they are, and the others make room for them", () => {
    expect(load(["--lmem", "500MiB"], 800)).toMatchObject({ lmem: [500], smem: 288 });
    expect(load(["--smem", "500MiB"], 800)).toMatchObject({ lmem: [288], smem: 500 });
    expect(load(["--lmem", "2GiB", "--smem", "3GiB"], 800)).toMatchObject({
      lmem: [2048],
      smem: 3072,
      fitted: undefined,
    });
  });
});
