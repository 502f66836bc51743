/** A progress line for terminals. Prints nothing elsewhere. */
import { columnsOf, type Output } from "./io.ts";
import { formatSize } from "./quantities.ts";

const BAR_LENGTH = 24;
/** Time between two refreshes. Unit: milliseconds. */
const PAINT_MS = 100;
const TO_LINE_START = "\r";
const CLEAR_LINE = "\r\u001b[K";

export class Progress implements Disposable {
  /** Whether the output is a terminal. */
  readonly shown: boolean;
  readonly #out: Output;
  readonly #what: string;
  readonly #startMs = performance.now();
  #paintedMs = Number.NEGATIVE_INFINITY;

  /** @param wanted false prints nothing, even on a terminal */
  constructor(out: Output, what: string, wanted: boolean) {
    this.#out = out;
    this.#what = what;
    this.shown = wanted && out.isTTY === true;
  }

  /** @param totalBytes 0 if unknown @param note the current step */
  update(doneBytes: number, totalBytes: number, note = ""): void {
    const nowMs = performance.now();
    const ended = totalBytes > 0 && doneBytes >= totalBytes;
    if (!this.shown || (nowMs - this.#paintedMs < PAINT_MS && !ended)) return;
    this.#paintedMs = nowMs;
    const seconds = (nowMs - this.#startMs) / 1000;
    const rate = doneBytes > 0 && seconds > 0 ? `${formatSize(Math.round(doneBytes / seconds))}/s` : "";
    const parts = [this.#what, bar(doneBytes, totalBytes), amount(doneBytes, totalBytes), rate, note];
    const line = parts.filter((part) => part !== "").join("  ");
    this.#out.write(`${CLEAR_LINE}${line.slice(0, columnsOf(this.#out) - 1)}${TO_LINE_START}`);
  }

  /** Clears the line. The caller then prints the result. */
  [Symbol.dispose](): void {
    if (this.shown && this.#paintedMs > Number.NEGATIVE_INFINITY) this.#out.write(CLEAR_LINE);
  }
}

function bar(done: number, total: number): string {
  if (total === 0) return "";
  const filled = Math.min(Math.floor((done / total) * BAR_LENGTH), BAR_LENGTH);
  return `[${"#".repeat(filled)}${".".repeat(BAR_LENGTH - filled)}]`;
}

function amount(done: number, total: number): string {
  return total === 0 ? formatSize(done) : `${formatSize(done)} of ${formatSize(total)}`;
}
