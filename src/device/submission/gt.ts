/**
 * The GT: starts, idles, resets, stops and wedges its engines, microcontroller and contexts together
 * (drm/i915 intel_gt_pm.c, intel_reset.c).
 */
import { settledWithin } from "../clock.ts";
import type { SubmitWork } from "../command.ts";
import { DeviceError } from "../errors.ts";
import type { Engine } from "../hardware/engine.ts";
import { Link } from "../hardware/link.ts";
import { Microcontroller } from "../hardware/microcontroller.ts";
import { damagePageTable } from "../hardware/page-table.ts";
import { HANGS_BEFORE_BAN } from "../limits.ts";
import type { Memory } from "../memory/memory.ts";
import type { ContextPriority } from "../resource.ts";
import type { DeviceServices } from "../services.ts";
import { Blitter } from "./blitter.ts";
import type { ClientContext } from "./client-context.ts";
import { Contexts } from "./contexts.ts";
import { EngineUnit } from "./engine-unit.ts";
import { deviceWedged, engineHung } from "./gt-errors.ts";
import { createKernelObjects, type KernelObjects, writeKernelObjects } from "./kernel-objects.ts";
import type { Request } from "./request.ts";
import type { RingContext } from "./ring-context.ts";
import { Scheduler } from "./scheduler.ts";

export interface GtOptions {
  readonly memory: Memory;
  readonly engines: readonly Engine[];
  readonly services: DeviceServices;
}

export class Gt {
  readonly units: readonly EngineUnit[];
  readonly contexts: Contexts;
  readonly scheduler: Scheduler;
  /** Whether hardware submission has been given up until the next resume or reset. */
  wedged = false;
  /** Whether the engines take work. */
  powered = false;
  readonly link: Link;
  #booted = false;
  readonly #options: GtOptions;
  readonly #memory: Memory;
  readonly #kernelObjects: KernelObjects;
  readonly #microcontroller: Microcontroller;
  readonly #blitter: Blitter | undefined;
  /** The resets in progress, by engine. Each resolves to why the GT must be wedged, or to undefined. */
  readonly #resets = new Map<EngineUnit, Promise<string | undefined>>();
  #wedging: Promise<void> | undefined;

