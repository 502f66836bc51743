/**
 * The gate that every command which needs an active device passes. A transition closes it, waits for what is inside
 * to come out, and opens it at the end; commands that asked to be held wait outside and run exactly once.
 */
import type { Clock } from "../clock.ts";
import type { Hold } from "../command.ts";
import { DeviceError } from "../errors.ts";
import { HELD_COMMANDS_MAX, HOLD_TIMEOUT_MS } from "../limits.ts";

interface Held {
  admit(): void;
  refuse(error: DeviceError): void;
}

export class CommandGate {
  readonly #clock: Clock;
  #closedBecause: (() => DeviceError) | undefined;
  #inside = 0;
  #held = new Set<Held>();
  #drained: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when the command may run; `leave` must follow. Rejects when it is refused or was held too long. */
  async enter(hold: Hold, transitionRunning: boolean): Promise<void> {
    if (this.#closedBecause !== undefined) {
      const mayWait = hold === "until-active" || (hold === "transition" && transitionRunning);
      if (!mayWait) throw this.#closedBecause();
      await this.#wait();
      return;
    }
    this.#inside++;
  }

  leave(): void {
    this.#inside--;
    if (this.#inside > 0) return;
    const listeners = this.#drained;
    this.#drained = [];
    for (const listener of listeners) listener();
  }

  /** Admits no more commands; `because` makes the error for those that are refused from now on. */
  close(because: () => DeviceError): void {
    this.#closedBecause = because;
  }

  /** Resolves when no command is inside. */
  drained(): Promise<void> {
    if (this.#inside === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  /** Opens the gate and lets in what was held, in the order it came. */
  open(): void {
    this.#closedBecause = undefined;
    const held = this.#held;
    this.#held = new Set();
    for (const each of held) each.admit();
  }

  #wait(): Promise<void> {
    if (this.#held.size >= HELD_COMMANDS_MAX) {
      throw new DeviceError(
        "LIMIT_EXCEEDED",
        `${this.#held.size} commands are already held until the device is active, the most that can be.`,
      );
    }
    return new Promise((resolve, reject) => {
      const held: Held = {
        admit: () => {
          timer.cancel();
          this.#inside++;
          resolve();
        },
        refuse: (error) => {
          timer.cancel();
          this.#held.delete(held);
          reject(error);
        },
      };
      const timer = this.#clock.startTimer(HOLD_TIMEOUT_MS, () => {
        if (this.#closedBecause !== undefined) held.refuse(this.#closedBecause());
      });
      this.#held.add(held);
    });
  }
}
