/**
 * An engine: fetches commands from the current context's ring in LMEM and executes them on real bytes.
 *
 * One interface, two forms: in-process (deterministic, under a Clock) and threaded (one worker). Both run the same
 * EngineCore over the same control memory, so that submission cannot tell them apart.
 */
import type { Submission } from "./control.ts";

/** Why an engine stopped executing. The number in the FAULT register is the position in this list; 0 is none. */
export const FAULTS = [
  "NONE",
  "CONTEXT_CORRUPT",
  "PAGE_FAULT",
  "BUS_ERROR",
  "BAD_OPCODE",
  "THREAD_DIED",
] as const;
export type Fault = (typeof FAULTS)[number];

export interface Engine {
  readonly name: string;
  /** Position in the device's list of engines. */
  readonly index: number;

  /** Applies power: the engine acknowledges and begins to take submissions. Rejects when it does not in time. */
  powerOn(): Promise<void>;

  /**
   * Stops the engine, whatever it is doing, and forgets its submissions. Resolves when the engine has acknowledged
   * that it no longer touches memory, or has been terminated; always within ENGINE_ACK_TIMEOUT_MS and a bit.
   */
  halt(): Promise<void>;

  /** Submissions that can be written to the port now. */
  portRoom(): number;

  /** Writes a submission to the port. Legal when there is room; only the microcontroller calls it. */
  submit(submission: Submission): void;

  /** Tells the engine to look at its port. */
  ringDoorbell(): void;

  /** Submissions finished since power on, in the order they were submitted. */
  completed(): number;

  /** Why the engine has stopped executing; NONE while it has not. */
  fault(): Fault;

  /** Called after completions, acknowledgements and faults, never from inside another call of this interface. */
  onEvent: () => void;

  /** Ends the engine for good and frees its thread. */
  close(): Promise<void>;
}
