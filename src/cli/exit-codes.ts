/** Exit codes. docs/torporctl.md has the same table. */
import type { StatusCode } from "../client/mod.ts";

export const EXIT = {
  OK: 0,
  /** The device or the daemon failed, or something ended with an error. */
  FAILED: 1,
  /** The command line or the request is wrong and can never succeed. */
  USAGE: 2,
  /** The daemon does not answer, or cannot serve the call now. */
  UNAVAILABLE: 3,
  NOT_FOUND: 4,
  /** The call is legal only in another state. */
  REFUSED: 5,
  /** There is no room. */
  EXHAUSTED: 6,
  /** A wait timed out. */
  DEADLINE: 7,
  /** The caller is not allowed to do this. */
  DENIED: 8,
  CANCELLED: 9,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const EXIT_OF: Readonly<Record<StatusCode, ExitCode>> = {
  CANCELLED: EXIT.CANCELLED,
  UNKNOWN: EXIT.FAILED,
  INVALID_ARGUMENT: EXIT.USAGE,
  DEADLINE_EXCEEDED: EXIT.DEADLINE,
  NOT_FOUND: EXIT.NOT_FOUND,
  ALREADY_EXISTS: EXIT.REFUSED,
  PERMISSION_DENIED: EXIT.DENIED,
  UNAUTHENTICATED: EXIT.DENIED,
  RESOURCE_EXHAUSTED: EXIT.EXHAUSTED,
  FAILED_PRECONDITION: EXIT.REFUSED,
  ABORTED: EXIT.REFUSED,
  OUT_OF_RANGE: EXIT.USAGE,
  UNIMPLEMENTED: EXIT.FAILED,
  INTERNAL: EXIT.FAILED,
  UNAVAILABLE: EXIT.UNAVAILABLE,
  DATA_LOSS: EXIT.FAILED,
};

/** The exit code for a call that failed with `code`. */
export function exitCodeOf(code: StatusCode): ExitCode {
  return EXIT_OF[code];
}
