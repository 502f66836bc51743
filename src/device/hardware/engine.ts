/**
 * An engine: fetches commands from the current context's ring in LMEM and executes them on real bytes.
 *
 * One interface, two forms: in-process (deterministic, under a Clock) and threaded (one worker). Both run the
 * same EngineCore over the same control memory, so that submission cannot tell them apart.
 */
import type { Listeners } from "../listeners.ts";
import type { Submission } from "./control.ts";

/**
 * Why an engine stopped executing. The number in the FAULT register is the position in this list; 0 is none.
 */
export const FAULTS = [
  "NONE",
  "CONTEXT_CORRUPT",
  "PAGE_FAULT",
  "BUS_ERROR",
  "BAD_OPCODE",
  "THREAD_DIED",
] as const;
export type Fault = (typeof FAULTS)[number];

/** Where an engine stands: for people who look into a hang. */
export interface EnginePosition {
  readonly contextId: number;
  /** Byte offset in that context's ring. */
  readonly ringHead: number;
}

export interface Engine {
  readonly name: string;
  /** Position in the device's list of engines. */
  readonly index: number;

  /**
   * Lets the engine run with an empty port, after power on, a halt or a preemption. Rejects after
   * ENGINE_START_TIMEOUT_MS.
   */
  powerOn(): Promise<void>;

  /**
   * Stops the engine, whatever it is doing, and forgets its submissions. Resolves when the engine has
   * acknowledged that it no longer touches memory, or has been terminated; always within
   * ENGINE_ACK_TIMEOUT_MS and a bit.
   */
  halt(): Promise<void>;

  /**
   * Asks the engine to save its context at the next boundary between commands and to stop there. Resolves to
   * true when it has, to false when a halt came first. A context that hangs never lets go: set a bound.
   */
  preempt(): Promise<boolean>;

  /** Submissions that can be written to the port now. */
  portRoom(): number;

  /** Writes a submission to the port. Legal when there is room; only the microcontroller calls it. */
  submit(submission: Submission): void;

  /** Tells the engine to look at its port. */
  ringDoorbell(): void;

  /** Submissions finished since it was last let run, in the order they were submitted. */
  completed(): number;

  /** Why the engine has stopped executing; NONE while it has not. */
  fault(): Fault;

  /** Nanoseconds that the engine has spent on work. */
  busyNs(): bigint;

  position(): EnginePosition;

  /**
   * Told after completions, acknowledgements and faults, never from inside another call of this interface.
   */
  readonly events: Listeners;

  /** Ends the engine for good and frees its thread. */
  close(): Promise<void>;
}