  /** Places the device's own objects and makes their contexts; nothing runs before `start`. */
  constructor(options: GtOptions) {
    const { memory, engines, services } = options;
    const { clock } = services;
    this.#options = options;
    this.#memory = memory;
    this.link = new Link(services.failpoints);
    const kernel = createKernelObjects(
      memory,
      engines.map((engine) => engine.name),
    );
    this.#kernelObjects = kernel;
    const microcode = memory.microcodes.within(kernel.bank.index);
    this.#microcontroller = new Microcontroller({
      words: kernel.bank.words,
      offsetBytes: kernel.firmwareOffsetBytes,
      microcode,
    });
    const pageTable = { bank: kernel.bank.index, offsetBytes: kernel.pageTableOffsetBytes };
    this.units = engines.map(
      (engine, at): EngineUnit =>
        new EngineUnit({
          engine,
          microcontroller: this.#microcontroller,
          clock,
          places: kernel.contexts[at],
          pageTable,
          onHung: (why) => void this.resetEngine(this.units[at], why),
          onCopyTimeout: () => void this.setWedged(`a copy on engine ${engine.name} did not end in time`),
        }),
    );
    const migrates = this.units.flatMap(({ engine, migrate }) =>
      migrate === undefined ? [] : [{ engine: engine.name, ring: migrate }],
    );
    const { failpoints } = services;
    const { copies } = memory;
    const damage = (): void => damagePageTable(kernel.bank.words, kernel.pageTableOffsetBytes);
    this.#blitter =
      migrates.length > 0
        ? new Blitter({ contexts: migrates, copies, failpoints, damagePageTable: damage })
        : undefined;
    this.contexts = new Contexts({
      memory,
      services,
      units: this.units,
      microcontroller: this.#microcontroller,
      pageTable,
    });
    this.scheduler = new Scheduler({
      memory,
      services,
      refusal: () => (this.wedged ? deviceWedged() : undefined),
      onRetired: (request) => this.#count(request),
    });
    for (const unit of this.units) unit.engine.events.on(() => this.#onEvent(unit));
  }

  /**
   * Loads the firmware from LMEM.
   * @throws DeviceError FIRMWARE_LOAD_FAILED, DEVICE_LOST; the GT is wedged then.
   */
  async startFirmware(): Promise<void> {
    // It forgets every context. No client's is in place now, since all work has ended or was failed, and each
    // registers when its next request begins.
    await this.#requireLink();
    const { failpoints } = this.#options.services;
    const refused = this.#booted && failpoints.fires("firmware.load");
    const defect = refused ? "failpoint firmware.load says so" : this.#microcontroller.load();
    if (defect === undefined) return;
    await this.setWedged("the firmware did not load");
    throw new DeviceError("FIRMWARE_LOAD_FAILED", `The firmware image could not be loaded: ${defect}.`, {});
  }

  /**
   * Powers the engines, makes the kernel's contexts anew (sanitize), clears `wedged` and hands the blitter to
   * memory.
   * @throws DeviceError ENGINE_HUNG if an engine does not start, DEVICE_LOST; the GT is wedged then.
   */
  async startEngines(): Promise<void> {
    await this.haltEngines();
    await this.#requireLink();
    try {
      if (this.#booted) await this.#options.services.failpoints.pass("engine.start");
      await Promise.all(this.units.map((unit) => unit.engine.powerOn()));
    } catch (error) {
      await this.setWedged("an engine did not start");
      throw error;
    }
    for (const unit of this.units) {
      // Work that arrived while the engines started has woken the heartbeat, which must not wait for anything
      // yet.
      unit.heartbeat.park();
      unit.queue.takeAll();
      for (const ring of unit.ownContexts) ring.failAll(engineHung("the engines were started"), true);
      unit.sanitize();
    }
    // Work that arrived while the engines did not run, when nobody could see its doorbell.
    for (const ring of this.#rings()) ring.replay();
    for (const unit of this.units) unit.queue.start();
    this.powered = true;
    if (this.wedged)
      this.#options.services.emit({ type: "wedged", wedged: false, why: "the GT was started" });
    this.wedged = false;
    this.giveBlitter();
  }

  /** From now on the failpoints of firmware and engines take effect. */
  noteBooted(): void {
    this.#booted = true;
  }

  async #requireLink(): Promise<void> {
    try {
      if (this.#booted) this.link.require();
    } catch (error) {
      await this.setWedged("the card has fallen off the bus");
      throw error;
    }
  }

  /** Hands the blitter to memory, unless the GT is wedged or has no copy engine. */
  giveBlitter(): void {
    if (!this.wedged) this.#memory.blitter = this.#blitter;
  }

  /**
   * Takes the blitter away from memory, so that all copies use the CPU. Legal when the GT is idle or wedged.
   */
  withdrawBlitter(): void {
    this.#memory.blitter = undefined;
  }

  /** Whether every request has ended. Each copy belongs to a request, or to a call that waits for it. */
  get idle(): boolean {
    return this.scheduler.idle;
  }

  /** Whether every request ended within `timeoutMs`. */
  async waitForIdle(timeoutMs: number): Promise<boolean> {
    const idle = new Promise<void>((resolve) => this.scheduler.whenIdle(resolve));
    return settledWithin(this.#options.services.clock, idle, timeoutMs);
  }

  stopFirmware(): void {
    this.#microcontroller.stop();
  }

  /** Stops every engine. Resolves when all have acknowledged, and fails unfinished work. */
  async haltEngines(): Promise<void> {
    this.powered = false;
    this.withdrawBlitter();
    await this.#wedging;
    await this.#stopAll();
    this.#failAll(engineHung("the engines were halted"));
  }

  /** Gives up hardware submission: engines stop, all work fails, copies are done by CPU. Idempotent. */
  setWedged(why: string): Promise<void> {
    this.#wedging ??= this.#wedge(why).finally(() => {
      this.#wedging = undefined;
    });
    return this.#wedging;
  }

  /**
   * Stops everything, fails running work, writes firmware and page table anew, starts again, and clears
   * `wedged`. A resume does not write them, because it uses those that the suspend saved.
   */
  async reset(): Promise<void> {
    await this.haltEngines();
    this.scheduler.failWaiting(this.contexts.all(), engineHung("the GT was reset"));
    this.rewriteKernelObjects();
    await this.startFirmware();
    await this.startEngines();
  }

  /** Writes the device's own objects as at boot. Legal when the engines are halted. */
  rewriteKernelObjects(): void {
    writeKernelObjects(this.#memory, this.#kernelObjects);
  }

  /**
   * Resets one engine: the work that it could not end fails, its context is told, and later work runs again.
   * If the engine does not come back, or the work was the kernel's own, the GT is wedged.
   */
  async resetEngine(unit: EngineUnit, why: string, asked = false): Promise<void> {
    if (this.wedged || !this.powered) return;
    const running = this.#resets.get(unit);
    if (running !== undefined) {
      await running;
      return;
    }
    const reset = this.#resetEngine(unit, why, asked).finally(() => this.#resets.delete(unit));
    this.#resets.set(unit, reset);
    const defect = await reset;
    if (defect !== undefined && this.powered) await this.setWedged(defect);
  }

  /** @throws DeviceError ENGINE_NOT_FOUND, DEVICE_WEDGED, LIMIT_EXCEEDED. */
  createContext(engine: string, priority: ContextPriority): ClientContext {
    const unit = this.unit(engine);
    if (this.wedged) throw deviceWedged();
    return this.contexts.create(unit, priority);
  }

  /** Accepts a request, or refuses it as a whole. */
  submit(command: SubmitWork): Request {
    const context = this.contexts.get(command.context);
    const request = this.scheduler.submit(context, command);
    this.unit(context.engine).submittedJobs++;
    return request;
  }

  unit(name: string): EngineUnit {
    const unit = this.units.find((each) => each.engine.name === name);
    if (unit !== undefined) return unit;
    const known = this.units.map((each) => each.engine.name).join(", ");
    throw new DeviceError("ENGINE_NOT_FOUND", `Engine ${name} does not exist; the engines are ${known}.`, {
      engine: name,
    });
  }

  async close(): Promise<void> {
    this.powered = false;
    this.withdrawBlitter();
    for (const unit of this.units) {
      unit.heartbeat.park();
      unit.queue.stop();
    }
    await Promise.all(this.units.map((unit) => unit.engine.close()));
    const closed = engineHung("the device was closed");
    this.#failAll(closed);
    this.scheduler.failWaiting(this.contexts.all(), closed);
  }

  /** Returns why the GT must be wedged; undefined if it need not be. */
  async #resetEngine(unit: EngineUnit, why: string, asked: boolean): Promise<string | undefined> {
    const { engine, queue } = unit;
    unit.heartbeat.park();
    const { ringHead } = engine.position();
    queue.stop();
    await engine.halt();
    // Somebody is stopping all engines, and will fail this engine's work.
    if (!this.powered) return undefined;
    const { running, all } = queue.takeAll();
    const client = running === undefined ? undefined : this.contexts.byContextId(running.contextId);
    unit.resets++;
    unit.lastHang = {
      timeNs: this.#options.services.clock.wallNs(),
      why,
      context: client?.id ?? "",
      fence: client?.inFlight[0]?.id ?? "",
      ringHead,
    };
    this.#options.services.emit({ type: "engineReset", engine: engine.name, why, context: client?.id ?? "" });
    const ownWork = running !== undefined && client === undefined;
    if (ownWork && !asked) {
      return `engine ${engine.name} was reset (${why}) under the kernel's own work`;
    }
    try {
      this.link.require();
      await this.#options.services.failpoints.pass("engine.start");
      await engine.powerOn();
    } catch {
      return `engine ${engine.name} did not come back from a reset`;
    }
    if (!this.powered) return undefined;
    // A client asked for it in the middle of a copy, and the engine is fine. The copy continues on the CPU.
    if (ownWork) {
      for (const ring of unit.ownContexts)
        ring.failAll(engineHung(`engine ${engine.name} was reset because ${why}`), true);
    }
    if (client !== undefined) this.#blame(client, why);
    // Rings that continued meanwhile have queued later work. Submit it again, behind the earlier work.
    const again = new Set([...all, ...queue.takeAll().all].map((work) => work.contextId));
    for (const ring of this.#rings()) if (again.has(ring.contextId)) ring.replay();
    queue.start();
    return undefined;
  }

  /** The guilty request fails. A context that keeps hanging is banned, and its waiting requests fail too. */
  #blame(context: ClientContext, why: string): void {
    context.hangs++;
    if (context.hangs >= HANGS_BEFORE_BAN) context.banned = true;
    this.#options.services.emit({ type: "contextChanged", context: context.id });
    context.ring.skipGuilty(engineHung(`engine ${context.engine} was reset because ${why}`));
    if (!context.banned) return;
    const banned = new DeviceError(
      "CONTEXT_BANNED",
      `Context ${context.id} was banned after ${context.hangs} hangs.`,
      {
        context: context.id,
      },
    );
    context.ring.failAll(banned, true);
    this.scheduler.failWaiting([context], banned);
  }

  async #wedge(why: string): Promise<void> {
    if (this.wedged) return;
    this.wedged = true;
    this.powered = false;
    this.withdrawBlitter();
    this.#options.services.emit({ type: "wedged", wedged: true, why });
    await this.#stopAll();
    this.#failAll(engineHung(why));
    this.scheduler.failWaiting(this.contexts.all(), deviceWedged());
    // Objects that were moving for failed work have arrived, or stay where they are, before the caller
    // continues.
    await new Promise<void>((resolve) => this.scheduler.whenIdle(resolve));
  }

  /** Halts every engine, after resets in progress. */
  async #stopAll(): Promise<void> {
    await Promise.all(this.#resets.values());
    for (const unit of this.units) {
      unit.heartbeat.park();
      unit.queue.stop();
    }
    await Promise.all(this.units.map((unit) => unit.engine.halt()));
  }

  #failAll(error: DeviceError): void {
    const running = new Set(this.units.map((unit) => unit.queue.takeAll().running?.contextId));
    for (const ring of this.#rings()) ring.failAll(error, running.has(ring.contextId));
  }

  #rings(): RingContext[] {
    return [
      ...this.units.flatMap((unit) => unit.ownContexts),
      ...this.contexts.all().map((context) => context.ring),
    ];
  }

  #count({ engine, fence, waitNs }: Request): void {
    const unit = this.unit(engine);
    const completed = fence.state === "SIGNALED";
    if (completed) unit.completedJobs++;
    else unit.failedJobs++;
    this.#options.services.emit({ type: "jobEnded", engine, completed, waitNs });
  }

  #onEvent(unit: EngineUnit): void {
    unit.queue.onEvent();
    const fault = unit.engine.fault();
    if (fault !== "NONE") void this.resetEngine(unit, `it stopped with ${fault}`);
    else if (unit.queue.depth > 0) unit.heartbeat.wake();
  }
}
