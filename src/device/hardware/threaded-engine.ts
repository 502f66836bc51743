/**
 * The threaded form of an engine: one worker thread that fetches and executes at machine speed. Completions
 * reach the main thread through Atomics.waitAsync on the EVENT register (never with its timeout argument,
 * which leaks).
 */
import { Worker } from "node:worker_threads";
import type { Clock } from "../clock.ts";
import { DeviceError } from "../errors.ts";
import { ENGINE_ACK_TIMEOUT_MS, ENGINE_START_TIMEOUT_MS } from "../limits.ts";
import { Listeners } from "../listeners.ts";
import type { MovedBytes } from "../resource.ts";
import { type ControlMemory, EVENT, HALT, PREEMPT, RUN, type Submission } from "./control.ts";
import type { Engine, EnginePosition, Fault } from "./engine.ts";
import { EnginePort } from "./engine-port.ts";
import type { EngineWorkerData } from "./engine-worker.ts";

export interface ThreadedEngineOptions {
  readonly name: string;
  readonly index: number;
  readonly banks: readonly WebAssembly.Memory[];
  readonly control: ControlMemory;
  readonly clock: Clock;
  /**
   * A module that exports `monotonicNs(): bigint`, from which the thread gets the same time as the clock's.
   */
  readonly clockModule: URL;
  /** Bytes per second that it may move; undefined for no limit. */
  readonly bytesPerSecondMax: number | undefined;
}

export class ThreadedEngine implements Engine {
  readonly name: string;
  readonly index: number;
  readonly events = new Listeners();
  readonly #options: ThreadedEngineOptions;
  readonly #port: EnginePort;
  readonly #words: Int32Array;
  readonly #eventWord: number;
  #worker: Worker | undefined;
  /** While a thread is being terminated. */
  #ending: Promise<void> | undefined;
  #closed = false;

  constructor(options: ThreadedEngineOptions) {
    this.name = options.name;
    this.index = options.index;
    this.#options = options;
    this.#port = new EnginePort(options.control, options.index + 1);
    this.#words = options.control.words;
    this.#eventWord = options.control.register(options.index + 1, EVENT);
    this.#watch();
  }

  async powerOn(): Promise<void> {
    // Two threads must never work on the same registers.
    await this.#ending;
    if (!this.#closed) {
      if (this.#worker === undefined) this.#spawn();
      if (await this.#obeyed(this.#port.request(RUN), ENGINE_START_TIMEOUT_MS)) return;
    }
    throw new DeviceError(
      "ENGINE_HUNG",
      `Engine ${this.name} did not start within ${ENGINE_START_TIMEOUT_MS} ms.`,
      { engine: this.name },
    );
  }

  async halt(): Promise<void> {
    if (this.#worker === undefined) return this.#ending;
    if (await this.#obeyed(this.#port.request(HALT), ENGINE_ACK_TIMEOUT_MS)) return;
    await this.#terminate();
  }

  preempt(): Promise<boolean> {
    return this.#worker === undefined ? Promise.resolve(false) : this.#port.request(PREEMPT);
  }

  portRoom(): number {
    return this.#port.room();
  }

  submit(submission: Submission): void {
    this.#port.submit(submission);
  }

  ringDoorbell(): void {
    this.#port.ring();
  }

  completed(): number {
    return this.#port.completed();
  }

  fault(): Fault {
    return this.#port.fault();
  }

  busyNs(): bigint {
    return this.#port.busyNs(this.#options.clock);
  }

  busy(): boolean {
    return this.#port.busy();
  }

  movedBytes(): MovedBytes {
    return this.#port.movedBytes();
  }

  position(): EnginePosition {
    return this.#port.position();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#terminate();
    Atomics.add(this.#words, this.#eventWord, 1);
    Atomics.notify(this.#words, this.#eventWord);
  }

  #spawn(): void {
    this.#port.forget();
    // The extension of this file tells whether we run from source or from dist, because tsc does not rewrite
    // URLs.
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const workerData: EngineWorkerData = {
      banks: this.#options.banks,
      control: this.#options.control.memory,
      block: this.index + 1,
      clockModule: this.#options.clockModule.href,
      bytesPerSecondMax: this.#options.bytesPerSecondMax ?? 0,
    };
    const worker = new Worker(new URL(`./engine-worker.${extension}`, import.meta.url), {
      name: this.name,
      workerData,
    });
    worker.on("error", () => this.#died(worker));
    worker.on("exit", () => this.#died(worker));
    this.#worker = worker;
  }

  /** A thread that ends by itself is a fault of the engine, and everybody who waits for it gets an error. */
  #died(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#port.endBusy(this.#options.clock);
    this.#port.setFault("THREAD_DIED");
    this.#port.abandon();
    this.events.tell();
  }

  /** Resolves when the thread no longer exists. */
  async #terminate(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker !== undefined) {
      this.#ending = worker.terminate().then(() => {
        this.#ending = undefined;
        this.#port.endBusy(this.#options.clock);
        this.#port.abandon();
      });
    }
    await this.#ending;
  }

  /** Whether the engine followed a request in time. */
  #obeyed(request: Promise<boolean>, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.startTimer(timeoutMs, () => resolve(false));
      void request.then((obeyed) => {
        timer.cancel();
        resolve(obeyed);
      });
    });
  }

  #watch(): void {
    for (;;) {
      if (this.#closed) return;
      const seen = Atomics.load(this.#words, this.#eventWord);
      this.#deliver();
      const wait = Atomics.waitAsync(this.#words, this.#eventWord, seen);
      if (!wait.async) continue;
      void wait.value.then(() => this.#watch());
      return;
    }
  }

  #deliver(): void {
    this.#port.settle();
    this.events.tell();
  }
}
