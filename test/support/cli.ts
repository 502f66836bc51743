/** torporctl inside the test's process: its words in, its output and exit code out. */
import { Readable, Writable } from "node:stream";
import type { Output } from "../../src/cli/io.ts";
import { run } from "../../src/cli/run.ts";

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** A stream stays open until it is ended. @default nothing */
  readonly stdin?: string | Readable;
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether both outputs are terminals. @default false */
  readonly isTTY?: boolean;
  /** Stands for Ctrl-C. */
  readonly interrupts?: AbortSignal;
  /** Called with all of stdout whenever there is more of it. */
  readonly onStdout?: (text: string) => void;
}

/** Runs torporctl with these words. The daemon is named by `--server` among them. */
export async function runCli(words: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { stdin = "", environment = {}, isTTY = false, interrupts = new AbortController().signal } = options;
  const stdout = new Capture(isTTY, options.onStdout);
  const stderr = new Capture(isTTY);
  const input =
    typeof stdin === "string" ? Readable.from([Buffer.from(stdin)], { objectMode: false }) : stdin;
  const io = { stdin: input, stdout, stderr, environment, takeInterrupts: () => interrupts };
  const code = await run(words, io, "0.0.0-test");
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

/** What was written, kept. */
class Capture extends Writable implements Output {
  readonly isTTY: boolean;
  readonly columns = 100;
  readonly rows = 30;
  readonly #chunks: Buffer[] = [];
  readonly #onMore: (text: string) => void;

  constructor(isTTY: boolean, onMore: (text: string) => void = () => {}) {
    super();
    this.isTTY = isTTY;
    this.#onMore = onMore;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    this.#onMore(this.text());
    done();
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString();
  }
}
