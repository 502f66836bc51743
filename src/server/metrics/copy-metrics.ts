/** Bytes that move: evictions, backups, restores, and the failures on the way. */
import { Counter, type OpenMetricsContentType, type Registry } from "prom-client";
import type { ErrorReason } from "../../device/errors.ts";
import type { CopyPath, DeviceEvent, EvictionCause } from "../../device/events.ts";
import { secondsOf } from "./seconds.ts";

const PATHS: readonly CopyPath[] = ["blitter", "memcpy"];
const CAUSES: readonly EvictionCause[] = ["pressure", "suspend", "request"];

/**
 * The device makes backups only of pinned objects. Others are moved, and count as evicted. The label exists
 * for devices that will do this differently.
 */
const BACKUP_PINNED = "true";

/** The usual failures of a blitter. Others appear when they occur. */
const USUAL_FALLBACKS: readonly ErrorReason[] = ["COPY_FAILED", "ENGINE_HUNG", "DEVICE_WEDGED"];

type EventOf<T extends DeviceEvent["type"]> = Extract<DeviceEvent, { type: T }>;

export class CopyMetrics {
  readonly #evictions;
  readonly #evictionBytes;
  readonly #backupBytes;
  readonly #backupSeconds;
  readonly #restoreBytes;
  readonly #restoreSeconds;
  readonly #skippedVolatileBytes;
  readonly #fallbacks;
  readonly #verifyFailures;

  constructor(registry: Registry<OpenMetricsContentType>) {
    const registers = [registry];
    this.#evictions = new Counter({
      name: "torpor_evictions_total",
      help: "Objects moved out of local memory.",
      labelNames: ["device", "cause", "path"],
      registers,
    });
    this.#evictionBytes = new Counter({
      name: "torpor_eviction_bytes_total",
      help: "Bytes of the objects moved out of local memory.",
      labelNames: ["device", "cause", "path"],
      registers,
    });
    this.#backupBytes = new Counter({
      name: "torpor_backup_bytes_total",
      help: "Bytes copied from local memory into backups.",
      labelNames: ["device", "path", "pinned"],
      registers,
    });
    this.#backupSeconds = new Counter({
      name: "torpor_backup_seconds_total",
      help: "Time spent copying into backups.",
      labelNames: ["device", "path", "pinned"],
      registers,
    });
    this.#restoreBytes = new Counter({
      name: "torpor_restore_bytes_total",
      help: "Bytes copied from backups into local memory, and from snapshots.",
      labelNames: ["device", "path", "early"],
      registers,
    });
    this.#restoreSeconds = new Counter({
      name: "torpor_restore_seconds_total",
      help: "Time spent copying from backups.",
      labelNames: ["device", "path", "early"],
      registers,
    });
    this.#skippedVolatileBytes = new Counter({
      name: "torpor_skipped_volatile_bytes_total",
      help: "Bytes of PM_VOLATILE objects that were given up at suspend.",
      labelNames: ["device"],
      registers,
    });
    this.#fallbacks = new Counter({
      name: "torpor_blitter_fallbacks_total",
      help: "Copies meant for the blitter that the CPU made instead.",
      labelNames: ["device", "reason"],
      registers,
    });
    this.#verifyFailures = new Counter({
      name: "torpor_verify_failures_total",
      help: "Objects whose checksum changed across a suspend; must stay 0.",
      labelNames: ["device", "where"],
      registers,
    });
  }

  /** Sets every label set of a device to 0, so that a first event shows as an increase. */
  addDevice(device: string): void {
    for (const path of PATHS) {
      for (const cause of CAUSES) {
        this.#evictions.inc({ device, cause, path }, 0);
        this.#evictionBytes.inc({ device, cause, path }, 0);
      }
      this.#backupBytes.inc({ device, path, pinned: BACKUP_PINNED }, 0);
      this.#backupSeconds.inc({ device, path, pinned: BACKUP_PINNED }, 0);
      for (const early of ["false", "true"]) {
        this.#restoreBytes.inc({ device, path, early }, 0);
        this.#restoreSeconds.inc({ device, path, early }, 0);
      }
    }
    this.#skippedVolatileBytes.inc({ device }, 0);
    for (const reason of USUAL_FALLBACKS) this.#fallbacks.inc({ device, reason }, 0);
    this.#verifyFailures.inc({ device, where: "resume" }, 0);
  }

  evicted(device: string, { cause, path, objects, bytes }: EventOf<"evicted">): void {
    this.#evictions.inc({ device, cause, path }, objects);
    this.#evictionBytes.inc({ device, cause, path }, bytes);
  }

  backedUp(device: string, { path, bytes, durationNs }: EventOf<"backedUp">): void {
    this.#backupBytes.inc({ device, path, pinned: BACKUP_PINNED }, bytes);
    this.#backupSeconds.inc({ device, path, pinned: BACKUP_PINNED }, secondsOf(durationNs));
  }

  restored(device: string, { path, early, bytes, durationNs }: EventOf<"restored">): void {
    this.#restoreBytes.inc({ device, path, early: String(early) }, bytes);
    this.#restoreSeconds.inc({ device, path, early: String(early) }, secondsOf(durationNs));
  }

  skippedVolatile(device: string, { bytes }: EventOf<"skippedVolatile">): void {
    this.#skippedVolatileBytes.inc({ device }, bytes);
  }

  blitterFallback(device: string, { reason }: EventOf<"blitterFallback">): void {
    this.#fallbacks.inc({ device, reason });
  }

  verifyFailed(device: string, { objects }: EventOf<"verifyFailed">): void {
    this.#verifyFailures.inc({ device, where: "resume" }, objects.length);
  }
}
