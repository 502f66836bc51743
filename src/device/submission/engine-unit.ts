/**
 * One engine with everything that belongs to it: its queue, its kernel context with the heartbeat, its
 * migrate context if it copies, and its counters.
 */
import { type Clock, elapsedMs, type Timer } from "../clock.ts";
import { CONTEXT_TRANSLATED } from "../hardware/context-image.ts";
import type { Engine } from "../hardware/engine.ts";
import { EngineQueue, PRIORITY_KERNEL } from "../hardware/engine-queue.ts";
import type { Microcontroller } from "../hardware/microcontroller.ts";
import { COPY_TIMEOUT_MS, KERNEL_RING_BYTES, MIGRATE_RING_BYTES } from "../limits.ts";
import type { EngineKind, EngineResource, EngineState, HangCapture } from "../resource.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { EngineContexts } from "./kernel-objects.ts";
import { RingContext } from "./ring-context.ts";

export interface EngineUnitOptions {
  readonly engine: Engine;
  readonly microcontroller: Microcontroller;
  readonly clock: Clock;
  readonly places: EngineContexts;
  readonly pageTable: { readonly bank: number; readonly offsetBytes: number };
  /** The engine must be reset. */
  readonly onHung: (why: string) => void;
  /** A copy took too long, so the blitter cannot be trusted. */
  readonly onCopyTimeout: () => void;
}

/** Context ids of the device's own contexts; clients' ids follow. */
const KERNEL_CONTEXT_ID = 0;
const CONTEXTS_PER_ENGINE = 2;
export const FIRST_CLIENT_CONTEXT_ID = 1024;

const KINDS: Readonly<Record<string, EngineKind>> = {
  rcs: "RENDER",
  ccs: "COMPUTE",
  bcs: "COPY",
  vcs: "VIDEO",
};

export class EngineUnit {
  readonly engine: Engine;
  readonly queue: EngineQueue;
  readonly kernel: RingContext;
  readonly migrate: RingContext | undefined;
  readonly heartbeat: Heartbeat;
  resets = 0;
  lastHang: HangCapture | undefined;
  submittedJobs = 0;
  completedJobs = 0;
  failedJobs = 0;
  readonly #options: EngineUnitOptions;
  #watchdog: Timer | undefined;
  #watchedSinceNs = 0n;

  constructor(options: EngineUnitOptions) {
    const { engine, microcontroller, clock, pageTable } = options;
    this.#options = options;
    this.engine = engine;
    this.queue = new EngineQueue({
      engine,
      clock,
      onStuck: () => options.onHung("its context did not let go of it"),
    });
    const common = { queue: this.queue, microcontroller, pageTable };
    const baseId = KERNEL_CONTEXT_ID + engine.index * CONTEXTS_PER_ENGINE;
    this.kernel = new RingContext({
      ...common,
      contextId: baseId,
      priority: 0,
      ringBytes: KERNEL_RING_BYTES,
      flags: 0,
    });
    this.heartbeat = new Heartbeat({
      context: this.kernel,
      clock,
      onHung: () => options.onHung("it did not come to its heartbeat"),
    });
    if (options.places.migrate === undefined) return;
    this.migrate = new RingContext({
      ...common,
      contextId: baseId + 1,
      priority: PRIORITY_KERNEL,
      ringBytes: MIGRATE_RING_BYTES,
      flags: CONTEXT_TRANSLATED,
    });
    this.migrate.progress.on(() => this.#watchCopies());
  }

  /** The device's own contexts on this engine. */
  get ownContexts(): readonly RingContext[] {
    return this.migrate === undefined ? [this.kernel] : [this.kernel, this.migrate];
  }

  /** Makes its own contexts anew (intel_engine_reset_pinned_contexts). Legal when they are idle. */
  sanitize(): void {
    this.kernel.placeFresh(this.#options.places.kernel);
    if (this.#options.places.migrate !== undefined) this.migrate?.placeFresh(this.#options.places.migrate);
  }

  describe(powered: boolean): EngineResource {
    return {
      name: this.engine.name,
      kind: KINDS[this.engine.name.slice(0, 3)],
      state: this.#state(powered),
      busyNs: this.engine.busyNs(),
      queueDepth: this.queue.depth,
      resets: this.resets,
      submittedJobs: this.submittedJobs,
      completedJobs: this.completedJobs,
      failedJobs: this.failedJobs,
      lastHang: this.lastHang,
    };
  }

  #state(powered: boolean): EngineState {
    if (!powered) return "HALTED";
    if (this.engine.fault() !== "NONE") return "FAULTED";
    return this.queue.depth > 0 ? "RUNNING" : "IDLE";
  }

  /**
   * Copies are work, so the heartbeat runs and finds hangs. It cannot see that copies make no more progress.
   */
  #watchCopies(): void {
    const { clock } = this.#options;
    this.#watchedSinceNs = clock.monotonicNs();
    if (this.migrate?.idle === true) {
      this.#watchdog?.cancel();
      this.#watchdog = undefined;
      return;
    }
    this.heartbeat.wake();
    // One timer while copies are in flight. Each progress postpones its end.
    this.#watchdog ??= clock.startTimer(COPY_TIMEOUT_MS, () => this.#checkCopies());
  }

  #checkCopies(): void {
    const { clock, onCopyTimeout } = this.#options;
    this.#watchdog = undefined;
    const quietMs = elapsedMs(this.#watchedSinceNs, clock.monotonicNs());
    if (quietMs >= COPY_TIMEOUT_MS) onCopyTimeout();
    else this.#watchdog = clock.startTimer(COPY_TIMEOUT_MS - quietMs, () => this.#checkCopies());
  }
}
