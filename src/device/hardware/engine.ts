/**
 * An engine fetches commands from the current context's ring in LMEM and executes them on real bytes.
 *
 * The interface has two forms: in-process (deterministic, under a Clock) and threaded (one worker). Both run
 * the same EngineCore over the same control memory, so submission cannot tell them apart.
 */
import type { Listeners } from "../listeners.ts";
import type { MovedBytes } from "../resource.ts";
import type { Submission } from "./control.ts";

/** Why an engine stopped executing. The FAULT register holds the position in this list; 0 means none. */
export const FAULTS = [
  "NONE",
  "CONTEXT_CORRUPT",
  "PAGE_FAULT",
  "BUS_ERROR",
  "BAD_OPCODE",
  "THREAD_DIED",
] as const;
export type Fault = (typeof FAULTS)[number];

/** The position of an engine, for people who analyse a hang. */
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
   * Stops the engine, whatever it is doing, and discards its submissions. Resolves when the engine has
   * acknowledged that it no longer touches memory, or was terminated, always within little more than
   * ENGINE_ACK_TIMEOUT_MS.
   */
  halt(): Promise<void>;

  /**
   * Asks the engine to save its context at the next boundary between commands and stop there. Resolves to
   * true when it has, or to false if a halt came first. A context that hangs never yields, so the caller must
   * set a time limit.
   */
  preempt(): Promise<boolean>;

  /** How many submissions can be written to the port now. */
  portRoom(): number;

  /** Writes a submission to the port. Legal when there is room. Only the microcontroller calls it. */
  submit(submission: Submission): void;

  /** Tells the engine to look at its port. */
  ringDoorbell(): void;

  /** Submissions finished since the engine was last started, in the order of submission. */
  completed(): number;

  /** Why the engine has stopped executing; NONE while it has not. */
  fault(): Fault;

  /** Time that the engine has spent on work. Nanoseconds. */
  busyNs(): bigint;

  /** Whether it is on work now. */
  busy(): boolean;

  /** Bytes that it has moved since the device was made. */
  movedBytes(): MovedBytes;

  position(): EnginePosition;

  /** Called after completions, acknowledgements and faults, never during another call of this interface. */
  readonly events: Listeners;

  /** Ends the engine permanently and frees its thread. */
  close(): Promise<void>;
}
