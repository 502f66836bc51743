/** What the exit code says. docs/torporctl.md has the same table. */
import type { StatusCode } from "../client/mod.ts";

export const EXIT = {
  OK: 0,
  /** The device or the daemon failed, or something ended with an error. */
  FAILED: 1,
  /** The command line or the request can never succeed as it stands. */
  USAGE: 2,
  /** Nobody answers, or not now. */
  UNAVAILABLE: 3,
  NOT_FOUND: 4,
  /** Legal later, in another state. */
  REFUSED: 5,
  /** No room. */
  EXHAUSTED: 6,
  /** A bounded wait ran out. */
  DEADLINE: 7,
  /** Not allowed. */
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
