/** The configuration as people read it: printed, on the page of --help, and in its document. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/server/config/config.ts";
import type { Environment } from "../../../src/server/config/environment.ts";
import { parseCommandLine } from "../../../src/server/config/flags.ts";
import { defaultSettings } from "../../../src/server/config/read-settings.ts";
import { CONFIG_KEYS, SETTINGS } from "../../../src/server/config/schema.ts";
import { environmentName, flagName, printSetting } from "../../../src/server/config/setting-names.ts";

const directory = mkdtempSync(join(tmpdir(), "torpor-config-"));
const file = join(directory, "torpor.yaml");
afterAll(() => rmSync(directory, { recursive: true }));

function load(words: readonly string[], environment: Environment = {}) {
  const line = parseCommandLine(words, "1.2.3");
  if (!("flags" in line)) throw new Error(`The command line asks for no daemon: ${JSON.stringify(line)}`);
  return loadConfig(line, environment);
}

describe("--print-config", () => {
  it("prints a file that loads to the same configuration, with the source of each value", () => {
    const words = ["--grpc", "[::1]:0", "--insecure-listen", "--allowed-hosts", "gpu.example,::1"];
    words.push("--policy", "swap-allowed=none,step1=chain", "--autosuspend-delay", "250ms");
    words.push("--swap", "3GiB", "--data-dir", "/var/lib/my torpor: # 1", "--visible", "64MiB");
    const { config, printed } = load(words, { TORPOR_LMEM: "1536MiB,1GiB" });
    expect(loadPrinted(printed).config).toEqual(config);
    expect(printed).toContain("lmem: [ 1536MiB, 1GiB ] # TORPOR_LMEM\n");
    expect(printed).toContain('grpc: "[::1]:0" # --grpc\n');
    expect(printed).toContain("smem: 4GiB # default\n");
  });
});

describe("--help", () => {
  it("fits a screen, offers every key that is not rare, and says where the others are", () => {
    const answer = parseCommandLine(["--help"], "1.2.3");
    const text = answer.action === "answer" ? answer.text : "";
    const lines = text.trimEnd().split("\n");
    expect(lines.length).toBeLessThanOrEqual(24);
    expect(lines.at(-1)).toContain("docs/configuration.md");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    const offered = CONFIG_KEYS.filter((key) => text.includes(` ${flagName(key)} `));
    expect(offered).toEqual(CONFIG_KEYS.filter((key) => SETTINGS[key].rare !== true));
  });

  it("is not needed to see the version", () => {
    expect(parseCommandLine(["--version"], "1.2.3")).toEqual({ action: "answer", text: "1.2.3\n" });
  });
});

describe("docs/configuration.md", () => {
  it("lists every key with its flag, variable and default, and no other", () => {
    const page = readFileSync(new URL("../../../docs/configuration.md", import.meta.url), "utf8");
    const rows = page.split("\n").filter((line) => /^\| `\w+` +\| `--/.test(line));
    const defaults = defaultSettings();
    const expected = CONFIG_KEYS.map((key) => {
      const value = printSetting(key, defaults);
      const text = Array.isArray(value) ? value.join(",") : String(value);
      return [key, flagName(key), environmentName(key), text].map((cell) =>
        cell === "" ? "" : `\`${cell}\``,
      );
    });
    const cells = rows.map((row) => row.split("|").slice(1, 5));
    expect(cells.map((row) => row.map((cell) => cell.trim()))).toEqual(expected);
  });
});

function loadPrinted(yaml: string) {
  writeFileSync(file, yaml);
  return load(["--config", file]);
}
