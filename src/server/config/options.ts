/** How each setting is offered: its flag, its environment variable, its line of help, and how it is printed. */

import { formatDuration } from "./duration.ts";
import { formatListenAddress } from "./listen.ts";
import type { ConfigKey, Settings } from "./schema.ts";
import { formatSize } from "./size.ts";

/** What a switch may be followed by. */
export const SWITCH = "false";

export interface Option<K extends ConfigKey = ConfigKey> {
  /** What stands after the flag in the help; SWITCH where the flag alone says true. */
  readonly value: string;
  /** Whether the flag may be given several times; each adds to the list. */
  readonly repeatable: boolean;
  readonly help: string;
  /** Left out of the help, which is one screen, because few need it. @default false */
  readonly rare?: true;
  /** The value as a YAML file would have it. */
  print(value: Settings[K]): string | boolean | readonly string[];
}

export const OPTIONS: { readonly [K in ConfigKey]: Option<K> } = {
  device: { value: "NAME", repeatable: true, help: "a device", print: (names) => names },
  lmem: {
    value: "SIZE",
    repeatable: true,
    help: "local memory, a flag a region",
    print: (sizes) => sizes.map(formatSize),
  },
  minPage: {
    value: "SIZE",
    repeatable: false,
    help: "smallest page of local memory",
    rare: true,
    print: formatSize,
  },
  visible: {
    value: "SIZE",
    repeatable: false,
    help: "what the CPU sees of a region",
    print: (size) => (size === "all" ? size : formatSize(size)),
  },
  stolen: {
    value: "SIZE",
    repeatable: false,
    help: "memory kept for the display",
    rare: true,
    print: formatSize,
  },
  smem: { value: "SIZE", repeatable: false, help: "most system memory a device takes", print: formatSize },
  prefault: {
    value: SWITCH,
    repeatable: false,
    help: "take all memory at start",
    rare: true,
    print: (value) => value,
  },
  swap: { value: "SIZE", repeatable: false, help: "size of a device's swap file", print: formatSize },
  engines: { value: "LIST", repeatable: true, help: "engines of a device", print: (names) => names },
  http: {
    value: "ADDRESS",
    repeatable: false,
    help: "REST, metrics and health",
    print: formatListenAddress,
  },
  grpc: { value: "ADDRESS", repeatable: false, help: "gRPC; port 0 is any", print: formatListenAddress },
  allowedHosts: {
    value: "NAMES",
    repeatable: true,
    help: "more Host names to answer to",
    rare: true,
    print: (names) => names,
  },
  corsOrigin: {
    value: "ORIGIN",
    repeatable: true,
    help: "a web origin whose pages may call",
    rare: true,
    print: (origins) => origins,
  },
  insecureListen: {
    value: SWITCH,
    repeatable: false,
    help: "allow addresses that others can reach",
    print: (value) => value,
  },
  tokens: {
    value: "FILE",
    repeatable: false,
    help: "who may call; see docs/security.md",
    print: (path) => path,
  },
  tlsCert: {
    value: "FILE",
    repeatable: false,
    help: "certificate: both wires speak TLS",
    print: (path) => path,
  },
  tlsKey: {
    value: "FILE",
    repeatable: false,
    help: "its key",
    print: (path) => path,
  },
  tlsClientCa: {
    value: "FILE",
    repeatable: false,
    help: "CA of the certificates that clients need then",
    rare: true,
    print: (path) => path,
  },
  callRate: {
    value: "N",
    repeatable: false,
    help: "most calls a second of a client",
    rare: true,
    print: String,
  },
  dataDir: { value: "DIR", repeatable: false, help: "where images and swap are", print: (path) => path },
  restore: {
    value: "WHEN",
    repeatable: false,
    help: "resume images at start: auto, never",
    rare: true,
    print: (mode) => mode,
  },
  onShutdown: {
    value: "WHAT",
    repeatable: false,
    help: "none, or hibernate the devices",
    print: (mode) => mode,
  },
  imageCodec: {
    value: "CODEC",
    repeatable: false,
    help: "how images are compressed: none, zstd",
    rare: true,
    print: (codec) => codec,
  },
  imageQuota: {
    value: "SIZE",
    repeatable: false,
    help: "most that all images take; 0 is what the disk has",
    rare: true,
    print: formatSize,
  },
  keepImages: {
    value: "COUNT",
    repeatable: false,
    help: "consumed images that are kept of each device",
    rare: true,
    print: String,
  },
  policy: {
    value: "NAME=VALUE",
    repeatable: true,
    help: "what devices do where drivers differ",
    rare: true,
    print: (changes) => changes.map(({ name, value }) => `${name}=${value}`),
  },
  runtimePm: {
    value: "off|on",
    repeatable: false,
    help: "devices sleep while unused: off, on",
    rare: true,
    print: (mode) => mode,
  },
  autosuspendDelay: {
    value: "TIME",
    repeatable: false,
    help: "how long unused before they do",
    rare: true,
    print: formatDuration,
  },
  d3coldThreshold: {
    value: "SIZE",
    repeatable: false,
    help: "less local memory in use than this loses power",
    rare: true,
    print: formatSize,
  },
  rateLimit: {
    value: "PATH=RATE",
    repeatable: true,
    help: "slow copies down, blitter=9MiB",
    rare: true,
    print: (limits) => limits.map(({ path, bytesPerSecond }) => `${path}=${formatSize(bytesPerSecond)}`),
  },
  enableFaults: {
    value: SWITCH,
    repeatable: false,
    help: "let clients make things fail",
    print: (value) => value,
  },
  failpoints: {
    value: "ENTRY",
    repeatable: true,
    help: "what fails from the start",
    rare: true,
    print: (specs) => specs.map(({ text }) => text),
  },
  otlpEndpoint: {
    value: "URL",
    repeatable: false,
    help: "collector that traces go to",
    rare: true,
    print: (url) => url,
  },
  otelServiceName: {
    value: "NAME",
    repeatable: false,
    help: "what traces call the daemon",
    rare: true,
    print: (name) => name,
  },
  otelResourceAttributes: {
    value: "NAME=VALUE",
    repeatable: true,
    help: "what else traces say of it",
    rare: true,
    print: (attributes) => attributes.map(({ text }) => text),
  },
  logLevel: { value: "LEVEL", repeatable: false, help: "fatal to trace, or silent", print: (level) => level },
};

export const CONFIG_KEYS = Object.keys(OPTIONS).filter((key): key is ConfigKey =>
  Object.hasOwn(OPTIONS, key),
);

/** One setting as a YAML file would have it. */
export function printSetting<K extends ConfigKey>(
  key: K,
  settings: Settings,
): string | boolean | readonly string[] {
  return OPTIONS[key].print(settings[key]);
}

/** The environment variable of a key: `minPage` is TORPOR_MIN_PAGE. */
export function environmentName(key: string): string {
  return `TORPOR_${words(key).join("_").toUpperCase()}`;
}

/** What OpenTelemetry calls a setting; ours is stronger. */
export const STANDARD_VARIABLES: Partial<Readonly<Record<ConfigKey, string>>> = {
  otlpEndpoint: "OTEL_EXPORTER_OTLP_ENDPOINT",
  otelServiceName: "OTEL_SERVICE_NAME",
  otelResourceAttributes: "OTEL_RESOURCE_ATTRIBUTES",
};

/** The flag of a key: `minPage` is --min-page. */
export function flagName(key: string): string {
  return `--${words(key).join("-")}`;
}

function words(key: string): string[] {
  return key
    .replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    .trim()
    .split(" ");
}
