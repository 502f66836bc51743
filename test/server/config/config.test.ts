import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { DEFAULT_POLICY } from "../../../src/device/mod.ts";
import { loadConfig } from "../../../src/server/config/config.ts";
import type { Environment } from "../../../src/server/config/environment.ts";
import { parseCommandLine } from "../../../src/server/config/flags.ts";

const directory = mkdtempSync(join(tmpdir(), "torpor-config-"));
const file = join(directory, "torpor.yaml");
afterAll(() => rmSync(directory, { recursive: true }));

function load(words: readonly string[], environment: Environment = {}) {
  const line = parseCommandLine(words, "1.2.3");
  if (!("flags" in line)) throw new Error(`The command line asks for no daemon: ${JSON.stringify(line)}`);
  return loadConfig(line, environment);
}

function loadFile(yaml: string) {
  writeFileSync(file, yaml);
  return load(["--config", file]);
}

describe("precedence", () => {
  it("has a default for everything", () => {
    const { config, warnings } = load([]);
    expect(config).toEqual({
      devices: ["card0"],
      lmemSizesBytes: [2 ** 30],
      minPageBytes: 65536,
      visibleBytes: undefined,
      stolenBytes: 0,
      smemBytes: 2 ** 32,
      prefault: false,
      swapBytes: 0,
      snapshotMemoryBytes: 2 ** 30,
      engines: ["rcs0", "ccs0", "bcs0", "vcs0"],
      http: { kind: "tcp", host: "127.0.0.1", port: 8585 },
      grpc: { kind: "tcp", host: "127.0.0.1", port: 8586 },
      allowedHosts: [],
      corsOrigins: [],
      insecureListen: false,
      enableFaults: false,
      failpoints: [],
      tokensFile: undefined,
      tls: undefined,
      callsPerSecond: undefined,
      dataDirectory: undefined,
      restore: "auto",
      onShutdown: "none",
      imageCodec: "none",
      imageQuotaBytes: undefined,
      keepImages: 1,
      imageStore: undefined,
      imageStoreEndpoint: undefined,
      imageStoreRegion: undefined,
      imageStorePathStyle: false,
      policy: DEFAULT_POLICY,
      runtimePm: {
        enabled: false,
        autosuspendDelayMs: 1000,
        d3coldThresholdBytes: 300 * 2 ** 20,
        verify: false,
      },
      rateLimits: {},
      tracing: undefined,
      logLevel: "info",
    });
    expect(warnings).toEqual([]);
  });

  it("prefers the environment to the file and flags to both, key by key", () => {
    writeFileSync(file, "lmem: [256MiB, 256MiB]\nsmem: 1GiB\nlogLevel: warn\n");
    const environment = { TORPOR_SMEM: "2GiB", TORPOR_LOG_LEVEL: "error", TORPOR_CONFIG: file };
    const { config } = load(["--log-level", "debug"], environment);
    expect(config.lmemSizesBytes).toEqual([2 ** 28, 2 ** 28]);
    expect(config.smemBytes).toBe(2 ** 31);
    expect(config.logLevel).toBe("debug");
  });

  it("prefers --config to TORPOR_CONFIG", () => {
    writeFileSync(file, "logLevel: warn\n");
    const { config } = load(["--config", file], { TORPOR_CONFIG: join(directory, "absent.yaml") });
    expect(config.logLevel).toBe("warn");
  });

  it("replaces a weaker list instead of adding to it", () => {
    const { config } = load(["--lmem", "1MiB", "--lmem=2MiB,4MiB"], { TORPOR_LMEM: "1GiB" });
    expect(config.lmemSizesBytes).toEqual([2 ** 20, 2 ** 21, 2 ** 22]);
  });

  it("takes limits of copy rates by path, and refuses others", () => {
    const { config } = load(["--rate-limit", "blitter=200MiB/s"], {});
    expect(config.rateLimits).toEqual({ blitter: 200 * 2 ** 20 });
    expect(load([], { TORPOR_RATE_LIMIT: "memcpy=1MiB,blitter=2MiB" }).config.rateLimits).toEqual({
      memcpy: 2 ** 20,
      blitter: 2 ** 21,
    });
    for (const wrong of ["dma=1MiB", "blitter=1KiB", "blitter", "memcpy=1MiB,memcpy=2MiB"]) {
      expect(() => load(["--rate-limit", wrong], {})).toThrow(/rateLimit|--rate-limit/);
    }
  });

  it("takes failpoints as a list, as a text with semicolons and as flags, where faults are enabled", () => {
    const entries = ["evict.object=error(REGION_FULL)@2*1", "powerOff.before=delay(1.5s)%0.5#7:card0"];
    const { config, printed } = load([], {
      TORPOR_FAILPOINTS: ` ${entries.join(" ; ")};`,
      TORPOR_ENABLE_FAULTS: "1",
    });
    expect(config.failpoints.map(({ text }) => text)).toEqual(entries);
    const words = entries.flatMap((entry) => ["--failpoints", entry]);
    expect(load(["--enable-faults", ...words]).config.failpoints).toEqual(config.failpoints);
    expect(loadFile(`enableFaults: true\nfailpoints: ${JSON.stringify(entries)}\n`).config).toEqual(config);
    expect(loadFile(printed).config).toEqual(config);
  });

  it("takes where traces go from OpenTelemetry's own variables too, and ours are stronger", () => {
    const standard = {
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318",
      OTEL_SERVICE_NAME: "gpu-7",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=lab, team=a%2Cb%20c",
    };
    const { config, printed } = load([], standard);
    expect(config.tracing).toEqual({
      endpoint: "http://collector:4318",
      serviceName: "gpu-7",
      resourceAttributes: { "deployment.environment.name": "lab", team: "a,b c" },
    });
    expect(printed).toContain("otlpEndpoint: http://collector:4318 # OTEL_EXPORTER_OTLP_ENDPOINT\n");
    expect(loadFile(printed).config.tracing).toEqual(config.tracing);
    const ours = load([], { ...standard, TORPOR_OTLP_ENDPOINT: "https://other/base" }).config.tracing;
    expect(ours?.endpoint).toBe("https://other/base");
    expect(load(["--otlp-endpoint", ""], standard).config.tracing).toBeUndefined();
    expect(load(["--otel-service-name", "x"]).config.tracing).toBeUndefined();
  });

  it.each([
    ["otlpEndpoint: collector:4318", "is not the URL of a collector"],
    ["otlpEndpoint: 4318", "is not the URL of a collector"],
    ["otlpEndpoint: ftp://collector", "is not the URL of a collector"],
    ["otlpEndpoint: http://me:secret@collector", "OTEL_EXPORTER_OTLP_HEADERS"],
    ["otlpEndpoint: http://collector?token=1", "is more than a URL with a path"],
    ["corsOrigin: '*'", "is not a web origin"],
    ["corsOrigin: https://dash.example/", "is not a web origin"],
    ["otelServiceName: two words", "is not a name"],
    ["otelResourceAttributes: [lab]", "is not an attribute"],
    ["otelResourceAttributes: [a=%zz]", "is not an attribute"],
  ])("refuses %s", (yaml, message) => {
    expect(() => loadFile(yaml)).toThrow(message);
  });

  it("takes an empty variable and a key without a value as unset", () => {
    writeFileSync(file, "smem:\n");
    expect(load(["--config", file], { TORPOR_SMEM: "" }).config.smemBytes).toBe(2 ** 32);
  });

  it("lets the environment switch off what the file switches on", () => {
    writeFileSync(file, "insecureListen: true\n");
    expect(load(["--config", file]).config.insecureListen).toBe(true);
    expect(load(["--config", file], { TORPOR_INSECURE_LISTEN: "false" }).config.insecureListen).toBe(false);
  });

  it.each([
    ["flags", ["--swap", "8GiB", "--data-dir", "/d", "--visible=256MiB", "--stolen", "1MiB"], {}, ""],
    [
      "the environment",
      [],
      {
        TORPOR_SWAP: "8GiB",
        TORPOR_DATA_DIR: "/d",
        TORPOR_VISIBLE: "256MiB",
        TORPOR_STOLEN: "1MiB",
      },
      "",
    ],
    ["a file", [], {}, "swap: 8GiB\ndataDir: /d\nvisible: 256MiB\nstolen: 1MiB\n"],
  ])("takes swap, data directory, window and stolen memory from %s", (_, words, environment, yaml) => {
    writeFileSync(file, yaml);
    const { config } = load(["--config", file, ...words], environment);
    expect(config).toMatchObject({
      swapBytes: 2 ** 33,
      dataDirectory: "/d",
      visibleBytes: 2 ** 28,
      stolenBytes: 2 ** 20,
    });
  });

  it.each([
    [
      "flags",
      ["--data-dir=/d", "--restore=never", "--on-shutdown", "hibernate", "--image-codec=zstd"].concat([
        ...["--image-quota", "8GiB", "--keep-images", "0", "--runtime-pm", "on"],
        ...["--autosuspend-delay", "1.5s", "--d3cold-threshold", "1MiB", "--d3cold-verify"],
        ...["--policy", "failure=continue", "--policy", "swap-allowed=s3+s4"],
      ]),
      {},
      "",
    ],
    [
      "the environment",
      [],
      {
        TORPOR_DATA_DIR: "/d",
        TORPOR_RESTORE: "never",
        TORPOR_ON_SHUTDOWN: "hibernate",
        TORPOR_IMAGE_CODEC: "zstd",
        TORPOR_IMAGE_QUOTA: "8GiB",
        TORPOR_KEEP_IMAGES: "0",
        TORPOR_RUNTIME_PM: "on",
        TORPOR_AUTOSUSPEND_DELAY: "1500ms",
        TORPOR_D3COLD_THRESHOLD: "1MiB",
        TORPOR_D3COLD_VERIFY: "true",
        TORPOR_POLICY: "failure=continue,swap-allowed=s3+s4",
      },
      "",
    ],
    [
      "a file",
      [],
      {},
      "dataDir: /d\nrestore: never\nonShutdown: hibernate\nimageCodec: zstd\nimageQuota: 8GiB\nkeepImages: 0\n" +
        "runtimePm: on\nautosuspendDelay: 1.5s\nd3coldThreshold: 1MiB\nd3coldVerify: true\npolicy: [failure=continue, swap-allowed=s3+s4]\n",
    ],
  ])("takes images, runtime PM and policies from %s", (_, words, environment, yaml) => {
    writeFileSync(file, yaml);
    const { config } = load(["--config", file, ...words], environment);
    expect(config).toMatchObject({
      restore: "never",
      onShutdown: "hibernate",
      imageCodec: "zstd",
      imageQuotaBytes: 2 ** 33,
      keepImages: 0,
      imageStore: undefined,
      imageStoreEndpoint: undefined,
      imageStoreRegion: undefined,
      imageStorePathStyle: false,
      policy: { ...DEFAULT_POLICY, failure: "continue", swapAllowed: ["S3", "S4"] },
      runtimePm: { enabled: true, autosuspendDelayMs: 1500, d3coldThresholdBytes: 2 ** 20, verify: true },
    });
  });

  it("has no D3cold threshold above the size of local memory", () => {
    const { config } = load(["--lmem", "64MiB", "--lmem", "64MiB"]);
    expect(config.runtimePm.d3coldThresholdBytes).toBe(128 * 2 ** 20);
  });

  it("lets an empty flag take the data directory back, and all the window", () => {
    writeFileSync(file, "dataDir: /d\nvisible: 1MiB\n");
    const { config } = load(["--config", file, "--data-dir", "", "--visible", "all"]);
    expect(config).toMatchObject({ dataDirectory: undefined, visibleBytes: undefined });
  });

  it("takes an empty file as no settings", () => {
    expect(loadFile("# nothing\n").config).toEqual(load([]).config);
  });

  it("warns of variables that look like settings, but not of those that Kubernetes makes", () => {
    const { warnings } = load([], {
      TORPOR_LMEMM: "1GiB",
      TORPOR_PORT_8585_TCP: "tcp://x",
      TORPOR_REVISION: "a",
    });
    expect(warnings).toEqual([
      "The environment variable TORPOR_LMEMM looks like a setting, but there is none of that name.",
    ]);
  });
});

