/**
 * What a configuration may say, key by key. The keys are those of the YAML file; flags and environment variables are
 * made from them. Only keys that do something are here.
 *
 * Issues are the rest of a sentence that begins with the key and the value found.
 */
import { z } from "zod";
import { BANK_BYTES_MAX, KIB, LOCAL_REGIONS_MAX, MIB, PAGE_BYTES, RATE_LIMIT_MIN } from "../device/limits.ts";
import { formatDuration, parseDuration } from "./config-duration.ts";
import { failpointSpecs, failpointsProblemOf } from "./config-failpoints.ts";
import { POLICY_KNOBS, readPolicyChange } from "./config-policy.ts";
import { formatSize, parseSize } from "./config-size.ts";
import { collector, resourceAttribute } from "./config-tracing.ts";
import {
  ALLOWED_HOSTS_MAX,
  DEVICES_MAX,
  ENGINES_MAX,
  KEEP_IMAGES_MAX,
  MEMORY_UNIT_BYTES,
  MIN_PAGE_BYTES_MAX,
  RESOURCE_ATTRIBUTES_MAX,
  SWAP_BYTES_MAX,
} from "./daemon-limits.ts";
import { CALL_RATE_MAX } from "./gate/limits.ts";
import { DURATION_MS_MAX } from "./limits.ts";
import { parseListenAddress } from "./listen.ts";

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

/** What becomes of sealed images at start, and of devices at the end. */
const RESTORE_MODES = ["auto", "never"] as const;
const SHUTDOWN_MODES = ["none", "hibernate"] as const;

const IMAGE_CODECS = ["none", "zstd"] as const;

/** YAML 1.1 would read these as booleans; ours is 1.2, in which they are words. */
const SWITCH = ["off", "on"] as const;

const NAME_A_DIRECTORY = "name one with --data-dir, TORPOR_DATA_DIR or dataDir.";

/** Paths of copies that can be limited. */
const RATE_PATHS = ["blitter", "memcpy"] as const;

/** What `visible` says where the CPU reaches all of local memory. */
const ALL = "all";

