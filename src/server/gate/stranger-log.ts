/**
 * Log lines that strangers can cause. They are cut to a length and limited to a few per second, and the rest
 * are counted. Otherwise strangers could fill the disk.
 */
import type { FastifyBaseLogger } from "fastify";
import { STRANGER_LINES_AT_ONCE, STRANGER_LINES_PER_SECOND, STRANGER_TEXT_LENGTH_MAX } from "../limits.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface StrangerLogOptions {
  /** Milliseconds of a clock that never goes back. @default performance.now */
  readonly now?: () => number;
  /** Called for each line that was dropped. */
  readonly onDropped?: (() => void) | undefined;
}

export class StrangerLog {
  readonly #log: FastifyBaseLogger;
  readonly #onDropped: (() => void) | undefined;
  readonly #lines: TokenBucket;
  #notShown = 0;

  constructor(log: FastifyBaseLogger, { now = () => performance.now(), onDropped }: StrangerLogOptions = {}) {
    this.#log = log;
    this.#onDropped = onDropped;
    this.#lines = new TokenBucket(STRANGER_LINES_PER_SECOND, now, STRANGER_LINES_AT_ONCE);
  }

  /** @param fields their texts are cut. */
  write(level: "debug" | "info" | "warn", fields: Readonly<Record<string, unknown>>, message: string): void {
    if (!isShown(this.#log.level, level)) return;
    if (!this.#lines.take()) {
      this.#notShown++;
      this.#onDropped?.();
      return;
    }
    const linesNotShown = this.#notShown === 0 ? {} : { linesNotShown: this.#notShown };
    this.#notShown = 0;
    const entries = Object.entries(fields).map(([name, value]) => [name, cut(value)]);
    this.#log[level]({ ...Object.fromEntries(entries), ...linesNotShown }, cut(message));
  }
}

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];

function isShown(least: string, level: string): boolean {
  return LEVELS.indexOf(level) >= LEVELS.indexOf(least);
}

function cut<T>(value: T): T | string {
  if (typeof value !== "string" || value.length <= STRANGER_TEXT_LENGTH_MAX) return value;
  return `${value.slice(0, STRANGER_TEXT_LENGTH_MAX)}…`;
}
