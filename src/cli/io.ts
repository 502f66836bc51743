/** What the program sees of the outside world; tests hand in their own. */
import type { Readable, Writable } from "node:stream";

export interface Io {
  readonly stdin: Readable;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** From now on an interrupt does not end the process but aborts the signal: for who has to tidy up. */
  takeInterrupts(): AbortSignal;
}

/** A stream that may be a terminal. */
export type Output = Writable & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};

/** Columns of a terminal that does not say how many it has: some say 0. */
const COLUMNS_DEFAULT = 80;
const ROWS_DEFAULT = 24;

export function columnsOf({ columns }: Output): number {
  return columns || COLUMNS_DEFAULT;
}

export function rowsOf({ rows }: Output): number {
  return rows || ROWS_DEFAULT;
}