/** The settings by key, each with its default. */
export const SETTINGS = z
  .strictObject({
    device: list(name(/^[a-z][a-z0-9-]{0,62}$/, "is not a device name, such as card0."), DEVICES_MAX).default(
      ["card0"],
    ),
    lmem: list(size(), LOCAL_REGIONS_MAX).default([1024 * MIB]),
    minPage: size().default(64 * KIB),
    visible: sizeOrAll().default(ALL),
    stolen: size().default(0),
    smem: size().default(4096 * MIB),
    prefault: flag().default(false),
    swap: size().default(0),
    engines: list(name(/^(?:rcs|ccs|bcs|vcs)\d$/, "is not an engine, such as bcs0."), ENGINES_MAX).default([
      "rcs0",
      "ccs0",
      "bcs0",
      "vcs0",
    ]),
    http: address().default({ kind: "tcp", host: "127.0.0.1", port: 8585 }),
    grpc: address().default({ kind: "tcp", host: "127.0.0.1", port: 8586 }),
    allowedHosts: list(
      name(/^(?:[A-Za-z0-9][A-Za-z0-9.-]*|[0-9A-Fa-f:]+)$/, "is not a host name without a port."),
      ALLOWED_HOSTS_MAX,
      0,
    ).default([]),
    insecureListen: flag().default(false),
    tokens: path("file").default(""),
    tlsCert: path("file").default(""),
    tlsKey: path("file").default(""),
    tlsClientCa: path("file").default(""),
    callRate: count(CALL_RATE_MAX, "number of calls a second").default(0),
    dataDir: path("directory").default(""),
    restore: oneOf(RESTORE_MODES).default("auto"),
    onShutdown: oneOf(SHUTDOWN_MODES).default("none"),
    imageCodec: oneOf(IMAGE_CODECS).default("none"),
    imageQuota: size().default(0),
    keepImages: count(KEEP_IMAGES_MAX).default(1),
    policy: list(policy(), Object.keys(POLICY_KNOBS).length, 0).default([]),
    runtimePm: oneOf(SWITCH).default("off"),
    autosuspendDelay: duration().default(1000),
    d3coldThreshold: size().default(300 * MIB),
    rateLimit: list(rateLimit(), RATE_PATHS.length, 0).default([]),
    enableFaults: flag().default(false),
    failpoints: failpointSpecs().default([]),
    otlpEndpoint: collector().default(""),
    otelServiceName: name(
      /^[^\s"]{0,255}$/,
      "is not a name of at most 255 characters without spaces.",
    ).default(""),
    otelResourceAttributes: list(resourceAttribute(), RESOURCE_ATTRIBUTES_MAX, 0).default([]),
    logLevel: oneOf(LOG_LEVELS).default("info"),
  })
  .superRefine((settings, context) => {
    const refuse = (path: (string | number)[], message: string) =>
      context.addIssue({ code: "custom", path, message });
    if (!isPowerOfTwo(settings.minPage)) refuse(["minPage"], "is not a power of two.");
    else if (settings.minPage < PAGE_BYTES || settings.minPage > MIN_PAGE_BYTES_MAX) {
      refuse(["minPage"], `is not from ${formatSize(PAGE_BYTES)} to ${formatSize(MIN_PAGE_BYTES_MAX)}.`);
    } else {
      for (const [index, sizeBytes] of settings.lmem.entries()) {
        const problem = sizeProblem(sizeBytes, Math.max(settings.minPage, MEMORY_UNIT_BYTES));
        if (problem !== undefined) refuse(["lmem", index], problem);
      }
      const problem = settings.visible === ALL ? undefined : sizeProblem(settings.visible, settings.minPage);
      if (problem !== undefined) refuse(["visible"], problem);
    }
    const problem = sizeProblem(settings.smem, MEMORY_UNIT_BYTES);
    if (problem !== undefined) refuse(["smem"], problem);
    const stolenProblem = settings.stolen === 0 ? undefined : sizeProblem(settings.stolen, MEMORY_UNIT_BYTES);
    if (stolenProblem !== undefined) refuse(["stolen"], stolenProblem);
    const swapProblem = swapProblemOf(settings.swap, settings.dataDir);
    if (swapProblem !== undefined) refuse(["swap"], swapProblem);
    if (settings.onShutdown === "hibernate" && settings.dataDir === "")
      refuse(["onShutdown"], `needs a data directory for the images: ${NAME_A_DIRECTORY}`);
    for (const [index, { name }] of settings.policy.entries()) {
      const at = settings.policy.findIndex((other) => other.name === name);
      if (at < index) refuse(["policy", index], `sets ${name} twice.`);
    }
    if ((settings.tlsCert === "") !== (settings.tlsKey === "")) {
      const [there, missing] =
        settings.tlsCert === "" ? (["tlsKey", "tlsCert"] as const) : (["tlsCert", "tlsKey"] as const);
      refuse([there], `needs ${missing} too: a certificate and its key belong together.`);
    }
    if (settings.tlsClientCa !== "" && settings.tlsCert === "") {
      refuse(["tlsClientCa"], "needs tlsCert and tlsKey: clients show certificates only over TLS.");
    }
    const [first, second] = settings.rateLimit;
    if (first !== undefined && first.path === second?.path)
      refuse(["rateLimit", 1], "limits the same path twice.");
    const failpointsProblem = failpointsProblemOf(settings);
    if (failpointsProblem !== undefined) refuse(["failpoints"], failpointsProblem);
    if (!settings.engines.some((engine) => engine.startsWith("bcs"))) {
      refuse(["engines"], "has no copy engine: without one (bcs0) nothing can be evicted by blitter.");
    }
  });

export type Settings = z.output<typeof SETTINGS>;
export type ConfigKey = keyof Settings;
export type LogLevel = Settings["logLevel"];

function name(pattern: RegExp, problem: string) {
  return z.string({ error: problem }).regex(pattern, { error: problem });
}

/** A list; a single value and a text with commas count as lists too, so that files and environment stay plain. */
function list<Item extends z.ZodType>(item: Item, countMax: number, countMin = 1) {
  const items = z
    .array(item)
    .min(countMin, { error: `has fewer than ${countMin} item.` })
    .max(countMax, { error: `has more than ${countMax} items.` })
    .superRefine((found, context) => {
      const seen = new Set(found);
      const namesRepeat = seen.size < found.length && typeof found[0] === "string";
      if (namesRepeat) context.addIssue({ code: "custom", message: "names the same thing twice." });
    });
  return z.preprocess(splitList, items);
}

function splitList(value: unknown): unknown {
  if (typeof value === "string") {
    return value.trim() === "" ? [] : value.split(",").map((part) => part.trim());
  }
  return Array.isArray(value) || value === undefined ? value : [value];
}

function size() {
  return z.unknown().transform((value, context) => {
    const sizeBytes = parseSize(value);
    if (sizeBytes !== undefined) return sizeBytes;
    context.addIssue({ code: "custom", message: "is not a size, such as 256MiB or 268435456." });
    return z.NEVER;
  });
}

/** Memory that has no limit but its size. */
function sizeOrAll() {
  return z.unknown().transform((value, context) => {
    const sizeBytes = value === ALL ? ALL : parseSize(value);
    if (sizeBytes !== undefined) return sizeBytes;
    context.addIssue({ code: "custom", message: `is neither a size, such as 256MiB, nor ${ALL}.` });
    return z.NEVER;
  });
}

/** A path; empty is none. */
function path(what: "file" | "directory") {
  const problem = `is not the path of a ${what}.`;
  return z.string({ error: problem }).refine((text) => !text.includes("\0"), { error: problem });
}

/** `blitter=200MiB` or `memcpy=50MiB/s`: bytes per second. */
function rateLimit() {
  return z.unknown().transform((value, context) => {
    const [, name, rate] = /^([a-z]+)=(.+?)(?:\/s)?$/.exec(typeof value === "string" ? value : "") ?? [];
    const path = RATE_PATHS.find((known) => known === name);
    const bytesPerSecond = parseSize(rate);
    if (path !== undefined && bytesPerSecond !== undefined && bytesPerSecond >= RATE_LIMIT_MIN) {
      return { path, bytesPerSecond };
    }
    const least = formatSize(RATE_LIMIT_MIN);
    context.addIssue({
      code: "custom",
      message: `is not a limit, such as blitter=200MiB, of ${least} or more for ${RATE_PATHS.join(" or ")}.`,
    });
    return z.NEVER;
  });
}

function policy() {
  return z.unknown().transform((value, context) => {
    const change = readPolicyChange(value);
    if (typeof change !== "string") return change;
    context.addIssue({ code: "custom", message: change });
    return z.NEVER;
  });
}

function duration() {
  return z.unknown().transform((value, context) => {
    const ms = parseDuration(value);
    if (ms !== undefined && ms <= DURATION_MS_MAX) return ms;
    const most = formatDuration(DURATION_MS_MAX);
    context.addIssue({
      code: "custom",
      message: `is not a length of time up to ${most}, such as 500ms or 1.5s.`,
    });
    return z.NEVER;
  });
}

function count(countMax: number, what = "number") {
  return z.unknown().transform((value, context) => {
    const text = typeof value === "number" || typeof value === "string" ? String(value) : "";
    if (/^\d{1,15}$/.test(text) && Number(text) <= countMax) return Number(text);
    context.addIssue({ code: "custom", message: `is not a ${what} from 0 to ${countMax}.` });
    return z.NEVER;
  });
}

function oneOf<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words, { error: `is not one of ${words.join(", ")}.` });
}

