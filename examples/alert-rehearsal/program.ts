/** A program that runs beside this one, until it is disposed of or this one ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

const START_TIMEOUT_MS = 30_000;
const POLL_MS = 50;

export class Program implements AsyncDisposable {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #said = "";

  constructor(name: string, command: string, words: readonly string[]) {
    this.#name = name;
    this.#child = spawn(command, words, { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#said += text;
      });
    }
    this.#ended = once(this.#child, "close").catch((error: unknown) => {
      this.#said += String(error);
    });
  }

  /** Waits until it has said what a pattern finds. @throws Error with all that it said, when it ends or takes too long. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    let isRunning = true;
    while (isRunning && performance.now() < deadline) {
      const found = pattern.exec(this.#said);
      if (found !== null) return found;
      isRunning = await Promise.race([this.#ended.then(() => false), sleep(POLL_MS, true)]);
    }
    throw new Error(`${this.#name} did not start; it said: ${this.#said}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#ended;
  }
}
