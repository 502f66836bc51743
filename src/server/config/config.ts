/**
 * The configuration of the daemon: defaults, a YAML file, the environment, and flags. For each key the last
 * of these wins.
 */
import { closeSync, openSync, readSync } from "node:fs";
import type { RuntimePmSettings } from "../../device/mod.ts";
import { DEFAULT_POLICY, type PowerPolicy } from "../../device/policy.ts";
import { CONFIG_FILE_BYTES_MAX } from "../daemon-limits.ts";
import type { TlsPaths } from "../machine/tls-material.ts";
import { ConfigError } from "./config-error.ts";
import { CONFIG_FILE_VARIABLE, type Environment, readEnvironment, unknownVariables } from "./environment.ts";
import { readConfigText } from "./file.ts";
import { fitMemory } from "./fit-memory.ts";
import type { CommandLine } from "./flags.ts";
import { readSettings } from "./read-settings.ts";
import {
  CONFIG_KEYS,
  type ConfigKey,
  type PlacedSettings,
  type Problem,
  SETTINGS,
  type Settings,
} from "./schema.ts";
import { printSetting } from "./setting-names.ts";
import { formatSize } from "./size.ts";
import type { FoundValues } from "./source.ts";
import { yaml } from "./yaml.ts";

/** How many characters of a wrong value a message quotes. */
const SHOWN_LENGTH_MAX = 200;

const MIB = 2 ** 20;

/**
 * The values that the daemon uses. Every device gets the same memory and engines. The settings table
 * describes the rest.
 */
export interface Config extends PlacedSettings {
  /** Undefined for plain HTTP and gRPC. */
  readonly tls: TlsPaths | undefined;
  readonly policy: PowerPolicy;
  /** The threshold is at most the size of local memory. */
  readonly runtimePm: RuntimePmSettings;
  /** Undefined without traces. */
  readonly tracing: TracingConfig | undefined;
}

/** Where traces go, and how they describe their daemon. */
export interface TracingConfig {
  /** Base URL of the collector. */
  readonly endpoint: string;
  /** Undefined if the attributes may name the service. */
  readonly serviceName: string | undefined;
  readonly resourceAttributes: Readonly<Record<string, string>>;
}

export interface LoadedConfig {
  readonly config: Config;
  /** The configuration in force as YAML, with the source of each key. It can be used as a file. */
  readonly printed: string;
  /** Keys that some source set. All others have their defaults. */
  readonly given: ReadonlySet<ConfigKey>;
  /**
   * What the memories of the devices may add up to, if sizes that nobody chose were made to fit it. Undefined
   * if the defaults fit. Bytes.
   */
  readonly fitted: number | undefined;
  /** Whole sentences about settings that were ignored. */
  readonly warnings: readonly string[];
}

/**
 * @param memoryBytes what the memories of all devices may add up to if nobody chose their sizes
 * @throws ConfigError if a source cannot be read or a value is invalid.
 */
export function loadConfig(
  commandLine: Pick<CommandLine, "configFile" | "flags">,
  environment: Environment,
  memoryBytes = Number.POSITIVE_INFINITY,
): LoadedConfig {
  const file = commandLine.configFile ?? environment[CONFIG_FILE_VARIABLE];
  const found: FoundValues = {
    ...(file === undefined || file === "" ? {} : readConfigText(file, readFile(file))),
    ...readEnvironment(environment),
    ...commandLine.flags,
  };
  const chosen = checkSettings(found);
  const fitted = fitMemory(chosen, (key) => found[key] !== undefined, memoryBytes);
  const settings = { ...chosen, ...fitted };
  const memory = fitted === undefined ? undefined : Math.floor(memoryBytes / MIB) * MIB;
  return {
    config: toConfig(settings),
    get printed() {
      return print(settings, found, memory);
    },
    fitted: memory,
    given: new Set(CONFIG_KEYS.filter((key) => found[key] !== undefined)),
    warnings: unknownVariables(environment).map(
      (variable) =>
        `The environment variable ${variable} looks like a setting, but there is none of that name.`,
    ),
  };
}

function readFile(file: string): string {
  const bytes = Buffer.alloc(CONFIG_FILE_BYTES_MAX + 1);
  let lengthBytes = 0;
  try {
    const descriptor = openSync(file, "r");
    try {
      // Limits what is read and not the reported size, because special files do not report one: /dev/zero has
      // no end.
      for (let read = -1; read !== 0 && lengthBytes < bytes.length; lengthBytes += read) {
        read = readSync(descriptor, bytes, lengthBytes, bytes.length - lengthBytes, null);
      }
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`The configuration file ${file} cannot be read: ${why}.`, { cause: error });
  }
  if (lengthBytes <= CONFIG_FILE_BYTES_MAX) return bytes.toString("utf8", 0, lengthBytes);
  throw new ConfigError(`The configuration file ${file} is larger than ${CONFIG_FILE_BYTES_MAX} bytes.`);
}

