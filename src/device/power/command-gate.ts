/**
 * The gate that every command which needs an active device passes. A transition closes it, waits until the
 * commands inside have left, and opens it at the end. Commands that asked to be held wait outside and run
 * exactly once. A device that has suspended itself closes it too. Then every command waits, and the first one
 * wakes the device.
 */
import type { Clock } from "../clock.ts";
import type { Holdable } from "../command.ts";
import { DeviceError } from "../errors.ts";
import { HELD_COMMANDS_MAX, HELD_COMMANDS_OF_ONE_MAX, HOLD_TIMEOUT_MS } from "../limits.ts";
import { Listeners } from "../listeners.ts";

interface Held {
  readonly caller: string | undefined;
  admit(): void;
  refuse(error: DeviceError): void;
}

export class CommandGate {
  readonly #clock: Clock;
  #closedBecause: (() => DeviceError) | undefined;
  #wake: (() => void) | undefined;
  #inside = 0;
  /** Told when the last command has left, and when the gate opens and nothing is inside. */
  readonly idle = new Listeners();
  #held = new Set<Held>();
  readonly #drained = new Listeners();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Commands that are inside. */
  get inside(): number {
    return this.#inside;
  }

  /**
   * Resolves when the command may run; `leave` must follow. Rejects if the command is refused or held too
   * long, or if `signal` says that nobody waits for it any more.
   */
  async enter(wish: Holdable, transitionRunning: boolean): Promise<void> {
    const { hold, signal } = wish;
    if (signal?.aborted === true) throw cancelled();
    if (this.#closedBecause !== undefined) {
      const mayWait = hold === "until-active" || (hold === "transition" && transitionRunning);
      if (!mayWait && this.#wake === undefined) throw this.#closedBecause();
      const admitted = this.#wait(wish);
      this.#wake?.();
      return admitted;
    }
    this.#inside++;
  }

  leave(): void {
    this.#inside--;
    if (this.#inside > 0) return;
    this.#drained.tell();
    this.idle.tell();
  }

  /**
   * Admits no more commands. `because` makes the error for each refusal. With `wake`, no command is refused:
   * each one waits and calls `wake`.
   */
  close(because: () => DeviceError, wake?: () => void): void {
    this.#closedBecause = because;
    this.#wake = wake;
  }

  /** Refuses those who wait. Legal when the gate is closed. */
  refuseHeld(error: DeviceError): void {
    for (const each of this.#held) each.refuse(error);
  }

  /** Resolves when no command is inside. */
  drained(): Promise<void> {
    if (this.#inside === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.once(resolve));
  }

  /** Opens the gate and admits the held commands in the order of their arrival. */
  open(): void {
    this.#closedBecause = undefined;
    this.#wake = undefined;
    const held = this.#held;
    this.#held = new Set();
    for (const each of held) each.admit();
    if (this.#inside === 0) this.idle.tell();
  }

  #wait({ signal, caller }: Holdable): Promise<void> {
    this.#requireRoom(caller);
    return new Promise((resolve, reject) => {
      const onAbort = () => held.refuse(cancelled());
      const held: Held = {
        caller,
        admit: () => {
          timer.cancel();
          signal?.removeEventListener("abort", onAbort);
          this.#inside++;
          resolve();
        },
        refuse: (error) => {
          timer.cancel();
          signal?.removeEventListener("abort", onAbort);
          this.#held.delete(held);
          reject(error);
        },
      };
      const timer = this.#clock.startTimer(HOLD_TIMEOUT_MS, () => {
        if (this.#closedBecause !== undefined) held.refuse(this.#closedBecause());
      });
      this.#held.add(held);
      signal?.addEventListener("abort", onAbort);
    });
  }

  /** HELD_COMMANDS_MAX bounds the loop. */
  #requireRoom(caller: string | undefined): void {
    const { size } = this.#held;
    if (size >= HELD_COMMANDS_MAX) {
      const sentence = `${size} commands are already held until the device is active, the most that can be.`;
      throw new DeviceError("LIMIT_EXCEEDED", sentence, { limit: String(HELD_COMMANDS_MAX) });
    }
    if (caller === undefined || size < HELD_COMMANDS_OF_ONE_MAX) return;
    let own = 0;
    for (const held of this.#held) if (held.caller === caller) own++;
    if (own < HELD_COMMANDS_OF_ONE_MAX) return;
    const sentence =
      `${own} commands of this caller are already held until the device is active, its share of ` +
      `${HELD_COMMANDS_MAX}.`;
    throw new DeviceError("LIMIT_EXCEEDED", sentence, { limit: String(HELD_COMMANDS_OF_ONE_MAX) });
  }
}

function cancelled(): DeviceError {
  return new DeviceError("CALL_CANCELLED", "Nobody waits for the call any more; it was not begun.");
}
