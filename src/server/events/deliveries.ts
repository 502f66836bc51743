/**
 * The turns of all watchers together: so many bytes of events in one turn of the event loop, whoever they are
 * for. A thousand objects that change are a hundred megabytes for 256 watchers, and who changed them is not
 * to wait for that.
 */
import type { Clock } from "../../device/clock.ts";

interface Waiting {
  readonly bytes: number;
  go(): void;
}

export class Deliveries {
  readonly #clock: Clock;
  readonly #turnBytesMax: number;
  /** In the order in which they asked. */
  #waiting: Waiting[] = [];
  #left: number;
  #isRunning = false;

  constructor(clock: Clock, turnBytesMax: number) {
    this.#clock = clock;
    this.#turnBytesMax = turnBytesMax;
    this.#left = turnBytesMax;
  }

  /** Resolves when a watcher may be given so many bytes. One that is alone never waits for others. */
  async turn(bytes: number): Promise<void> {
    const mayGo = this.#left > 0 && this.#waiting.length === 0;
    if (mayGo) this.#left -= bytes;
    if (!this.#isRunning) void this.#run();
    if (!mayGo) await new Promise<void>((resolve) => this.#waiting.push({ bytes, go: resolve }));
  }

  /** Runs from the first delivery until a turn of the event loop in which there was none. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#left < this.#turnBytesMax || this.#waiting.length > 0) {
      await this.#clock.yield();
      this.#left = this.#turnBytesMax;
      let count = 0;
      for (const { bytes, go } of this.#waiting) {
        if (this.#left <= 0) break;
        this.#left -= bytes;
        count++;
        go();
      }
      this.#waiting.splice(0, count);
    }
    this.#isRunning = false;
  }
}
