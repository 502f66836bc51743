/** Memory under pressure: what was purged, what was swapped out and in, and what could not be swapped out. */
import { Counter, type OpenMetricsContentType, type Registry } from "prom-client";
import type { DeviceEvent } from "../../device/events.ts";

type EventOf<T extends DeviceEvent["type"]> = Extract<DeviceEvent, { type: T }>;

export class PressureMetrics {
  readonly #purgedBytes;
  readonly #swapOutBytes;
  readonly #swapInBytes;
  readonly #swapFailures;
  readonly #contentLosses;

  constructor(registry: Registry<OpenMetricsContentType>) {
    const counter = (name: string, help: string) =>
      new Counter({ name, help, labelNames: ["device"], registers: [registry] });
    this.#purgedBytes = counter(
      "torpor_purged_bytes_total",
      "Bytes of objects whose content was thrown away to make room.",
    );
    this.#swapOutBytes = counter("torpor_swap_out_bytes_total", "Bytes of objects written out to swap.");
    this.#swapInBytes = counter("torpor_swap_in_bytes_total", "Bytes of objects read back from swap.");
    this.#swapFailures = counter(
      "torpor_swap_failures_total",
      "Times that writing an object out to swap failed; it stayed in memory.",
    );
    this.#contentLosses = counter(
      "torpor_content_losses_total",
      "Objects whose content is lost because it is not what it was; must stay 0.",
    );
  }

  addDevice(device: string): void {
    for (const counter of [
      this.#purgedBytes,
      this.#swapOutBytes,
      this.#swapInBytes,
      this.#swapFailures,
      this.#contentLosses,
    ]) {
      counter.inc({ device }, 0);
    }
  }

  purged(device: string, { bytes }: EventOf<"purged">): void {
    this.#purgedBytes.inc({ device }, bytes);
  }

  swappedOut(device: string, { bytes }: EventOf<"swappedOut">): void {
    this.#swapOutBytes.inc({ device }, bytes);
  }

  swappedIn(device: string, { bytes }: EventOf<"swappedIn">): void {
    this.#swapInBytes.inc({ device }, bytes);
  }

  contentLost(device: string): void {
    this.#contentLosses.inc({ device });
  }

  swapFailed(device: string): void {
    this.#swapFailures.inc({ device });
  }
}
