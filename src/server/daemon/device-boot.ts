/**
 * Boots one device of a daemon from the configuration, with everything that it needs of the outside world.
 */
import { createHash, randomUUID } from "node:crypto";
import type { Logger } from "pino";
import {
  type ByteStore,
  bootDevice,
  type Device,
  DeviceError,
  type EventSink,
  type Failpoints,
  type MachineMemory,
  type SnapshotStore,
} from "../../device/mod.ts";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/config-error.ts";
import { formatSize } from "../config/size.ts";
import type { DaemonImages, OwnImage } from "../machine/image-catalogue.ts";
import { StartError } from "../machine/start-error.ts";
import { systemClock } from "../machine/system-clock.ts";
import { zstdCodec } from "../machine/zstd-codec.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { logDevice } from "./device-log.ts";

export interface BootDeps {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly engineForm: "in-process" | "threaded";
  readonly swap: ByteStore | undefined;
  readonly failpoints: Failpoints | undefined;
  /** Undefined if there is neither a data directory nor another store. */
  readonly images: DaemonImages | undefined;
  /** Identifies this run of the daemon. */
  readonly incarnation: string;
  readonly machine: MachineMemory;
  /** Undefined without memory for snapshots. */
  readonly snapshots: SnapshotStore | undefined;
  /** Undefined without tracing. */
  readonly trace: EventSink | undefined;
  /** Receives the device's events. */
  readonly tell: EventSink;
}

export interface BootedDevice {
  readonly device: Device;
  /** Whether the device sleeps and must be woken before the daemon is ready. */
  readonly wakes: boolean;
}

/**
 * Boots a device. It stays asleep if an image holds its state and the configuration says so.
 * @throws ConfigError if the configuration allows no such device; DeviceError if the data directory cannot be
 * written.
 */
export async function boot(name: string, config: Config, deps: BootDeps): Promise<BootedDevice> {
  const { log, images } = deps;
  const uid = randomUUID();
  // With `never`, hibernated devices and the stored facts about them stay unchanged.
  const own = config.restore === "never" ? undefined : await images?.findOwn(name);
  if (own === undefined && config.restore !== "never")
    await images?.own({ device: name, uid, generation: 1 });
  const device = await bootWith({ name, uid, own }, config, deps);
  if (own === undefined) return { device, wakes: false };
  const wakes = config.restore === "wake" || (config.restore === "auto" && own.cause !== "client");
  if (!wakes) log.info({ device: name, image: own.image }, "left asleep until it is resumed");
  return { device, wakes };
}

/** The initial state of a device. */
interface Beginning {
  readonly name: string;
  readonly uid: string;
  readonly own: OwnImage | undefined;
}

async function bootWith(
  { name, uid, own: resumeFrom }: Beginning,
  config: Config,
  deps: BootDeps,
): Promise<Device> {
  const { log, metrics, engineForm, swap, failpoints, images, trace, tell } = deps;
  const { minPageBytes, visibleBytes = Number.POSITIVE_INFINITY } = config;
  const memories = [...config.lmemSizesBytes.map((_, index) => `lmem${index}`), "smem"];
  const count = metrics.countDevice(name, memories, config.engines);
  const record = logDevice(log, name);
  const emit: EventSink = (event) => {
    count(event);
    record(event);
    trace?.(event);
    tell(event);
  };
  try {
    return await bootDevice({
      name,
      uid,
      newUid: randomUUID,
      incarnation: deps.incarnation,
      lmem: config.lmemSizesBytes.map((sizeBytes) => ({
        sizeBytes,
        minPageBytes,
        visibleBytes: Math.min(sizeBytes, visibleBytes),
      })),
      smem: { sizeBytes: config.smemBytes },
      stolenBytes: config.stolenBytes,
      prefault: config.prefault,
      ...(swap === undefined ? {} : { swap }),
      ...(images === undefined ? {} : { images }),
      ...(deps.snapshots === undefined ? {} : { snapshots: deps.snapshots }),
      frameCodec: zstdCodec,
      compressImages: config.imageCodec === "zstd",
      ...(resumeFrom === undefined ? {} : { resumeFrom }),
      ...(failpoints === undefined ? {} : { failpoints: failpoints.forDevice(name) }),
      policy: config.policy,
      runtimePm: config.runtimePm,
      engines: config.engines,
      rateLimits: config.rateLimits,
      engineForm,
      clock: systemClock,
      clockModule: engineClockModule(),
      random: Math.random,
      emit,
      machine: deps.machine,
      sha256: hashSha256,
    });
  } catch (error) {
    throw explained(error, name, config);
  }
}

/** Turns what the configuration or machine cannot do into a sentence for the user who started the daemon. */
function explained(error: unknown, name: string, config: Config): unknown {
  if (isRefusedMemory(error)) {
    const lmemBytes = config.lmemSizesBytes.reduce((sum, sizeBytes) => sum + sizeBytes, 0);
    return new StartError(
      `The system does not give device ${name} its memory, lmem (${formatSize(lmemBytes)}) and smem ` +
        `(${formatSize(config.smemBytes)}): name less with --lmem and --smem, or let it give more ` +
        "(ulimit -v, vm.overcommit_memory).",
      { cause: error },
    );
  }
  if (error instanceof DeviceError && error.reason === "MACHINE_MEMORY_EXHAUSTED") {
    return new StartError(`Device ${name} cannot be made. ${error.message}`, { cause: error });
  }
  if (!(error instanceof DeviceError && error.kind === "invalid")) return error;
  return new ConfigError(`Device ${name} cannot be made. ${error.message}`, { cause: error });
}

/** WebAssembly's error if the system has no address space, or promises no more memory than it has. */
function isRefusedMemory(error: unknown): boolean {
  return error instanceof RangeError && error.message.includes("could not allocate memory");
}

/**
 * Works from source and from dist. The extension of this file tells which, because tsc does not rewrite URLs.
 */
function engineClockModule(): URL {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new URL(`../machine/monotonic-clock.${extension}`, import.meta.url);
}

function hashSha256() {
  const hash = createHash("sha256");
  return {
    update(bytes: Uint8Array): void {
      hash.update(bytes);
    },
    digestHex: () => hash.digest("hex"),
  };
}
