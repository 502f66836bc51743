/**
 * The GT: engines, microcontroller and migrate contexts as one thing that starts, idles, stops and can be wedged
 * (drm/i915 intel_gt_pm.c, intel_reset.c).
 */
import { type Clock, settledWithin } from "../clock.ts";
import { DeviceError } from "../errors.ts";
import type { EventSink } from "../events.ts";
import type { Engine } from "../hardware/engine.ts";
import { Microcontroller } from "../hardware/microcontroller.ts";
import { MIGRATE_RING_BYTES } from "../limits.ts";
import type { Memory } from "../memory/memory.ts";
import { Blitter } from "./blitter.ts";
import { createKernelObjects } from "./kernel-objects.ts";
import { MigrateContext } from "./migrate-context.ts";

export interface GtOptions {
  readonly memory: Memory;
  readonly engines: readonly Engine[];
  readonly clock: Clock;
  readonly emit: EventSink;
}

export class Gt {
  readonly engines: readonly Engine[];
  /** Whether hardware submission has been given up until the next resume. */
  wedged = false;
  readonly #options: GtOptions;
  readonly #memory: Memory;
  readonly #microcontroller: Microcontroller;
  readonly #contexts: readonly MigrateContext[];
  readonly #blitter: Blitter;
  #wedging: Promise<void> | undefined;

  /** Places the device's own objects and makes the migrate contexts; nothing runs before `start`. */
  constructor(options: GtOptions) {
    this.#options = options;
    this.#memory = options.memory;
    this.engines = options.engines;
    const copyEngines = options.engines.filter((engine) => engine.name.startsWith("bcs"));
    const kernel = createKernelObjects(
      options.memory,
      copyEngines.map((engine) => engine.name),
    );
    const microcode = options.memory.microcodes.within(kernel.bank.index);
    const { words } = kernel.bank;
    this.#microcontroller = new Microcontroller({
      words,
      offsetBytes: kernel.firmwareOffsetBytes,
      microcode,
    });
    this.#contexts = copyEngines.map(
      (engine, at) =>
        new MigrateContext({
          contextId: at + 1,
          engine,
          microcontroller: this.#microcontroller,
          clock: options.clock,
          bank: kernel.bank.index,
          words,
          microcode,
          ...kernel.migrate[at],
          ringBytes: MIGRATE_RING_BYTES,
          pageTableOffsetBytes: kernel.pageTableOffsetBytes,
          onTimeout: () => void this.setWedged(`a copy on engine ${engine.name} did not end in time`),
        }),
    );
    this.#blitter = new Blitter(this.#contexts);
    for (const engine of options.engines) engine.onEvent = () => this.#onEvent(engine);
  }

  /** Loads the firmware from LMEM. @throws DeviceError FIRMWARE_LOAD_FAILED; the GT is wedged then. */
  async startFirmware(): Promise<void> {
    const defect = this.#microcontroller.load();
    if (defect === undefined) return;
    await this.setWedged("the firmware did not load");
    throw new DeviceError("FIRMWARE_LOAD_FAILED", `The firmware image could not be loaded: ${defect}.`);
  }

  /**
   * Powers the engines, makes the kernel's contexts anew (sanitize), clears `wedged` and hands the blitter to memory.
   * @throws DeviceError ENGINE_HUNG when an engine does not start; the GT is wedged then.
   */
  async startEngines(): Promise<void> {
    await this.haltEngines();
    try {
      await Promise.all(this.engines.map((engine) => engine.powerOn()));
    } catch (error) {
      await this.setWedged("an engine did not start");
      throw error;
    }
    for (const context of this.#contexts) context.reset();
    if (this.wedged) this.#options.emit({ type: "wedged", wedged: false, why: "the GT was started" });
    this.wedged = false;
    this.giveBlitter();
  }

  /** Hands the blitter to memory, unless the GT is wedged or has no copy engine. */
  giveBlitter(): void {
    if (!this.wedged && this.#contexts.length > 0) this.#memory.blitter = this.#blitter;
  }

  /** Takes the blitter back: whoever copies from now on uses the CPU. Legal when the GT is idle or wedged. */
  withdrawBlitter(): void {
    this.#memory.blitter = undefined;
  }

  /** Whether everything in flight ended within `timeoutMs`. */
  async waitForIdle(timeoutMs: number): Promise<boolean> {
    const idle = Promise.all(
      this.#contexts.map((context) => new Promise<void>((resolve) => context.whenIdle(resolve))),
    );
    return settledWithin(this.#options.clock, idle, timeoutMs);
  }

  stopFirmware(): void {
    this.#microcontroller.stop();
  }

  /** Stops every engine; resolves when all have acknowledged, and fails what they had not finished. */
  async haltEngines(): Promise<void> {
    await Promise.all(this.engines.map((engine) => engine.halt()));
    for (const context of this.#contexts) context.failAll(engineHung("the engines were halted"));
  }

  /** Gives up hardware submission: engines stop, what is in flight fails, copies are done by CPU. Idempotent. */
  setWedged(why: string): Promise<void> {
    this.#wedging ??= this.#wedge(why).finally(() => {
      this.#wedging = undefined;
    });
    return this.#wedging;
  }

  async close(): Promise<void> {
    await Promise.all(this.engines.map((engine) => engine.close()));
  }

  async #wedge(why: string): Promise<void> {
    if (this.wedged) return;
    this.wedged = true;
    this.withdrawBlitter();
    this.#options.emit({ type: "wedged", wedged: true, why });
    await Promise.all(this.engines.map((engine) => engine.halt()));
    for (const context of this.#contexts) context.failAll(engineHung(why));
  }

  #onEvent(engine: Engine): void {
    for (const context of this.#contexts) if (context.engine === engine) context.onEvent();
    const fault = engine.fault();
    if (fault !== "NONE") void this.setWedged(`engine ${engine.name} stopped with ${fault}`);
  }
}

function engineHung(why: string): DeviceError {
  return new DeviceError("ENGINE_HUNG", `Work on the engines was given up: ${why}.`);
}
