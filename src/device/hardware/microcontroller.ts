/**
 * The microcontroller that schedules all submissions (GuC submission). It reads its firmware from LMEM and
 * verifies it at load. When it stops it forgets all contexts, so each must be registered again before its
 * next use. While it does not run, it ignores doorbells, and from outside it looks dead.
 */
import type { EngineQueue, Work } from "./engine-queue.ts";
import { firmwareDefect } from "./firmware.ts";
import type { Microcode } from "./microcode.ts";

/** The location of the firmware image, and the means to read it. */
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
   * Loads and starts the firmware. Returns the reason for a failure as part of a sentence; undefined on
   * success.
   */
  load(): string | undefined {
    this.stop();
    const { words, offsetBytes, microcode } = this.#firmware;
    const defect = firmwareDefect(words, offsetBytes, microcode);
    this.#running = defect === undefined;
    return defect;
  }

  /** Stops the firmware, which forgets all registrations. */
  stop(): void {
    this.#running = false;
    this.#registered.clear();
  }

  /** Registers a context. Work of unregistered contexts is not scheduled. */
  register(imageBank: number, imageOffsetBytes: number): void {
    if (this.#running) this.#registered.add(`${imageBank}:${imageOffsetBytes}`);
  }

  /** Forgets a context whose image is about to move. */
  deregister(imageBank: number, imageOffsetBytes: number): void {
    this.#registered.delete(`${imageBank}:${imageOffsetBytes}`);
  }

  /** Schedules work on an engine. Ignored if the firmware is not running or does not know the context. */
  submit(queue: EngineQueue, work: Work): void {
    if (!this.#running) return;
    if (!this.#registered.has(`${work.imageBank}:${work.imageOffsetBytes}`)) return;
    queue.submit(work);
  }
}
