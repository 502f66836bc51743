/**
 * The microcontroller that schedules all submissions (GuC submission). Its firmware is read from LMEM and
 * verified at load. What it knows of contexts is lost whenever it stops: each must be registered again before
 * its next use. While it does not run, doorbells go unheard; that is what a dead microcontroller looks like
 * from outside.
 */
import type { EngineQueue, Work } from "./engine-queue.ts";
import { firmwareDefect } from "./firmware.ts";
import type { Microcode } from "./microcode.ts";

/** Where the firmware image is, and how to read it. */
export interface FirmwareLocation {
  readonly words: Uint32Array;
  readonly offsetBytes: number;
  readonly microcode: Microcode;
}

export class Microcontroller {
  readonly #firmware: FirmwareLocation;
  readonly #registered = new Set<string>();
  #running = false;

  constructor(firmware: FirmwareLocation) {
    this.#firmware = firmware;
  }

  get running(): boolean {
    return this.#running;
  }

  /**
   * Loads and starts the firmware. Returns why it could not be, as part of a sentence; undefined on success.
   */
  load(): string | undefined {
    this.stop();
    const { words, offsetBytes, microcode } = this.#firmware;
    const defect = firmwareDefect(words, offsetBytes, microcode);
    this.#running = defect === undefined;
    return defect;
  }

  /** Stops the firmware. What was registered is forgotten. */
  stop(): void {
    this.#running = false;
    this.#registered.clear();
  }

  /** Makes a context known; work of unknown contexts is not scheduled. */
  register(imageBank: number, imageOffsetBytes: number): void {
    if (this.#running) this.#registered.add(`${imageBank}:${imageOffsetBytes}`);
  }

  /** Forgets a context whose image is about to move. */
  deregister(imageBank: number, imageOffsetBytes: number): void {
    this.#registered.delete(`${imageBank}:${imageOffsetBytes}`);
  }

  /** Schedules work on an engine. Unheard when not running or the context is unknown. */
  submit(queue: EngineQueue, work: Work): void {
    if (!this.#running) return;
    if (!this.#registered.has(`${work.imageBank}:${work.imageOffsetBytes}`)) return;
    queue.submit(work);
  }
}