describe("errors", () => {
  it.each([
    [
      "lmem:\n  - 1GiB\n  - 12 parsecs\n",
      "3:5: lmem (12 parsecs) is not a size, such as 256MiB or 268435456.",
    ],
    ["lmem: [1GiB, -5]\n", "1:14: lmem (-5) is not a size, such as 256MiB or 268435456."],
    [
      "smem: 1GiB\nhttp: 80\n",
      "2:7: http (80) is not an address: write HOST:PORT, [IPV6]:PORT or unix:PATH.",
    ],
    [
      "logLevel: loud\n",
      "1:11: logLevel (loud) is not one of fatal, error, warn, info, debug, trace, silent.",
    ],
    ["insecureListen: maybe\n", "1:17: insecureListen (maybe) is neither true nor false."],
    ["minPage: 3000\n", "1:10: minPage (3000) is not a power of two."],
    ["minPage: 2KiB\n", "1:10: minPage (2KiB) is not from 4KiB to 2MiB."],
    ["lmem: [100KiB]\n", "1:8: lmem (100KiB) is not a multiple of 64KiB."],
    ["minPage: 2MiB\nlmem: 3MiB\n", "2:7: lmem (3MiB) is not a multiple of 2MiB."],
    ["smem: 4KiB\n", "1:7: smem (4KiB) is not a multiple of 64KiB."],
    ["smem: 32GiB\n", "1:7: smem (32GiB) is more than the 16GiB that a region can have."],
    [
      "swap: 1GiB\n",
      "1:7: swap (1GiB) needs a data directory for its file: name one with --data-dir, TORPOR_DATA_DIR or dataDir.",
    ],
    ["dataDir: /d\nswap: 100KiB\n", "2:7: swap (100KiB) is not a multiple of 64KiB."],
    ["dataDir: /d\nswap: 2TiB\n", "2:7: swap (2TiB) is more than the 1TiB that swap of a device can have."],
    [
      "tlsCert: c.pem\n",
      "1:10: tlsCert (c.pem) needs tlsKey too: a certificate and its key belong together.",
    ],
    ["tlsKey: k.pem\n", "1:9: tlsKey (k.pem) needs tlsCert too: a certificate and its key belong together."],
    [
      "tlsClientCa: ca.pem\n",
      "1:14: tlsClientCa (ca.pem) needs tlsCert and tlsKey: clients show certificates only over TLS.",
    ],
    ["callRate: fast\n", "1:11: callRate (fast) is not a number of calls a second from 0 to 1000000."],
    ["callRate: 0.5\n", "1:11: callRate (0.5) is not a number of calls a second from 0 to 1000000."],
    ["dataDir: 7\n", "1:10: dataDir (7) is not the path of a directory."],
    ["dataDir: [a, b]\n", '1:10: dataDir (["a","b"]) is not the path of a directory.'],
    [
      "onShutdown: hibernate\n",
      "1:13: onShutdown (hibernate) needs a data directory for the images: name one with --data-dir, TORPOR_DATA_DIR or dataDir.",
    ],
    ["restore: maybe\n", "1:10: restore (maybe) is not one of auto, wake, keep, never."],
    ["keepImages: -1\n", "1:13: keepImages (-1) is not a number from 0 to 1000."],
    [
      "autosuspendDelay: 5\n",
      "1:19: autosuspendDelay (5) is not a length of time up to 86400s, such as 500ms or 1.5s.",
    ],
    [
      "policy: [failure=continue, speed=high]\n",
      "1:28: policy (speed=high) is not a policy, such as failure=continue. There are notifier, producers, ",
    ],
    [
      "policy: [failure=maybe]\n",
      "1:10: policy (failure=maybe) is none that failure can have: abort or continue.",
    ],
    [
      "policy: [swap-allowed=s3+s3]\n",
      "1:10: policy (swap-allowed=s3+s3) is none that swap-allowed can have: none, or one or more of s2idle, s3, s4 joined by +.",
    ],
    ["policy: [failure=abort, failure=continue]\n", "1:25: policy (failure=continue) sets failure twice."],
    ["visible: some\n", "1:10: visible (some) is neither a size, such as 256MiB, nor all."],
    ["visible: 0\n", "1:10: visible (0) is no memory at all."],
    ["minPage: 2MiB\nvisible: 1MiB\n", "2:10: visible (1MiB) is not a multiple of 2MiB."],
    ["stolen: 100KiB\n", "1:9: stolen (100KiB) is not a multiple of 64KiB."],
    ["stolen: 17GiB\n", "1:9: stolen (17GiB) is more than the 16GiB that a region can have."],
    ["device: [card0, card0]\n", '1:9: device (["card0","card0"]) names the same thing twice.'],
    ["device: [Card 0]\n", "1:10: device (Card 0) is not a device name, such as card0."],
    ["device: []\n", "1:9: device ([]) has fewer than 1 item."],
    [
      "lmem: [1GiB, 1GiB, 1GiB, 1GiB, 1GiB]\n",
      '1:7: lmem (["1GiB","1GiB","1GiB","1GiB","1GiB"]) has more than 4 items.',
    ],
    [
      "engines: rcs0\n",
      "1:10: engines (rcs0) has no copy engine: without one (bcs0) nothing can be evicted by blitter.",
    ],
    [
      "smem: 1GiB\nsmemm: 2\n",
      "2:1: There is no setting smemm. There are device, lmem, minPage, visible, stolen, smem, prefault, swap, ",
    ],
    [
      "failpoints: evict.object=error\n",
      "1:13: failpoints (evict.object=error) needs faults to be enabled: say so with --enable-faults, ",
    ],
    [
      "enableFaults: true\nfailpoints: [evict.object=error, evict.none=hang]\n",
      '2:13: failpoints (["evict.object=error","evict.none=hang"]) has a wrong entry, evict.none=hang: there is no failpoint evict.none.',
    ],
    [
      "enableFaults: true\nfailpoints: evict.object=error:card9\n",
      "2:13: failpoints (evict.object=error:card9) has a wrong entry, evict.object=error:card9: there is no device card9.",
    ],
    [
      "enableFaults: true\nfailpoints: evict.object=error; evict.object=hang\n",
      "2:13: failpoints (evict.object=error; evict.object=hang) has two entries for evict.object; the second is evict.object=hang.",
    ],
    ["failpoints: 7\n", "1:13: failpoints (7) is not a list of entries, such as evict.object=error."],
    ["smem: 1\nsmem: 2\n", "2:1: Map keys must be unique."],
    ["lmem: [1GiB\nsmem: 2\n", "2:1: Flow sequence in block collection must be sufficiently indented"],
    ["- lmem\n", "1:1: The file is not a map of settings."],
  ])("names line and column in %j", (yaml, message) => {
    expect(() => loadFile(yaml)).toThrow(`${file}:${message}`);
  });

  it.each([
    [["--lmem", "much"], {}, "--lmem: lmem (much) is not a size, such as 256MiB or 268435456."],
    [[], { TORPOR_HTTP: "here" }, "TORPOR_HTTP: http (here) is not an address: "],
    [[], { TORPOR_LMEM: "1GiB,x" }, "TORPOR_LMEM: lmem (1GiB,x) is not a size"],
    [["--min-page", "4"], {}, "--min-page: minPage (4) is not from 4KiB to 2MiB."],
    [["--lmme", "1"], {}, "Unknown option '--lmme' (Did you mean --lmem?)."],
    [["--lmem"], {}, "Option '--lmem <SIZE>' argument missing."],
    [["dance"], {}, "There is no command dance; there are healthcheck and token."],
    [["healthcheck", "twice"], {}, "Command healthcheck takes no words, and got twice."],
    [["--config", "/absent.yaml"], {}, "The configuration file /absent.yaml cannot be read: ENOENT: "],
  ])("names the flag or variable in %j %j", (words, environment, message) => {
    expect(() => load(words, environment)).toThrow(message);
  });

  it("says everything that is wrong at once", () => {
    expect(() => load(["--smem", "x", "--log-level", "y"])).toThrow(/^--smem: .*\n--log-level: .*$/);
  });
});
