/**
 * The in-process form of an engine: the same fetch-execute loop, stepped by a Clock on the main thread. Bytes move in
 * each step; what the step finished becomes visible when the time that it costs has passed.
 */
import { type Clock, elapsedMs, type Timer } from "../clock.ts";
import { type ControlMemory, HALT, RUN, type Submission } from "./control.ts";
import type { Engine, Fault } from "./engine.ts";
import { EngineCore } from "./engine-core.ts";
import { EnginePort } from "./engine-port.ts";
import type { Rates } from "./rates.ts";

export interface InProcessEngineOptions {
  readonly name: string;
  readonly index: number;
  readonly banks: readonly WebAssembly.Memory[];
  readonly control: ControlMemory;
  readonly clock: Clock;
  readonly rates: Rates;
}

export class InProcessEngine implements Engine {
  readonly name: string;
  readonly index: number;
  onEvent: () => void = () => {};
  readonly #core: EngineCore;
  readonly #port: EnginePort;
  readonly #clock: Clock;
  readonly #rates: Rates;
  #next: Timer | undefined;
  #busyUntilNs = 0n;

  constructor(options: InProcessEngineOptions) {
    this.name = options.name;
    this.index = options.index;
    this.#core = new EngineCore(options.control, options.index + 1, options.banks);
    this.#port = new EnginePort(options.control, options.index + 1);
    this.#clock = options.clock;
    this.#rates = options.rates;
  }

  powerOn(): Promise<void> {
    return this.#request(RUN);
  }

  halt(): Promise<void> {
    return this.#request(HALT);
  }

  portRoom(): number {
    return this.#port.room();
  }

  submit(submission: Submission): void {
    this.#port.submit(submission);
  }

  ringDoorbell(): void {
    this.#port.ring();
    this.#schedule(this.#rates.jobLatencyMs);
  }

  completed(): number {
    return this.#port.completed();
  }

  fault(): Fault {
    return this.#port.fault();
  }

  close(): Promise<void> {
    this.#next?.cancel();
    return Promise.resolve();
  }

  /** An in-process engine obeys as soon as the step in progress has ended, which costs its time. */
  async #request(what: typeof RUN | typeof HALT): Promise<void> {
    this.#port.request(what);
    this.#next?.cancel();
    this.#next = undefined;
    const busyMs = elapsedMs(this.#clock.monotonicNs(), this.#busyUntilNs);
    if (busyMs > 0) await new Promise<void>((resolve) => this.#clock.startTimer(busyMs, resolve));
    this.#core.step();
    this.#core.publish();
  }

  #schedule(delayMs: number): void {
    this.#next ??= this.#clock.startTimer(delayMs, () => this.#run());
  }

  #run(): void {
    this.#next = undefined;
    const kind = this.#core.step();
    if (kind !== "progress") return;
    const costMs = (this.#core.stepBytes / this.#rates.blitterBytesPerSecond) * 1000;
    this.#busyUntilNs = this.#clock.monotonicNs() + BigInt(Math.round(costMs * 1e6));
    this.#next = this.#clock.startTimer(costMs, () => {
      this.#next = undefined;
      const before = this.#port.completed();
      this.#core.publish();
      this.#schedule(0);
      if (this.#port.completed() !== before || this.#port.fault() !== "NONE") this.onEvent();
    });
  }
}
