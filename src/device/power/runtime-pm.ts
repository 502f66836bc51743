/**
 * Runtime PM: a device that nobody uses suspends itself after a while, and wakes when somebody needs it
 * (drm/xe xe_pm.c). D3hot stops the engines and keeps local memory; D3cold, entered when little of it is
 * used, runs the whole backup. powerState stays ACTIVE throughout, so a caller that waits for a wake-up only
 * sees a slower call.
 */
import { type Clock, elapsedMs, type Timer } from "../clock.ts";
import type { UpdateRuntimePm } from "../command.ts";
import type { DeviceError } from "../errors.ts";
import { AUTOSUSPEND_DELAY_DEFAULT_MS, D3COLD_THRESHOLD_DEFAULT_BYTES, MIB } from "../limits.ts";
import type { Memory } from "../memory/memory.ts";
import { roundUp } from "../memory/region.ts";
import type { RuntimePmResource } from "../resource.ts";
import type { Gt } from "../submission/gt.ts";
import type { CommandGate } from "./command-gate.ts";
import type { ResumeOutcome } from "./outcome.ts";
import { checkSettings, localBytes, type RuntimePmSettings } from "./runtime-pm-settings.ts";

/** How a device sleeps on its own. */
export interface RuntimeSleep {
  readonly dState: "D3HOT" | "D3COLD";
  readonly verify: boolean;
}

export interface RuntimePmOptions {
  readonly settings: RuntimePmSettings | undefined;
  readonly memory: Memory;
  readonly gt: Gt;
  readonly gate: CommandGate;
  readonly clock: Clock;
  /** Whether the state of the device lets it suspend itself now. */
  readonly maySuspend: () => boolean;
  /** Runs the transition and returns whether the device is suspended after it. Never rejects. */
  readonly suspend: (how: RuntimeSleep) => Promise<boolean>;
  /** Asks a running suspend to stop. */
  readonly cancelSuspend: () => void;
  /** Resolves when no reset is in progress. */
  readonly resetEnded: () => Promise<void>;
  /** Runs the transition back to D0. Never rejects. */
  readonly resume: () => Promise<Pick<ResumeOutcome, "failure" | "powerOn">>;
}

export class RuntimePm {
  readonly #options: RuntimePmOptions;
  #settings: Required<RuntimePmSettings>;
  #status: RuntimePmResource["status"] = "ACTIVE";
  #timer: Timer | undefined;
  #lastUseNs: bigint;
  #suspendedSinceNs = 0n;
  #suspendedNs = 0n;
  #suspends = 0;
  #wakeError: DeviceError | undefined;
  #suspending: Promise<void> | undefined;
  #waking: Promise<DeviceError | undefined> | undefined;
  #closed = false;

  /** @throws DeviceError INVALID_REQUEST for invalid settings. */
  constructor(options: RuntimePmOptions) {
    this.#options = options;
    this.#lastUseNs = options.clock.monotonicNs();
    const total = localBytes(options.memory);
    this.#settings = {
      enabled: false,
      autosuspendDelayMs: AUTOSUSPEND_DELAY_DEFAULT_MS,
      d3coldThresholdBytes: Math.min(D3COLD_THRESHOLD_DEFAULT_BYTES, total),
      verify: false,
      ...options.settings,
    };
    checkSettings(this.#settings, total);
    options.gate.idle.on(() => this.noteIdle());
  }

  get status(): RuntimePmResource["status"] {
    return this.#status;
  }

  /** Why the last attempt to wake the device failed, until one succeeds. */
  get wakeError(): DeviceError | undefined {
    return this.#wakeError;
  }

  describe(): RuntimePmResource {
    const { gate, gt, clock } = this.#options;
    const suspended = this.#status === "SUSPENDED" || this.#status === "RESUMING";
    return {
      ...this.#settings,
      status: this.#status === "SUSPENDED" && this.#wakeError !== undefined ? "ERROR" : this.#status,
      usageCount: gate.inside + (gt.idle ? 0 : 1),
      suspendedNs: this.#suspendedNs + (suspended ? clock.monotonicNs() - this.#suspendedSinceNs : 0n),
      suspends: this.#suspends,
    };
  }

  get settings(): Required<RuntimePmSettings> {
    return this.#settings;
  }

