/** Errors as people and programs read them, and the exit code of each. */
import { getSystemErrorMessage } from "node:util";
import { CommanderError } from "commander";
import { TorporError } from "../client/mod.ts";
import { printable } from "../contract/terminal-text.ts";
import { EXIT, type ExitCode, exitCodeOf } from "./exit-codes.ts";
import { formatJson } from "./structured-text.ts";
import { UsageError } from "./usage-error.ts";

/** The parts of an error that users see. -o json prints exactly these. */
interface Told {
  readonly code: string;
  readonly reason: string;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface Explained {
  readonly exitCode: ExitCode;
  /** The lines for stderr. */
  readonly text: string;
}

/** @throws the error itself if it is a bug in torporctl */
export function explain(error: unknown, asJson: boolean): Explained {
  const { told, exitCode } = toTold(error);
  if (asJson) return { exitCode, text: formatJson({ error: told }) };
  const line = printable(told.message.replaceAll("\n", " "));
  return {
    exitCode,
    text: `torporctl: ${line}${told.reason === "" ? "" : ` (${printable(told.reason)})`}\n`,
  };
}

function toTold(error: unknown): { told: Told; exitCode: ExitCode } {
  if (error instanceof TorporError) {
    const { code, reason, message, metadata } = error;
    return { told: { code, reason, message, metadata }, exitCode: exitCodeOf(code) };
  }
  if (error instanceof UsageError || error instanceof CommanderError) {
    const message = error instanceof UsageError ? error.message : sentence(error.message);
    return { told: { code: "INVALID_ARGUMENT", reason: "", message, metadata: {} }, exitCode: EXIT.USAGE };
  }
  if (isSystemError(error)) {
    const told = { code: "UNKNOWN", reason: error.code, message: systemSentence(error), metadata: {} };
    return { told, exitCode: EXIT.FAILED };
  }
  throw error;
}

interface SystemError extends Error {
  readonly code: string;
  readonly errno?: number;
  readonly path?: string;
}

function systemSentence({ errno, path, message }: SystemError): string {
  if (path === undefined || errno === undefined) return sentence(message);
  return `The file ${path} cannot be used: ${getSystemErrorMessage(errno)}.`;
}

/** Errors of files that cannot be read or written. */
function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && "code" in error && typeof error.code === "string" && "syscall" in error;
}

/** Turns commander's messages ("error: unknown option '--x'") into sentences. */
function sentence(message: string): string {
  const text = message
    .replace(/^error: /, "")
    .replaceAll("\n", " ")
    .trim();
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?)]$/.test(capital) ? capital : `${capital}.`;
}
