/**
 * The migrate context of one copy engine: a kernel-owned, pinned context whose ring carries copies and clears
 * (drm/i915 intel_migrate.c). Work waits here until the ring and the port have room; nothing else ever waits in the
 * ring, so no copy is behind a request that does not use its object.
 */
import assert from "node:assert/strict";
import type { Clock, Timer } from "../clock.ts";
import type { DeviceError } from "../errors.ts";
import { Fence } from "../fence.ts";
import { CONTEXT_TRANSLATED, saveContext } from "../hardware/context-image.ts";
import type { Engine } from "../hardware/engine.ts";
import type { Microcode } from "../hardware/microcode.ts";
import type { Microcontroller } from "../hardware/microcontroller.ts";
import { COMMAND_BYTES, RingWriter } from "../hardware/ring.ts";
import { COPY_TIMEOUT_MS } from "../limits.ts";

/** Emits commands into a ring until it is done or has emitted `commandsMax`. Answers how many it emitted. */
export interface MigrateWork {
  readonly bytes: number;
  emit(ring: RingWriter, commandsMax: number): number;
  /** Whether everything has been emitted. */
  done(): boolean;
}

export interface MigrateContextOptions {
  readonly contextId: number;
  readonly engine: Engine;
  readonly microcontroller: Microcontroller;
  readonly clock: Clock;
  /** The bank that holds image, ring and page table, and microcode that works within it. */
  readonly bank: number;
  readonly words: Uint32Array;
  readonly microcode: Microcode;
  readonly imageOffsetBytes: number;
  readonly ringOffsetBytes: number;
  readonly ringBytes: number;
  readonly pageTableOffsetBytes: number;
  /** Called when a job has not ended within COPY_TIMEOUT_MS. */
  readonly onTimeout: () => void;
}

/** Commands of one job: bounds how much of the ring becomes free at a time. */
const JOB_COMMANDS_MAX = 4096;

interface Job {
  readonly commands: number;
  /** Set on the last job of a piece of work. */
  readonly fence: Fence | undefined;
  readonly bytes: number;
}

interface Waiting {
  readonly work: MigrateWork;
  readonly fence: Fence;
}

export class MigrateContext {
  readonly engine: Engine;
  /** Bytes of work accepted and not finished. */
  pendingBytes = 0;
  readonly #options: MigrateContextOptions;
  readonly #ring: RingWriter;
  readonly #commandsMax: number;
  #waiting: Waiting[] = [];
  #jobs: Job[] = [];
  #commandsInRing = 0;
  #completed = 0;
  #seqno = 0;
  #watchdog: Timer | undefined;
  #idleListeners: (() => void)[] = [];

  constructor(options: MigrateContextOptions) {
    this.#options = options;
    this.engine = options.engine;
    this.#ring = new RingWriter(options.words, options.ringOffsetBytes, options.ringBytes);
    this.#commandsMax = options.ringBytes / COMMAND_BYTES - 1;
  }

  get idle(): boolean {
    return this.#jobs.length === 0 && this.#waiting.length === 0;
  }

  /**
   * Makes image and ring anew and registers the context (intel_engine_reset_pinned_contexts). Both are PM_VOLATILE:
   * after a power loss this is all that brings them back. Legal when idle, with the engine halted or idle.
   */
  reset(): void {
    assert(this.idle, "a context is reset when nothing is in flight");
    const options = this.#options;
    this.#ring.tail = 0;
    this.#completed = 0;
    this.#commandsInRing = 0;
    const state = {
      contextId: options.contextId,
      flags: CONTEXT_TRANSLATED,
      ringBank: options.bank,
      ringOffsetBytes: options.ringOffsetBytes,
      ringBytes: options.ringBytes,
      head: 0,
      pageTableBank: options.bank,
      pageTableOffsetBytes: options.pageTableOffsetBytes,
      registers: new Uint32Array(32),
    };
    saveContext(options.words, options.imageOffsetBytes, state, options.microcode);
    options.microcontroller.register(options.bank, options.imageOffsetBytes);
  }

  /** Accepts work. The fence signals when every byte has arrived, and fails when that can no longer happen. */
  submit(work: MigrateWork): Fence {
    const fence = new Fence();
    this.pendingBytes += work.bytes;
    this.#waiting.push({ work, fence });
    this.#pump();
    return fence;
  }

  /** Takes note of what the engine has finished. */
  onEvent(): void {
    const completed = this.engine.completed();
    const news = completed - this.#completed;
    if (news <= 0) return;
    this.#completed = completed;
    for (const job of this.#jobs.splice(0, news)) {
      this.#commandsInRing -= job.commands;
      this.pendingBytes -= job.bytes;
      job.fence?.signal();
    }
    this.#watch();
    this.#pump();
    this.#tellIdle();
  }

  /** Fails everything in flight. Legal when the engine has acknowledged that it no longer touches memory. */
  failAll(error: DeviceError): void {
    const fences = [...this.#jobs.map((job) => job.fence), ...this.#waiting.map((waiting) => waiting.fence)];
    this.#jobs = [];
    this.#waiting = [];
    this.#commandsInRing = 0;
    this.pendingBytes = 0;
    this.#watch();
    for (const fence of fences) if (fence?.state === "PENDING") fence.fail(error);
    this.#tellIdle();
  }

  /** Calls `listener` once nothing is in flight. */
  whenIdle(listener: () => void): void {
    if (this.idle) listener();
    else this.#idleListeners.push(listener);
  }

  /** Moves waiting work into the ring as far as there is room. */
  #pump(): void {
    for (let head = this.#waiting[0]; head !== undefined; head = this.#waiting[0]) {
      // One command of each job is its breadcrumb.
      const room = Math.min(this.#commandsMax - this.#commandsInRing, JOB_COMMANDS_MAX) - 1;
      if (room < 1 || this.engine.portRoom() === 0) break;
      const commands = head.work.emit(this.#ring, room) + 1;
      this.#ring.breadcrumb(++this.#seqno);
      const last = head.work.done();
      if (last) this.#waiting.shift();
      this.#commandsInRing += commands;
      this.#jobs.push({ commands, fence: last ? head.fence : undefined, bytes: last ? head.work.bytes : 0 });
      this.#options.microcontroller.submit(this.engine, {
        imageBank: this.#options.bank,
        imageOffsetBytes: this.#options.imageOffsetBytes,
        ringTail: this.#ring.tail,
      });
    }
    if (this.#watchdog === undefined) this.#watch();
  }

  /** Starts the watchdog anew after progress; stops it when there is nothing to watch. */
  #watch(): void {
    this.#watchdog?.cancel();
    this.#watchdog = this.idle
      ? undefined
      : this.#options.clock.startTimer(COPY_TIMEOUT_MS, () => this.#options.onTimeout());
  }

  #tellIdle(): void {
    if (!this.idle) return;
    const listeners = this.#idleListeners;
    this.#idleListeners = [];
    for (const listener of listeners) listener();
  }
}