  /**
   * Changes the given settings. Wakes a device that may no longer sleep.
   * @throws DeviceError INVALID_REQUEST.
   */
  async update(command: UpdateRuntimePm): Promise<RuntimePmResource> {
    const { enabled, autosuspendDelayMs, d3coldThresholdBytes, verify } = command;
    const settings = {
      enabled: enabled ?? this.#settings.enabled,
      autosuspendDelayMs: autosuspendDelayMs ?? this.#settings.autosuspendDelayMs,
      d3coldThresholdBytes: d3coldThresholdBytes ?? this.#settings.d3coldThresholdBytes,
      verify: verify ?? this.#settings.verify,
    };
    checkSettings(settings, localBytes(this.#options.memory));
    this.#settings = settings;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (settings.enabled) this.noteIdle();
    else await this.wake();
    return this.describe();
  }

  /** The device may have become idle. It suspends itself unless somebody uses it before the delay ends. */
  noteIdle(): void {
    if (!this.#settings.enabled || this.#status !== "ACTIVE" || this.#closed) return;
    this.#lastUseNs = this.#options.clock.monotonicNs();
    this.#startTimer(this.#settings.autosuspendDelayMs);
  }

  /** Resolves when the device is in D0, or could not be brought there. Returns why the attempt failed. */
  wake(): Promise<DeviceError | undefined> {
    if (this.#status === "ACTIVE") return Promise.resolve(undefined);
    this.#waking ??= this.#wake().finally(() => {
      this.#waking = undefined;
    });
    return this.#waking;
  }

  /** A reset has brought the device to D0. */
  noteReset(): void {
    this.#leaveSuspended();
    this.#status = "ACTIVE";
    this.#wakeError = undefined;
  }

  /** Never suspends again. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #startTimer(delayMs: number): void {
    this.#timer ??= this.#options.clock.startTimer(delayMs, () => {
      this.#timer = undefined;
      this.#expired();
    });
  }

  /** Called when the delay has passed since the timer began, which may be before the last use. */
  #expired(): void {
    const { gate, gt, clock, maySuspend } = this.#options;
    if (!this.#settings.enabled || this.#status !== "ACTIVE" || this.#closed || !maySuspend()) return;
    // Commands inside tell when they leave, and so does work when it ends.
    if (gate.inside > 0) return;
    if (!gt.idle) {
      gt.scheduler.whenIdle(() => this.noteIdle());
      return;
    }
    const leftMs = this.#settings.autosuspendDelayMs - elapsedMs(this.#lastUseNs, clock.monotonicNs());
    if (leftMs > 0) {
      this.#startTimer(leftMs);
      return;
    }
    this.#suspending = this.#suspend().finally(() => {
      this.#suspending = undefined;
    });
  }

  async #suspend(): Promise<void> {
    this.#status = "SUSPENDING";
    const isSuspended = await this.#options.suspend({
      dState: this.#target(),
      verify: this.#settings.verify,
    });
    if (!isSuspended) {
      this.#status = "ACTIVE";
      return;
    }
    this.#status = "SUSPENDED";
    this.#suspends++;
    this.#suspendedSinceNs = this.#options.clock.monotonicNs();
  }

  async #wake(): Promise<DeviceError | undefined> {
    if (this.#suspending !== undefined) {
      this.#options.cancelSuspend();
      await this.#suspending;
    }
    // Another caller may have waited for the same suspend and woken the device already.
    await this.#options.resetEnded();
    if (this.#status !== "SUSPENDED") return undefined;
    this.#status = "RESUMING";
    const { failure, powerOn } = await this.#options.resume();
    if (failure !== undefined && !powerOn) {
      this.#wakeError = failure;
      this.#status = "SUSPENDED";
      return failure;
    }
    this.noteReset();
    // The caller that woke it may not use it, and then nothing else starts the delay.
    this.noteIdle();
    return failure;
  }

  #leaveSuspended(): void {
    if (this.#status !== "SUSPENDED" && this.#status !== "RESUMING") return;
    this.#suspendedNs += this.#options.clock.monotonicNs() - this.#suspendedSinceNs;
  }

  /** xe_pm_d3cold_allowed_toggle: each region counts in whole MiB. */
  #target(): "D3HOT" | "D3COLD" {
    const used = this.#options.memory.localRegions.reduce(
      (sum, region) => sum + roundUp(region.sizeBytes - region.freeBytes, MIB),
      0,
    );
    return used < this.#settings.d3coldThresholdBytes ? "D3COLD" : "D3HOT";
  }
}
