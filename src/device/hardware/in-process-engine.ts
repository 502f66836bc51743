/**
 * The in-process form of an engine: the same fetch-execute loop, stepped by a Clock on the main thread. Bytes
 * move in each step. Its results become visible when the time that the step costs has passed.
 */
import { type Clock, elapsedMs, type Timer } from "../clock.ts";
import { Listeners } from "../listeners.ts";
import type { MovedBytes } from "../resource.ts";
import { type ControlMemory, HALT, PREEMPT, RUN, type Submission } from "./control.ts";
import type { Engine, EnginePosition, Fault } from "./engine.ts";
import { EngineCore, type Request } from "./engine-core.ts";
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
  readonly events = new Listeners();
  readonly #core: EngineCore;
  readonly #port: EnginePort;
  readonly #clock: Clock;
  readonly #rates: Rates;
  #next: Timer | undefined;
  /** When the step in progress ends and its results are published. */
  #busyUntilNs = 0n;

  constructor(options: InProcessEngineOptions) {
    const { control, banks, clock } = options;
    this.name = options.name;
    this.index = options.index;
    this.#core = new EngineCore({
      control,
      block: options.index + 1,
      banks,
      nowNs: () => clock.monotonicNs(),
    });
    this.#port = new EnginePort(control, options.index + 1);
    this.#clock = clock;
    this.#rates = options.rates;
  }

  async powerOn(): Promise<void> {
    await this.#request(RUN);
  }

  async halt(): Promise<void> {
    await this.#request(HALT);
  }

  preempt(): Promise<boolean> {
    return this.#request(PREEMPT);
  }

  portRoom(): number {
    return this.#port.room();
  }

  submit(submission: Submission): void {
    this.#port.submit(submission);
  }

  ringDoorbell(): void {
    this.#port.ring();
    this.#next ??= this.#clock.startTimer(this.#rates.jobLatencyMs, () => this.#run());
  }

  completed(): number {
    return this.#port.completed();
  }

  fault(): Fault {
    return this.#port.fault();
  }

  busyNs(): bigint {
    return this.#port.busyNs(this.#clock);
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

  close(): Promise<void> {
    this.#next?.cancel();
    this.#port.abandon();
    return Promise.resolve();
  }

  /** The step in progress ends first, which takes time. A wait ends at once. */
  #request(what: Request): Promise<boolean> {
    const obeyed = this.#port.request(what);
    this.#next?.cancel();
    const busyMs = Math.max(0, elapsedMs(this.#clock.monotonicNs(), this.#busyUntilNs));
    this.#next = this.#clock.startTimer(busyMs, () => {
      if (what === HALT) this.#core.countMoved();
      else this.#core.publish();
      this.#run();
    });
    return obeyed;
  }

  #run(): void {
    this.#next = undefined;
    const kind = this.#core.step();
    if (kind === "progress") {
      const costMs = (this.#core.stepBytes / this.#rates.blitterBytesPerSecond) * 1000;
      this.#busyUntilNs = this.#clock.monotonicNs() + BigInt(Math.round(costMs * 1e6));
      if (costMs > 0) this.#next = this.#clock.startTimer(costMs, () => this.#end());
      else this.#end();
      return;
    }
    this.#core.publish();
    if (kind === "waiting" && this.#core.wakeAtNs !== undefined) {
      const delayMs = elapsedMs(this.#clock.monotonicNs(), this.#core.wakeAtNs);
      this.#next = this.#clock.startTimer(delayMs, () => this.#run());
    }
    this.#tell();
  }

  /** The time of the step in progress has passed. */
  #end(): void {
    this.#core.publish();
    this.#next = this.#core.hasWork() ? this.#clock.startTimer(0, () => this.#run()) : undefined;
    this.#tell();
  }

  #tell(): void {
    this.#port.settle();
    this.events.tell();
  }
}
