/**
 * What a configuration may say, key by key. The keys are those of the YAML file; flags and environment variables are
 * made from them. Only keys that do something are here.
 *
 * Problems are the rest of a sentence that begins with the key and the value found.
 */
import { KIB, LOCAL_REGIONS_MAX, MIB, RATE_LIMIT_MIN } from "../../device/limits.ts";
import {
  ALLOWED_HOSTS_MAX,
  CORS_ORIGINS_MAX,
  DEVICES_MAX,
  ENGINES_MAX,
  KEEP_IMAGES_MAX,
  RESOURCE_ATTRIBUTES_MAX,
} from "../daemon-limits.ts";
import { CALL_RATE_MAX, DURATION_MS_MAX } from "../limits.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { failpointSpecs } from "./failpoints.ts";
import { type ListenAddress, parseListenAddress } from "./listen.ts";
import { POLICY_KNOBS, type PolicyChange, readPolicyChange } from "./policy.ts";
import { count, flag, list, oneOf, path, type Reader, text } from "./reader.ts";
import { formatSize, parseSize } from "./size.ts";
import { collector, resourceAttribute } from "./tracing.ts";

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

/** What becomes of sealed images at start, and of devices at the end. */
const RESTORE_MODES = ["auto", "never"] as const;
const SHUTDOWN_MODES = ["none", "hibernate"] as const;

const IMAGE_CODECS = ["none", "zstd"] as const;

/** YAML 1.1 would read these as booleans; ours is 1.2, in which they are words. */
const SWITCH = ["off", "on"] as const;

/** Paths of copies that can be limited. */
const RATE_PATHS = ["blitter", "memcpy"] as const;

/** What `visible` says where the CPU reaches all of local memory. */
const ALL = "all";

