/** Memories that do not fit into the memory limit of the process, as in a container. */
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/server/config/config.ts";
import { parseCommandLine } from "../../../src/server/config/flags.ts";
import { checkMemoryLimit } from "../../../src/server/daemon/memory-limit.ts";

const GIB = 2 ** 30;
const MACHINE_BYTES = 64 * GIB;

function check(words: readonly string[], limitBytes: number): string | undefined {
  const line = parseCommandLine(words, "1.2.3");
  if (!("flags" in line)) throw new Error(`The command line asks for no daemon: ${JSON.stringify(line)}`);
  return checkMemoryLimit(loadConfig(line, {}), limitBytes, MACHINE_BYTES);
}

describe("memories that somebody chose", () => {
  it("are refused with both sizes where they are larger than the limit", () => {
    expect(() => check(["--lmem", "1GiB", "--smem", "4GiB"], 3 * GIB)).toThrow(
      "Local and system memory of the devices (5GiB) are larger than the memory limit of this process (3GiB). " +
        "Make them smaller with --lmem and --smem, or raise the limit.",
    );
  });

  it("count for each device, with stolen memory", () => {
    const words = ["--device", "a", "--device", "b", "--lmem", "1GiB", "--smem", "1GiB", "--stolen", "64MiB"];
    expect(() => check(words, 4 * GIB)).toThrow("(4224MiB)");
    expect(check(words, 5 * GIB)).toBeUndefined();
  });

  it("may be as large as the limit", () => {
    expect(check(["--lmem", "1GiB", "--smem", "2GiB"], 3 * GIB)).toBeUndefined();
  });
});

describe("memories that nobody chose", () => {
  it("are only warned of: the device may stay small", () => {
    expect(check([], 3 * GIB)).toContain("may grow to 5GiB");
    expect(check(["--lmem", "512MiB"], 3 * GIB)).toContain("may grow to 4608MiB");
  });

  it("leave the others to be refused", () => {
    expect(() => check(["--lmem", "4GiB"], 3 * GIB)).toThrow("(4GiB)");
  });
});

it("says nothing where there is no limit, which systems tell as 0 or as more than there is", () => {
  for (const limitBytes of [0, MACHINE_BYTES + 1, 2 ** 64]) {
    const words = [
      ...["a", "b", "c"].flatMap((name) => ["--device", name]),
      "--lmem",
      "16GiB",
      "--smem",
      "16GiB",
    ];
    expect(check(words, limitBytes)).toBeUndefined();
  }
});
