/** Runs one command line and returns its exit code. */
import { CommanderError } from "commander";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import type { GlobalOptions } from "./globals.ts";
import type { Io } from "./io.ts";
import { buildProgram } from "./program.ts";
import { explain } from "./report-error.ts";

/**
 * @param words the command line without the program
 * @returns the exit code, after all output has been written
 */
export async function run(words: readonly string[], io: Io, version: string): Promise<ExitCode> {
  const program = buildProgram(io, version);
  try {
    await program.parseAsync([...words], { from: "user" });
    return EXIT.OK;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.OK;
    // A group without a command: commander has shown its help.
    if (error instanceof CommanderError && error.code === "commander.help") return EXIT.USAGE;
    const { output } = program.opts<Partial<GlobalOptions>>();
    const { text, exitCode } = explain(error, output === "json");
    io.stderr.write(text);
    return exitCode;
  }
}