/** The settings by key, each with how it is read and its default. */
const TABLE = {
  device: setting(list(text(/^[a-z][a-z0-9-]{0,62}$/, "is not a device name, such as card0."), DEVICES_MAX), [
    "card0",
  ]),
  lmem: setting(list(size(), LOCAL_REGIONS_MAX), [1024 * MIB]),
  minPage: setting(size(), 64 * KIB),
  visible: setting(sizeOrAll(), ALL),
  stolen: setting(size(), 0),
  smem: setting(size(), 4096 * MIB),
  prefault: setting(flag(), false),
  swap: setting(size(), 0),
  engines: setting(list(text(/^(?:rcs|ccs|bcs|vcs)\d$/, "is not an engine, such as bcs0."), ENGINES_MAX), [
    "rcs0",
    "ccs0",
    "bcs0",
    "vcs0",
  ]),
  http: setting(address(), { kind: "tcp", host: "127.0.0.1", port: 8585 }),
  grpc: setting(address(), { kind: "tcp", host: "127.0.0.1", port: 8586 }),
  allowedHosts: setting(
    list(
      text(/^(?:[A-Za-z0-9][A-Za-z0-9.-]*|[0-9A-Fa-f:]+)$/, "is not a host name without a port."),
      ALLOWED_HOSTS_MAX,
      0,
    ),
    [],
  ),
  corsOrigin: setting(
    list(
      text(
        /^https?:\/\/(?:\[[0-9a-f:]+\]|[a-z0-9][a-z0-9.-]*)(?::\d{1,5})?$/,
        "is not a web origin: scheme, host in lower case and port, such as https://dash.example:3000.",
      ),
      CORS_ORIGINS_MAX,
      0,
    ),
    [],
  ),
  insecureListen: setting(flag(), false),
  tokens: setting(path("file"), ""),
  tlsCert: setting(path("file"), ""),
  tlsKey: setting(path("file"), ""),
  tlsClientCa: setting(path("file"), ""),
  callRate: setting(count(CALL_RATE_MAX, "number of calls a second"), 0),
  dataDir: setting(path("directory"), ""),
  restore: setting(oneOf(RESTORE_MODES), "auto"),
  onShutdown: setting(oneOf(SHUTDOWN_MODES), "none"),
  imageCodec: setting(oneOf(IMAGE_CODECS), "none"),
  imageQuota: setting(size(), 0),
  keepImages: setting(count(KEEP_IMAGES_MAX), 1),
  policy: setting(list(policy(), Object.keys(POLICY_KNOBS).length, 0), []),
  runtimePm: setting(oneOf(SWITCH), "off"),
  autosuspendDelay: setting(duration(), 1000),
  d3coldThreshold: setting(size(), 300 * MIB),
  rateLimit: setting(list(rateLimit(), RATE_PATHS.length, 0), []),
  enableFaults: setting(flag(), false),
  failpoints: setting(failpointSpecs(), []),
  otlpEndpoint: setting(collector(), ""),
  otelServiceName: setting(
    text(/^[^\s"]{0,255}$/, "is not a name of at most 255 characters without spaces."),
    "",
  ),
  otelResourceAttributes: setting(list(resourceAttribute(), RESOURCE_ATTRIBUTES_MAX, 0), []),
  logLevel: setting(oneOf(LOG_LEVELS), "info"),
};

interface Setting<T> {
  readonly read: Reader<T>;
  /** What it is where nothing is said. */
  readonly fallback: T;
}

export type ConfigKey = keyof typeof TABLE;
export type Settings = {
  readonly [K in ConfigKey]: (typeof TABLE)[K] extends Setting<infer T> ? T : never;
};
export type LogLevel = Settings["logLevel"];

/** The same table, in a form in which a key's type says what its value is. */
export const SETTINGS: { readonly [K in ConfigKey]: Setting<Settings[K]> } = TABLE;

/** What is wrong with a setting, or with one item of it. */
export interface Problem {
  readonly path: readonly [ConfigKey, ...(readonly number[])];
  readonly message: string;
}

function setting<T>(read: Reader<T>, fallback: NoInfer<T>): Setting<T> {
  return { read, fallback };
}

function size(): Reader<number> {
  return (found, refuse) => parseSize(found) ?? refuse("is not a size, such as 256MiB or 268435456.");
}

/** Memory that has no limit but its size. */
function sizeOrAll(): Reader<number | typeof ALL> {
  return (found, refuse) => {
    if (found === ALL) return ALL;
    return parseSize(found) ?? refuse(`is neither a size, such as 256MiB, nor ${ALL}.`);
  };
}

interface RateLimit {
  readonly path: (typeof RATE_PATHS)[number];
  readonly bytesPerSecond: number;
}

/** `blitter=200MiB` or `memcpy=50MiB/s`: bytes per second. */
function rateLimit(): Reader<RateLimit> {
  return (found, refuse) => {
    const [, name, rate] = /^([a-z]+)=(.+?)(?:\/s)?$/.exec(typeof found === "string" ? found : "") ?? [];
    const path = RATE_PATHS.find((known) => known === name);
    const bytesPerSecond = parseSize(rate);
    if (path !== undefined && bytesPerSecond !== undefined && bytesPerSecond >= RATE_LIMIT_MIN) {
      return { path, bytesPerSecond };
    }
    const least = formatSize(RATE_LIMIT_MIN);
    return refuse(
      `is not a limit, such as blitter=200MiB, of ${least} or more for ${RATE_PATHS.join(" or ")}.`,
    );
  };
}

function policy(): Reader<PolicyChange> {
  return (found, refuse) => {
    const change = readPolicyChange(found);
    return typeof change === "string" ? refuse(change) : change;
  };
}

function duration(): Reader<number> {
  return (found, refuse) => {
    const ms = parseDuration(found);
    if (ms !== undefined && ms <= DURATION_MS_MAX) return ms;
    const most = formatDuration(DURATION_MS_MAX);
    return refuse(`is not a length of time up to ${most}, such as 500ms or 1.5s.`);
  };
}

function address(): Reader<ListenAddress> {
  return (found, refuse) => {
    const parsed = parseListenAddress(typeof found === "string" ? found : "");
    return "problem" in parsed ? refuse(parsed.problem) : parsed;
  };
}
