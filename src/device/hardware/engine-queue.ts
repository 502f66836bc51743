/**
 * The waiting work of one engine by priority, and the work in its port. Work of higher priority never waits
 * for lower work to end: the engine is preempted, and unfinished work returns to the queue.
 */
import type { Clock } from "../clock.ts";
import { PREEMPT_TIMEOUT_MS } from "../limits.ts";
import type { Submission } from "./control.ts";
import type { Engine } from "./engine.ts";

/** A submission with its priority and completion callback. */
export interface Work extends Submission {
  /** Higher priorities go first, equal ones in the order of arrival. Only `raise` changes it. */
  priority: number;
  readonly contextId: number;
  onCompleted(): void;
}

/** Client submissions in the port at once: enough to hide the latency, few to bring back. */
const PORT_DEPTH = 4;
/** From this priority on, work may fill the whole port: the kernel's own copies. */
export const PRIORITY_KERNEL = 1000;

export interface EngineQueueOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  /** The engine did not release its context within PREEMPT_TIMEOUT_MS. */
  readonly onStuck: () => void;
}

export class EngineQueue {
  readonly #options: EngineQueueOptions;
  /** Highest priority first. */
  #queued: Work[] = [];
  #inPort: Work[] = [];
  #completed = 0;
  #preempting = false;
  /** False while the engine does not run. New work waits. */
  #open = false;
  /**
   * Increases with each start and stop, so that code that awaited the engine sees whether it still owns it.
   */
  #turn = 0;

  constructor(options: EngineQueueOptions) {
    this.#options = options;
  }

  get depth(): number {
    return this.#queued.length + this.#inPort.length;
  }

  /** The current work of the engine. */
  get head(): Work | undefined {
    return this.#inPort[0];
  }

  submit(work: Work): void {
    this.#insert(work);
    this.#pump();
  }

  /** The engine runs with an empty port. */
  start(): void {
    this.#turn++;
    this.#open = true;
    this.#preempting = false;
    this.#completed = 0;
    this.#pump();
  }

  /** The engine is about to be halted: it gets no more work, and no preemption starts it again. */
  stop(): void {
    this.#turn++;
    this.#open = false;
  }

  /** The engine has been halted. Returns its unfinished work, and which of that was current. */
  takeAll(): { readonly running: Work | undefined; readonly all: readonly Work[] } {
    this.stop();
    this.#collect();
    const running = this.#inPort[0];
    const all = [...this.#inPort, ...this.#queued];
    this.#inPort = [];
    this.#queued = [];
    return { running, all };
  }

  /** Records what the engine has finished. */
  onEvent(): void {
    if (!this.#open) return;
    this.#collect();
    this.#pump();
  }

  #collect(): void {
    const completed = this.#options.engine.completed();
    const news = (completed - this.#completed) | 0;
    if (news <= 0) return;
    this.#completed = completed;
    for (const work of this.#inPort.splice(0, news)) work.onCompleted();
  }

  #pump(): void {
    const { engine } = this.#options;
    if (!this.#open || this.#preempting) return;
    let moved = false;
    for (let next = this.#queued[0]; next !== undefined; next = this.#queued[0]) {
      const depth = next.priority >= PRIORITY_KERNEL ? Number.POSITIVE_INFINITY : PORT_DEPTH;
      if (this.#inPort.length >= depth || engine.portRoom() === 0) break;
      const running = this.#inPort[0];
      if (running !== undefined && running.priority < next.priority) break;
      this.#queued.shift();
      this.#inPort.push(next);
      engine.submit(next);
      moved = true;
    }
    if (moved) engine.ringDoorbell();
    const [running, ...behind] = this.#inPort;
    if (running === undefined) return;
    const waiting = [...behind, ...this.#queued.slice(0, 1)];
    if (waiting.some((work) => work.priority > running.priority)) void this.#preempt();
  }

  /** Raises the priority of a context's waiting work. */
  raise(contextId: number, priority: number): void {
    const raised = this.#queued.filter((work) => work.contextId === contextId);
    this.#queued = this.#queued.filter((work) => work.contextId !== contextId);
    for (const work of [...raised, ...this.#inPort.filter((each) => each.contextId === contextId)]) {
      work.priority = priority;
    }
    for (const work of raised) this.#insert(work);
    this.#pump();
  }

  async #preempt(): Promise<void> {
    const { engine, clock, onStuck } = this.#options;
    const turn = this.#turn;
    this.#preempting = true;
    const timer = clock.startTimer(PREEMPT_TIMEOUT_MS, onStuck);
    const saved = await engine.preempt();
    timer.cancel();
    // It was halted meanwhile, and whoever halted it continues from there.
    if (!saved || turn !== this.#turn) return;
    this.#collect();
    const back = this.#inPort;
    this.#inPort = [];
    this.#open = false;
    // Before others of the same priority, because they arrived first.
    for (const work of back.toReversed()) this.#insert(work, "first");
    try {
      await engine.powerOn();
    } catch {
      if (turn === this.#turn) onStuck();
      return;
    }
    if (turn === this.#turn) this.start();
  }

  /** Before or after others of the same priority. */
  #insert(work: Work, place: "first" | "last" = "last"): void {
    const at = this.#queued.findIndex((each) =>
      place === "last" ? each.priority < work.priority : each.priority <= work.priority,
    );
    if (at < 0) this.#queued.push(work);
    else this.#queued.splice(at, 0, work);
  }
}
