/** Settings that are true or false, on the command line. */
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/server/config/config.ts";
import type { Environment } from "../../../src/server/config/environment.ts";
import { parseCommandLine } from "../../../src/server/config/flags.ts";

function load(words: readonly string[], environment: Environment = {}) {
  const line = parseCommandLine(words, "1.2.3");
  if (!("flags" in line)) throw new Error(`The command line asks for no daemon: ${JSON.stringify(line)}`);
  return loadConfig(line, environment);
}

describe("a switch", () => {
  it("turns on and off what the environment turned off and on", () => {
    const on = { TORPOR_PREFAULT: "true" };
    expect(load(["--prefault", "false"], on).config.prefault).toBe(false);
    expect(load(["--prefault=false"], on).config.prefault).toBe(false);
    const off = { TORPOR_PREFAULT: "false" };
    for (const words of [["--prefault"], ["--prefault", "true"], ["--prefault=true"]])
      expect(load(words, off).config.prefault).toBe(true);
    expect(load(["--prefault", "--enable-faults", "--smem", "1GiB"]).config).toMatchObject({
      prefault: true,
      enableFaults: true,
      smemBytes: 2 ** 30,
    });
    expect(() => load(["--prefault=maybe"])).toThrow(
      "--prefault: prefault (maybe) is neither true nor false.",
    );
  });

  it("does not take a command that follows it for its value", () => {
    expect(parseCommandLine(["--insecure-listen", "healthcheck"], "1.2.3")).toMatchObject({
      action: "healthcheck",
      flags: { insecureListen: { value: "true" } },
    });
  });
});
