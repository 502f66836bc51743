/**
 * The settings of the daemon. Each stands here once, with its key, flag, variable, help, default, how it is
 * read and printed, and its name in Config. The key is the one in the YAML file. The flag and the TORPOR_
 * variable follow from it.
 *
 * Each problem is the rest of a sentence that starts with the key and the value found.
 */

import {
  AUTOSUSPEND_DELAY_DEFAULT_MS,
  D3COLD_THRESHOLD_DEFAULT_BYTES,
  LOCAL_REGIONS_MAX,
  MIB,
} from "../../device/limits.ts";
import type { RateLimits } from "../../device/mod.ts";
import { ENGINE_NAME } from "../../device/resource.ts";
import { MIN_PAGE_BYTES_DEFAULT } from "../../device/sizes.ts";
import {
  ALLOWED_HOSTS_MAX,
  CORS_ORIGINS_MAX,
  DEVICES_MAX,
  ENGINES_MAX,
  RESOURCE_ATTRIBUTES_MAX,
} from "../daemon-limits.ts";
import { CALL_RATE_MAX } from "../limits.ts";
import { count, flag, list, oneOf, path, text } from "./base-readers.ts";
import { formatDuration } from "./duration.ts";
import { failpointSpecs } from "./failpoints-setting.ts";
import { IMAGE_SETTINGS } from "./image-settings.ts";
import { formatListenAddress } from "./listen.ts";
import { POLICY_KNOBS } from "./policy-setting.ts";
import { type Setting, SWITCH, setting } from "./setting.ts";
import { formatSize } from "./size.ts";
import { SNAPSHOT_SETTINGS } from "./snapshot-settings.ts";
import { collector, resourceAttribute } from "./trace-settings.ts";
import { ALL, address, duration, policy, RATE_PATHS, rateLimit, size, sizeOrAll } from "./value-readers.ts";

