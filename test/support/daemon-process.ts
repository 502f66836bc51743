/** A real torpord in a process of its own, as an operator runs it. */
import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

/** The program, in its source. */
export const MAIN = fileURLToPath(new URL("../../src/server/main.js", import.meta.url));

/** Longest wait for a line or for the end. Unit: milliseconds. */
const PATIENCE_MS = 20_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

export class DaemonProcess implements AsyncDisposable {
  readonly #child: Child;
  readonly #exit: Promise<Exit>;
  /** Settled when there is more output than there was. */
  #more = Promise.withResolvers<void>();
  stdout = "";
  stderr = "";

  /**
   * @param words the command line; the environment has no TORPOR_ and OTEL_ variables but these
   * @param under a program that runs the command line that follows its own words, such as a shell with a limit
   */
  constructor(
    words: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    under: readonly string[] = [],
  ) {
    const inherited = Object.entries(process.env).filter(([name]) => !/^(TORPOR|OTEL)_/.test(name));
    const [program = process.execPath, ...rest] = [...under, process.execPath, MAIN, ...words];
    this.#child = spawn(program, rest, {
      env: { ...Object.fromEntries(inherited), ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
      this.#more.resolve();
      this.#more = Promise.withResolvers();
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.#exit = once(this.#child, "close").then(() => ({
      code: this.#child.exitCode,
      signal: this.#child.signalCode,
    }));
  }

  get pid(): number {
    assert(this.#child.pid !== undefined, "the process has started");
    return this.#child.pid;
  }

  /** The fields of the first line of the log whose message is `message`. */
  async line(message: string): Promise<Readonly<Record<string, unknown>>> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    const late = once(deadline, "abort");
    for (;;) {
      const more = this.#more.promise;
      const found = this.#complete().find((line) => line.msg === message);
      if (found !== undefined) return found;
      assert(!deadline.aborted, this.#report(message));
      // At once and not by polling: benchmarks time how long a line takes.
      const ended = await Promise.race([this.#exit, more, late]);
      assert(
        ended === undefined || deadline.aborted || this.#complete().some((line) => line.msg === message),
        this.#report(message),
      );
    }
  }

  /** Where it listens, once it does. */
  async ready(): Promise<{ readonly http: string; readonly grpc: string }> {
    const { http, grpc } = await this.line("ready");
    assert(typeof http === "string" && typeof grpc === "string", "the ready line has both addresses");
    return { http, grpc };
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async exit(): Promise<Exit> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), PATIENCE_MS);
    const exit = await this.#exit;
    clearTimeout(timer);
    return exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exit;
  }

  #complete(): Readonly<Record<string, unknown>>[] {
    const lines = this.stdout.split("\n").slice(0, -1);
    return lines.map((line): Record<string, unknown> => Object(JSON.parse(line)));
  }

  #report(message: string): string {
    return `the daemon did not log ${message}; its output was:\n${this.stdout}${this.stderr}`;
  }
}