function checkSettings(found: FoundValues): Settings {
  const values: Partial<Record<ConfigKey, unknown>> = {};
  for (const key of CONFIG_KEYS) {
    if (found[key] !== undefined) values[key] = found[key].value;
  }
  const result = readSettings(values);
  if ("settings" in result) return result.settings;
  throw new ConfigError(result.problems.map((problem) => describe(problem, found)).join("\n"));
}

/** One sentence about one fault: place, key, value, and the reason. */
function describe({ path: [key, ...path], message }: Problem, found: FoundValues): string {
  const value = found[key];
  // Another setting can make a default invalid, as a large minPage does to lmem.
  if (value === undefined) return `The default of ${key} ${message}`;
  return `${value.place(path)}: ${key} (${show(value.value, path)}) ${message}`;
}

/** The value on one line, shortened for people. */
function show(value: unknown, path: readonly PropertyKey[]): string {
  const [index] = path;
  const item = Array.isArray(value) && typeof index === "number" ? (value[index] ?? value) : value;
  const text = typeof item === "string" ? item : (JSON.stringify(item) ?? String(item));
  const line = text.replace(/\s+/g, " ");
  return line.length > SHOWN_LENGTH_MAX ? `${line.slice(0, SHOWN_LENGTH_MAX)}…` : line;
}

function toConfig(settings: Settings): Config {
  return {
    ...placedSettings(settings),
    tls: toTlsPaths(settings),
    policy: toPolicy(settings),
    runtimePm: toRuntimePm(settings),
    tracing: toTracing(settings),
  };
}

/** The settings in the form of Config. */
function placedSettings(settings: Settings): PlacedSettings {
  const placed: Record<string, unknown> = {};
  function put<K extends ConfigKey>(key: K): void {
    const { place, convert } = SETTINGS[key];
    if (place !== undefined) placed[place] = convert === undefined ? settings[key] : convert(settings[key]);
  }
  for (const key of CONFIG_KEYS) put(key);
  if (!isPlaced(placed)) throw new Error("A setting has no place in Config.");
  return placed;
}

function isPlaced(placed: object): placed is PlacedSettings {
  return CONFIG_KEYS.every((key) => {
    const { place } = SETTINGS[key];
    return place === undefined || place in placed;
  });
}

function toTracing({ otlpEndpoint, otelServiceName, otelResourceAttributes }: Settings): Config["tracing"] {
  if (otlpEndpoint === "") return undefined;
  const attributes = otelResourceAttributes.map(({ name, value }) => [name, value]);
  return {
    endpoint: otlpEndpoint,
    serviceName: otelServiceName === "" ? undefined : otelServiceName,
    resourceAttributes: Object.fromEntries(attributes),
  };
}

function toPolicy(settings: Settings): PowerPolicy {
  let policy = DEFAULT_POLICY;
  for (const { change } of settings.policy) policy = { ...policy, ...change };
  return policy;
}

function toRuntimePm(settings: Settings): RuntimePmSettings {
  const localBytes = settings.lmem.reduce((total, sizeBytes) => total + sizeBytes, 0);
  return {
    enabled: settings.runtimePm === "on",
    autosuspendDelayMs: settings.autosuspendDelay,
    // A device accepts no threshold above its memory size, and the default is made for large devices.
    d3coldThresholdBytes: Math.min(settings.d3coldThreshold, localBytes),
    verify: settings.d3coldVerify,
  };
}

function toTlsPaths({ tlsCert, tlsKey, tlsClientCa }: Settings): TlsPaths | undefined {
  if (tlsCert === "") return undefined;
  return { certificate: tlsCert, key: tlsKey, clientCa: tlsClientCa === "" ? undefined : tlsClientCa };
}

function print(settings: Settings, found: FoundValues, fittedBytes: number | undefined): string {
  const document = new (yaml().Document)();
  for (const key of CONFIG_KEYS) {
    const node = document.createNode(printSetting(key, settings), { flow: true });
    const isFitted = fittedBytes !== undefined && (key === "lmem" || key === "smem");
    const unchosen = isFitted ? `default, to fit ${formatSize(fittedBytes)} of memory` : "default";
    node.comment = ` ${found[key]?.place([]) ?? unchosen}`;
    document.set(key, node);
  }
  return document.toString({ lineWidth: 0 });
}
