/** C programs of `bench/limits`: compiled with the system's compiler, asked line by line. */
import assert from "node:assert/strict";
import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";

const run = promisify(execFile);

export class CProgram implements AsyncDisposable {
  readonly #folder: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;
  readonly #lines: Interface;

  private constructor(folder: string, args: readonly string[]) {
    this.#folder = folder;
    this.#child = spawn(join(folder, "program"), args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface(this.#child.stdout);
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  /** Compiles and starts `bench/limits/NAME.c`. Undefined when the machine has no C compiler. */
  static async start(name: string, args: readonly string[]): Promise<CProgram | undefined> {
    const folder = await mkdtemp(join(tmpdir(), "torpor-bench-"));
    const source = new URL(`../limits/${name}.c`, import.meta.url).pathname;
    try {
      await run("cc", ["-O2", "-Wall", "-Wextra", "-pthread", "-o", join(folder, "program"), source]);
    } catch (error) {
      await rm(folder, { recursive: true });
      if (isMissing(error)) return undefined;
      throw error;
    }
    return new CProgram(folder, args);
  }

  /** Sends one line, and answers the number that comes back. */
  async ask(line: string): Promise<number> {
    this.#child.stdin.write(`${line}\n`);
    const { value, done } = await this.#answers.next();
    assert(done !== true, `the C program ended at "${line}"`);
    return Number(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lines.close();
    this.#child.kill();
    await rm(this.#folder, { recursive: true });
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