function address() {
  return z.unknown().transform((value, context) => {
    const parsed = parseListenAddress(typeof value === "string" ? value : "");
    if (!("problem" in parsed)) return parsed;
    context.addIssue({ code: "custom", message: parsed.problem });
    return z.NEVER;
  });
}

/** YAML has booleans; the environment has only their names. */
function flag() {
  return z.unknown().transform((value, context) => {
    if (value === true || value === "true" || value === "1") return true;
    if (value === false || value === "false" || value === "0") return false;
    context.addIssue({ code: "custom", message: "is neither true nor false." });
    return z.NEVER;
  });
}

function sizeProblem(sizeBytes: number, unitBytes: number): string | undefined {
  if (sizeBytes === 0) return "is no memory at all.";
  if (sizeBytes > BANK_BYTES_MAX)
    return `is more than the ${formatSize(BANK_BYTES_MAX)} that a region can have.`;
  return sizeBytes % unitBytes === 0 ? undefined : `is not a multiple of ${formatSize(unitBytes)}.`;
}

function swapProblemOf(sizeBytes: number, dataDir: string): string | undefined {
  if (sizeBytes > SWAP_BYTES_MAX)
    return `is more than the ${formatSize(SWAP_BYTES_MAX)} that swap of a device can have.`;
  if (sizeBytes % MEMORY_UNIT_BYTES !== 0) return `is not a multiple of ${formatSize(MEMORY_UNIT_BYTES)}.`;
  if (sizeBytes === 0 || dataDir !== "") return undefined;
  return `needs a data directory for its file: ${NAME_A_DIRECTORY}`;
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}