const TABLE = {
  device: setting(list(text(/^[a-z][a-z0-9-]{0,62}$/, "is not a device name, such as card0."), DEVICES_MAX), {
    place: "devices",
    fallback: ["card0"],
    value: "NAME",
    repeatable: true,
    help: "a device; repeat for more",
    print: (names) => names,
  }),
  /** One entry per local region, `lmem0` first. */
  lmem: setting(list(size(), LOCAL_REGIONS_MAX), {
    place: "lmemSizesBytes",
    fallback: [1024 * MIB],
    value: "SIZE",
    repeatable: true,
    help: "local memory; repeat for more regions",
    print: (sizes) => sizes.map(formatSize),
  }),
  minPage: setting(size(), {
    place: "minPageBytes",
    fallback: MIN_PAGE_BYTES_DEFAULT,
    value: "SIZE",
    help: "smallest page of local memory",
    rare: true,
    print: formatSize,
  }),
  /** How much of each local region the CPU can reach; undefined for all of it. */
  visible: setting(sizeOrAll(), {
    place: "visibleBytes",
    fallback: ALL,
    convert: (size) => (size === ALL ? undefined : size),
    value: "SIZE",
    help: "how much of it the CPU reaches",
    print: (size) => (size === "all" ? size : formatSize(size)),
  }),
  /** Memory reserved for each device's display; 0 for none. */
  stolen: setting(size(), {
    place: "stolenBytes",
    fallback: 0,
    value: "SIZE",
    help: "memory reserved for the display",
    rare: true,
    print: formatSize,
  }),
  /** Cap of system memory, per device. */
  smem: setting(size(), {
    place: "smemBytes",
    fallback: 4096 * MIB,
    value: "SIZE",
    help: "system memory limit per device",
    print: formatSize,
  }),
  /** Whether to take memory from the machine at start instead of on first use. */
  prefault: setting(flag(), {
    place: "prefault",
    fallback: false,
    value: SWITCH,
    help: "take all memory at start",
    rare: true,
    print: (value) => value,
  }),
  /** Size of each device's swap file; 0 for none. More than 0 needs a data directory. */
  swap: setting(size(), {
    place: "swapBytes",
    fallback: 0,
    value: "SIZE",
    help: "swap file size per device",
    print: formatSize,
  }),
  ...SNAPSHOT_SETTINGS,
  engines: setting(list(text(ENGINE_NAME, "is not an engine, such as bcs0."), ENGINES_MAX), {
    place: "engines",
    fallback: ["rcs0", "ccs0", "bcs0", "vcs0"],
    value: "LIST",
    repeatable: true,
    help: "engines per device",
    print: (names) => names,
  }),
  http: setting(address(), {
    place: "http",
    fallback: { kind: "tcp", host: "127.0.0.1", port: 8585 },
    value: "ADDRESS",
    help: "REST, metrics and health",
    print: formatListenAddress,
  }),
  grpc: setting(address(), {
    place: "grpc",
    fallback: { kind: "tcp", host: "127.0.0.1", port: 8586 },
    value: "ADDRESS",
    help: "gRPC; port 0 picks a free one",
    print: formatListenAddress,
  }),
  /** Names that a Host header may contain besides loopback and the bound address. */
  allowedHosts: setting(
    list(
      text(/^(?:[A-Za-z0-9][A-Za-z0-9.-]*|[0-9A-Fa-f:]+)$/, "is not a host name without a port."),
      ALLOWED_HOSTS_MAX,
      0,
    ),
    {
      place: "allowedHosts",
      fallback: [],
      value: "NAMES",
      repeatable: true,
      help: "more Host names to accept",
      rare: true,
      print: (names) => names,
    },
  ),
  /** Web origins whose pages may call the daemon, besides its own. */
  corsOrigin: setting(
    list(
      text(
        /^https?:\/\/(?:\[[0-9a-f:]+\]|[a-z0-9][a-z0-9.-]*)(?::\d{1,5})?$/,
        "is not a web origin: scheme, host in lower case and port, such as https://dash.example:3000.",
      ),
      CORS_ORIGINS_MAX,
      0,
    ),
    {
      place: "corsOrigins",
      fallback: [],
      value: "ORIGIN",
      repeatable: true,
      help: "web origin whose pages may call",
      rare: true,
      print: (origins) => origins,
    },
  ),
  insecureListen: setting(flag(), {
    place: "insecureListen",
    fallback: false,
    value: SWITCH,
    help: "allow open addresses without tokens",
    print: (value) => value,
  }),
  /** The file that says who may call; undefined for none. */
  tokens: setting(path("file"), {
    place: "tokensFile",
    fallback: "",
    convert: orNone,
    value: "FILE",
    help: "callers and roles; see docs/security.md",
    print: (path) => path,
  }),
  tlsCert: setting(path("file"), {
    fallback: "",
    value: "FILE",
    help: "certificate; turns on TLS for both wires",
    print: (path) => path,
  }),
  tlsKey: setting(path("file"), {
    fallback: "",
    value: "FILE",
    help: "key of the certificate",
    print: (path) => path,
  }),
  tlsClientCa: setting(path("file"), {
    fallback: "",
    value: "FILE",
    help: "CA of client certificates, then required",
    rare: true,
    print: (path) => path,
  }),
  /** Most calls per second of one client; undefined for no limit. */
  callRate: setting(count(CALL_RATE_MAX, "number of calls a second"), {
    place: "callsPerSecond",
    fallback: 0,
    convert: (rate) => (rate === 0 ? undefined : rate),
    value: "N",
    help: "most calls per second and client",
    rare: true,
    print: String,
  }),
  /** The directory for the daemon's files; undefined if it keeps none. */
  dataDir: setting(path("directory"), {
    place: "dataDirectory",
    fallback: "",
    convert: orNone,
    value: "DIR",
    help: "directory for images and swap",
    print: (path) => path,
  }),
  ...IMAGE_SETTINGS,
  policy: setting(list(policy(), Object.keys(POLICY_KNOBS).length, 0), {
    fallback: [],
    value: "NAME=VALUE",
    repeatable: true,
    help: "behaviour where drivers differ",
    rare: true,
    print: (changes) => changes.map(({ name, value }) => `${name}=${value}`),
  }),
  /** YAML 1.1 would read these as booleans. In our YAML 1.2 they are words. */
  runtimePm: setting(oneOf(["off", "on"]), {
    fallback: "off",
    value: "off|on",
    help: "suspend unused devices: off, on",
    rare: true,
    print: (mode) => mode,
  }),
  autosuspendDelay: setting(duration(), {
    fallback: AUTOSUSPEND_DELAY_DEFAULT_MS,
    value: "TIME",
    help: "idle time before that",
    rare: true,
    print: formatDuration,
  }),
  d3coldThreshold: setting(size(), {
    fallback: D3COLD_THRESHOLD_DEFAULT_BYTES,
    value: "SIZE",
    help: "D3cold if less local memory is in use",
    rare: true,
    print: formatSize,
  }),
  d3coldVerify: setting(flag(), {
    fallback: false,
    value: SWITCH,
    help: "compare checksums after D3cold",
    rare: true,
    print: (value) => value,
  }),
  rateLimit: setting(list(rateLimit(), RATE_PATHS.length, 0), {
    place: "rateLimits",
    fallback: [],
    convert: (limits): RateLimits =>
      Object.fromEntries(limits.map(({ path, bytesPerSecond }) => [path, bytesPerSecond])),
    value: "PATH=RATE",
    repeatable: true,
    help: "limit copies, such as blitter=9MiB",
    rare: true,
    print: (limits) => limits.map(({ path, bytesPerSecond }) => `${path}=${formatSize(bytesPerSecond)}`),
  }),
  /** Whether clients may arm failpoints. */
  enableFaults: setting(flag(), {
    place: "enableFaults",
    fallback: false,
    value: SWITCH,
    help: "let clients inject failures",
    print: (value) => value,
  }),
  /** Armed before the devices boot. Requires that faults are enabled. */
  failpoints: setting(failpointSpecs(), {
    place: "failpoints",
    fallback: [],
    value: "ENTRY",
    repeatable: true,
    help: "failpoints armed at start",
    rare: true,
    print: (specs) => specs.map(({ text }) => text),
  }),
  otlpEndpoint: setting(collector(), {
    fallback: "",
    variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
    value: "URL",
    help: "collector for traces",
    rare: true,
    print: (url) => url,
  }),
  otelServiceName: setting(
    text(/^[^\s"]{0,255}$/, "is not a name of at most 255 characters without spaces."),
    {
      fallback: "",
      variable: "OTEL_SERVICE_NAME",
      value: "NAME",
      help: "service name in traces",
      rare: true,
      print: (name) => name,
    },
  ),
  otelResourceAttributes: setting(list(resourceAttribute(), RESOURCE_ATTRIBUTES_MAX, 0), {
    fallback: [],
    variable: "OTEL_RESOURCE_ATTRIBUTES",
    value: "NAME=VALUE",
    repeatable: true,
    help: "more resource attributes in traces",
    rare: true,
    print: (attributes) => attributes.map(({ text }) => text),
  }),
  logLevel: setting(oneOf(["fatal", "error", "warn", "info", "debug", "trace", "silent"]), {
    place: "logLevel",
    fallback: "info",
    value: "LEVEL",
    help: "fatal to trace, or silent",
    print: (level) => level,
  }),
};

type Table = typeof TABLE;
export type ConfigKey = keyof Table;
export type Settings = {
  readonly [K in ConfigKey]: Table[K] extends Setting<infer T, unknown, unknown> ? T : never;
};
export type LogLevel = Settings["logLevel"];

/** The settings that Config holds directly, in the same form. */
export type PlacedSettings = {
  readonly [K in ConfigKey as Table[K] extends Setting<Settings[K], infer Place, unknown>
    ? Place & string
    : never]: Table[K] extends Setting<Settings[K], unknown, infer Placed> ? Placed : never;
};

/** The same table in a form that types each value by its key. */
export const SETTINGS: { readonly [K in ConfigKey]: Setting<Settings[K], string | undefined, unknown> } =
  TABLE;

/** The keys in the order of the table. */
export const CONFIG_KEYS = Object.keys(SETTINGS).filter((key): key is ConfigKey =>
  Object.hasOwn(SETTINGS, key),
);

/** The faults of a setting, or of one of its items. */
export interface Problem {
  readonly path: readonly [ConfigKey, ...(readonly number[])];
  readonly message: string;
}

function orNone(path: string): string | undefined {
  return path === "" ? undefined : path;
}
