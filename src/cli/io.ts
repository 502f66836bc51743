/** The outside world as the program sees it. Tests pass their own. */
import type { Readable, Writable } from "node:stream";

export interface Io {
  readonly stdin: Readable;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /**
   * From now on an interrupt aborts the signal instead of ending the process, so that the command can clean
   * up.
   */
  takeInterrupts(): AbortSignal;
}

/** A stream that may be a terminal. */
export type Output = Writable & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};

/** Columns of a terminal that reports none, or 0. */
const COLUMNS_DEFAULT = 80;
const ROWS_DEFAULT = 24;

export function columnsOf({ columns }: Output): number {
  return columns || COLUMNS_DEFAULT;
}

export function rowsOf({ rows }: Output): number {
  return rows || ROWS_DEFAULT;
}
