/**
 * Hibernation images: their number and size, and the writes and reads. Only a daemon with a
 * store of images has these.
 */
import { Counter, Gauge, Histogram, type OpenMetricsContentType, type Registry } from "prom-client";
import type { ErrorReason } from "../../device/errors.ts";
import type { OwnershipWrite } from "../../device/events.ts";
import type { DaemonImages, ImageUsage } from "../machine/image-catalogue.ts";
import type { ImageObserver } from "../machine/image-errors.ts";

/** The usual errors of the store. Others appear when they occur. */
const REASONS: readonly ErrorReason[] = [
  "IMAGE_STORE_FULL",
  "IMAGE_CORRUPT",
  "COPY_FAILED",
  "OWNERSHIP_IN_DOUBT",
];
const WRITES: readonly OwnershipWrite[] = ["seal", "abandon", "claim", "giveBack", "commit", "own"];

/** From 1 MiB to 64 GiB and beyond. Unit: bytes. */
const SIZE_BUCKETS_BYTES = [20, 22, 24, 26, 28, 30, 32, 34, 36].map((power) => 2 ** power);

export class ImageMetrics {
  /** What the image store reports to. */
  readonly observer: ImageObserver;
  readonly #labels: { readonly store: DaemonImages["kind"] };
  readonly #gauges;
  readonly #inDoubt: Counter<"device" | "write">;
  #probe: (() => Promise<ImageUsage>) | undefined;

  constructor(registry: Registry<OpenMetricsContentType>, store: DaemonImages["kind"]) {
    const registers = [registry];
    const labels = { store };
    this.#labels = labels;
    const gauge = (name: string, help: string) => new Gauge({ name, help, labelNames: ["store"], registers });
    const counter = (name: string, help: string) =>
      new Counter({ name, help, labelNames: ["store"], registers });
    this.#gauges = {
      images: gauge("torpor_images", "Hibernation images, sealed or consumed."),
      bytes: gauge("torpor_image_bytes", "Bytes that hibernation images take."),
      free: gauge("torpor_image_store_free_bytes", "Bytes that new hibernation images can take."),
    };
    const written = counter("torpor_image_write_bytes_total", "Bytes written to hibernation images.");
    const read = counter("torpor_image_read_bytes_total", "Bytes read from hibernation images.");
    const errors = new Counter({
      name: "torpor_image_errors_total",
      help: "Failures of the store of hibernation images.",
      labelNames: ["store", "reason"],
      registers,
    });
    this.#inDoubt = new Counter({
      name: "torpor_ownership_in_doubt_total",
      help: "Writes of ownership that the store of hibernation images did not answer at first, by device.",
      labelNames: ["device", "write"],
      registers,
    });
    const sizes = new Histogram({
      name: "torpor_image_size_bytes",
      help: "Sizes of the hibernation images that were sealed.",
      labelNames: ["store"],
      buckets: SIZE_BUCKETS_BYTES,
      registers,
    });
    sizes.zero(labels);
    written.inc(labels, 0);
    read.inc(labels, 0);
    for (const reason of REASONS) errors.inc({ ...labels, reason }, 0);
    this.observer = {
      onWrite: (bytes) => written.inc(labels, bytes),
      onRead: (bytes) => read.inc(labels, bytes),
      onSeal: (bytes) => sizes.observe(labels, bytes),
      onError: (reason) => errors.inc({ ...labels, reason }),
    };
  }

  /** Sets the counters of every write of a device to 0. */
  addDevice(device: string): void {
    for (const write of WRITES) this.#inDoubt.inc({ device, write }, 0);
  }

  /** The store has not answered a write of ownership. */
  inDoubt(device: string, write: OwnershipWrite): void {
    this.#inDoubt.inc({ device, write });
  }

  /** Shows the state of a store at each scrape from now on. */
  watch(probe: () => Promise<ImageUsage>): void {
    this.#probe = probe;
  }

  /** Fills the gauges again. A store that does not answer has no series in this scrape. */
  async refresh(): Promise<void> {
    for (const gauge of Object.values(this.#gauges)) gauge.reset();
    const usage = await this.#probe?.().catch(() => undefined);
    if (usage === undefined) return;
    this.#gauges.images.set(this.#labels, usage.images);
    this.#gauges.bytes.set(this.#labels, usage.bytes);
    if (usage.freeBytes !== undefined) this.#gauges.free.set(this.#labels, usage.freeBytes);
  }
}
